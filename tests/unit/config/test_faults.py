"""Each kind of fault in config.toml, by its whole text."""

# ruff: noqa: E501 a message stands on one line, as it is shown

from __future__ import annotations

import pytest

from monitor.config.crosscheck import OWN_PARAMS
from monitor.targets import anthropic, openai

REFER = '{ env = "…" }, { file = "…" } or { credential = "…" }'
REFERENCE = f"must be a reference, never the secret itself: {REFER}"
NO_SECRET = "a secret does not belong in this file"
BOT = "[alerts.slack]\ntoken = { env = 'T' }\n"
LOOKS = f"holds what looks like a key: {NO_SECRET}; where one is needed, write {REFER}"
FROM = "from = 'heldout@b.example'\nsmtp = { env = 'S' }"
ONE_ADDRESS = (
    'must be one address, such as "oncall@example.com" or "Name <oncall@example.com>", without quotes or other signs '
    "around the name (a domain beyond ASCII as xn--…)"
)
AT_START = "(a relative path starts at the configuration's folder)"

SUITE = """
[suites.support]
cases = "support.jsonl"
metrics = ["exact_match"]
"""
TARGET = """
[targets.bot]
provider = "openai"
model = "m"
suites = ["support"]
"""
HTTP = """
[targets.bot]
provider = "http"
url = "http://localhost:1/answer"
body = '{"q": {{ input | tojson }}}'
answer = "text"
suites = ["support"]
"""
RAG = """
[targets.books]
provider = "rag"
documents = "docs"
suites = ["support"]
"""

# What is added to a configuration without faults, and the one fault that this makes.
ADDED: list[tuple[str, str]] = [
    ("[databse]\nurl = 'sqlite:///x.db'", "[databse]: unknown table; did you mean [database]?"),
    ("[schedule]\ncorn = '0 6 * * mon'", '[schedule] corn: unknown key; did you mean "cron"?'),
    ("[schedule]\nzzz = 1", "[schedule] zzz: unknown key"),
    ("schedule = 3", "[schedule]: must be a table"),
    ("[schedule]\ncron = 6", "[schedule] cron: must be text in quotes"),
    (
        "[schedule]\ncron = '0 6 * *'",
        '[schedule] cron: must have five fields (minute, hour, day, month, weekday), such as "0 6 * * mon"',
    ),
    (
        "[schedule]\ncron = '@weekly'",
        '[schedule] cron: must have five fields (minute, hour, day, month, weekday), such as "0 6 * * mon"',
    ),
    (
        "[schedule]\ncron = '0 6 * * 1'",
        "[schedule] cron: has a digit as its weekday: cron dialects disagree on whether 0, 1 or 7 is Sunday; "
        "name the day instead (mon, tue, wed, thu, fri, sat, sun)",
    ),
    ("[schedule]\ncron = '61 6 * * mon'", "[schedule] cron: has a minute that is not valid"),
    ("[schedule]\ncron = '0 6 30 feb *'", "[schedule] cron: has a day-of-month that is not valid"),
    (
        "[schedule]\ncron = '0 6 * * monday'",
        "[schedule] cron: has a day-of-week that is not valid: mon, tue, wed, thu, fri, sat, sun, and a range must not "
        "pass the end of the week, which begins on sun",
    ),
    (
        "[schedule]\ntimezone = 'Europe/Viena'",
        '[schedule] timezone: is not a time zone; did you mean "Europe/Vienna"?',
    ),
    (
        "[schedule]\ntimezone = '../../etc/passwd'",
        '[schedule] timezone: is not a time zone: write one such as "Europe/Vienna" or "UTC"',
    ),
    (
        "[schedule]\ncatch_up = '7 days'",
        '[schedule] catch_up: must be a duration such as "90s", "15m", "6h" or "7d"',
    ),
    ("[schedule]\ncatch_up = 7", '[schedule] catch_up: must be a duration such as "90s", "15m", "6h" or "7d"'),
    ("[schedule]\ncatch_up = '999999999d'", '[schedule] catch_up: must be at most "3650d"'),
    ("[thresholds]\ninvestigate = '3'", "[thresholds] investigate: must be a number"),
    ("[thresholds]\ninvestigate = true", "[thresholds] investigate: must be a number"),
    ("[thresholds]\ninvestigate = nan", "[thresholds] investigate: must be a finite number"),
    ("[thresholds]\ninvestigate = 0", "[thresholds] investigate: must be more than 0"),
    ("[thresholds]\ninvestigate = 7", "[thresholds] investigate: rollback (5) must be larger than investigate (7)"),
    ("[thresholds]\nrollback = 3.0", "[thresholds] rollback: rollback (3) must be larger than investigate (3)"),
    ("[thresholds]\nunit = 'point'", '[thresholds] unit: must be one of "points", "percent"; did you mean "points"?'),
    ("[decision]\nmax_repeats = 0", '[decision] max_repeats: must be "auto" or a whole number from 1 to 128'),
    (
        "[decision]\nbaseline_repeats = true",
        '[decision] baseline_repeats: must be "auto" or a whole number from 1 to 128',
    ),
    ("[budget]\ncalls_per_run = 1.5", "[budget] calls_per_run: must be a whole number"),
    ("[budget]\ncalls_per_run = 0", "[budget] calls_per_run: must be at least 1"),
    ("[budget]\nusd_per_run = -1", "[budget] usd_per_run: must be at least 0"),
    (
        "[database]\nurl = 'mysql://db/x'",
        '[database] url: must be "sqlite:///FILE", where FILE is a path without ? or #, such as "sqlite:///heldout.db", or '
        '"postgresql://USER@HOST/DATABASE"',
    ),
    (
        "[database]\nurl = 'sqlite:///:memory:'",
        '[database] url: must name a file, such as "sqlite:///heldout.db": what is only in memory is lost after each command',
    ),
    ("[database]\nurl = 'postgres://db/x'", "[database] url: postgres:// is an old spelling: write postgresql://"),
    (
        "[database]\nurl = 'postgresql+asyncpg://db/x'",
        '[database] url: must be "postgresql://USER@HOST/DATABASE", which psycopg connects to',
    ),
    (
        "[database]\nurl = 'postgresql://db'",
        '[database] url: must name one database at its end: "postgresql://USER@HOST/DATABASE"',
    ),
    (
        "[database]\nurl = 'postgresql://db:port/x'",
        '[database] url: is not a valid address: write it as "postgresql://USER@HOST/DATABASE"',
    ),
    (
        "[database]\nurl = 'postgresql://db/my x'",
        "[database] url: must be an address without spaces, line breaks or #; in a password or name write them as %20, %23",
    ),
    *(
        (f"[database]\nurl = '{url}'", f"[database] url: holds a password: {NO_SECRET}; refer to it with {REFER}")
        for url in ("postgresql+psycopg://me:hunter2@db/heldout", "postgresql:///x?user=me&password=hunter2")
    ),
    ("[database]\nurl = 3", f"[database] url: {REFERENCE}"),
    (
        "[suites.'a b']\ncases = 'support.jsonl'\nmetrics = ['f1']",
        '[suites."a b"]: a suite\'s name must begin with a letter or digit and go on with letters, digits, dots, hyphens '
        "and underscores (100 at most)",
    ),
    (
        "[suites.x]\nmetrics = ['f1']",
        '[suites.x] cases: is missing: the file with the test set, such as "support.jsonl"',
    ),
    ("[suites.x]\ncases = 'nope.jsonl'\nmetrics = ['f1']", f"[suites.x] cases: there is no file nope.jsonl {AT_START}"),
    ("[suites.x]\ncases = 'docs'\nmetrics = ['f1']", "[suites.x] cases: docs is not a file"),
    ("[suites.x]\ncases = ' '\nmetrics = ['f1']", "[suites.x] cases: must be a path in quotes"),
    (
        "[suites.x]\ncases = 'support.jsonl'",
        '[suites.x] metrics: is missing: how answers are scored, such as ["exact_match"]',
    ),
    ("[suites.x]\ncases = 'support.jsonl'\nmetrics = []", "[suites.x] metrics: must not be empty"),
    ("[suites.x]\ncases = 'support.jsonl'\nmetrics = 'f1'", '[suites.x] metrics: must be a list, such as ["…"]'),
    (
        "[suites.x]\ncases = 'support.jsonl'\nmetrics = ['f1', 3]",
        '[suites.x] metrics item 2: must be a metric\'s name in quotes, or { name = "…" } with its options',
    ),
    (
        "[suites.x]\ncases = 'support.jsonl'\nmetrics = [{ tolerance = 1 }]",
        "[suites.x] metrics item 1 name: is missing",
    ),
    (
        "[suites.x]\ncases = 'support.jsonl'\nmetrics = ['f1', 'f1']\nheadline = { f1 = 1 }",
        '[suites.x] metrics item 2: "f1" is listed twice: a scorer is known by its metric\'s name',
    ),
    (
        "[suites.x]\ncases = 'support.jsonl'\nmetrics = ['f1', 'bleu']",
        '[suites.x] headline: is missing, and there are 2 scorers ("f1", "bleu"): say which ones the thresholds are '
        "about and how much each weighs, such as headline = { f1 = 1.0 }",
    ),
    (
        "[suites.x]\ncases = 'support.jsonl'\nmetrics = ['rouge_l']\nheadline = { rouge = 1 }",
        '[suites.x] headline.rouge: is not a scorer of this suite: its scorers are "rouge_l"; did you mean "rouge_l"?',
    ),
    (
        "[suites.x]\ncases = 'support.jsonl'\nmetrics = ['f1']\nheadline = { f1 = 0 }",
        "[suites.x] headline.f1: must be more than 0",
    ),
    (
        "[suites.x]\ncases = 'support.jsonl'\nmetrics = ['f1']\nheadline = { f1 = 1e300 }",
        "[suites.x] headline.f1: must be at most 1e+06",
    ),
    (
        "[suites.x]\ncases = 'support.jsonl'\nmetrics = ['f1']\npurpose = 'generl'",
        '[suites.x] purpose: must be one of "task", "general"; did you mean "general"?',
    ),
    ("[alerts]\nslak = {}", '[alerts] slak: unknown key; did you mean "slack"?'),
    ("[alerts.slack]", '[alerts.slack]: needs token = { env = "…" } and channel, or webhook_url = { env = "…" }'),
    (
        "[alerts.slack]\ntoken = { env = 'T' }",
        '[alerts.slack] channel: is missing: name the channel to post to by its id, such as "C0123456789"',
    ),
    (
        "[alerts.slack]\ntoken = { env = 'T' }\nwebhook_url = { env = 'W' }\nchannel = 'C1'",
        "[alerts.slack] webhook_url: give either token and channel, or webhook_url, not both",
    ),
    (
        "[alerts.slack]\nwebhook_url = { env = 'W' }\nchannel = 'C1'",
        "[alerts.slack] channel: has no effect with webhook_url, which posts to a channel of its own: leave it out",
    ),
    (
        f"{BOT}channel = '#alerts'",
        '[alerts.slack] channel: must be the id of a channel, such as "C0123456789" '
        "(Slack shows it where it tells about the channel)",
    ),
    (
        f"{BOT}channel = 'C1'\nmention = '@here'",
        '[alerts.slack] mention: must be "<!subteam^S0123456789>" (a group), "<@U0123456789>", "<!here>" or '
        '"<!channel>"',
    ),
    (
        f"{BOT}channel = 'C1'\nteam = 'T1'\napp_token = 'xapp-1-A0123456789-hunter2hunter2'",
        f"[alerts.slack] app_token: {LOOKS}",
    ),
    (
        f"{BOT}channel = 'C1'\nteam = 'acme'",
        '[alerts.slack] team: must be the id of a workspace, such as "T0123456789" '
        "(it stands in Slack's address in the browser)",
    ),
    (
        f"{BOT}channel = 'C1'\nteam = 'T1'\nsigning_secret = {{ env = 'S' }}\napprovers = ['ada']",
        '[alerts.slack] approvers item 1: must be the id of a person, such as "U0123456789" '
        "(Slack copies it from the menu of a profile)",
    ),
    (
        f"{BOT}channel = 'C1'\nsigning_secret = {{ env = 'S' }}\napprovers = ['U1']",
        '[alerts.slack] team: is missing: signing_secret needs the workspace whose people may act, as "T0123456789"',
    ),
    (
        f"{BOT}channel = 'C1'\nteam = 'T1'\napprovers = ['U1']",
        "[alerts.slack] approvers: has no effect without buttons: add signing_secret, or app_token for Socket Mode",
    ),
    (
        f"{BOT}channel = 'C1'\nfallback_after = '15m'",
        "[alerts.slack] fallback_after: has no effect without fallback_channel: name the channel, or leave it out",
    ),
    (
        f"{BOT}channel = 'C1'\nfallback_channel = 'C1'",
        "[alerts.slack] fallback_channel: is the same as channel: name another one",
    ),
    (
        "[alerts.slack]\nwebhook_url = { env = 'W' }\nfallback_channel = 'C1'",
        "[alerts.slack] fallback_channel: needs token and channel: a webhook only takes messages, in one channel",
    ),
    ("[alerts]\nrepeat_every = '5m'", '[alerts] repeat_every: must be at least "1h"'),
    ("[alerts.slack]\nwebhook_url = 'https://example.com/x'", f"[alerts.slack] webhook_url: {REFERENCE}"),
    (
        "[alerts.slack]\nwebhook_url = 'https://hooks.slack.com/services/T1/B1/hunter2'",
        f"[alerts.slack] webhook_url: {LOOKS}",
    ),
    (
        "[alerts.slack]\nwebhook_url = { env = 'W' }\nshow_cases = 'yes'",
        "[alerts.slack] show_cases: must be true or false",
    ),
    (
        "[alerts.slack]\nwebhook_url = { evn = 'W' }",
        f"[alerts.slack] webhook_url.evn: unknown key in a reference to a secret, which is one of {REFER}",
    ),
    (
        "[alerts.slack]\nwebhook_url = { env = 'W', file = 'w' }",
        f"[alerts.slack] webhook_url: must name exactly one of {REFER}",
    ),
    ("[alerts.email]\nto = []\nfrom = 'a@b.example'\nsmtp = { env = 'S' }", "[alerts.email] to: must not be empty"),
    (
        "[alerts.email]\nto = ['a@b.example']\nfrom = 'a@b.example'\nsmtp = 'smtp://heldout:hunter2@mail.example'",
        f"[alerts.email] smtp: {REFERENCE}",
    ),
    ("[alerts.email]\nto = ['a@b.example', 'A@b.example']\n" + FROM, "[alerts.email] to: names an address twice"),
    (
        f"[alerts.email]\nto = {[f'a{i}@b.example' for i in range(21)]}\n{FROM}",
        "[alerts.email] to: must have at most 20",
    ),
    ("[alerts.email]\nto = ['a@b.example']\nsender = 'a@b.example'\n" + FROM, "[alerts.email] sender: unknown key"),
    (
        "[alerts.email]\nto = ['a@b.example']\nform = 'a@b.example'\n" + FROM,
        '[alerts.email] form: unknown key; did you mean "from"?',
    ),
    (
        "[alerts.email]\nto = ['a@b.example', 'a@b.example, c@d.example']\n" + FROM,
        f"[alerts.email] to item 2: {ONE_ADDRESS}",
    ),
    (
        "[alerts.email]\nto = ['a@b.example']\nfrom = \"a\\r\\nBcc: c <c@d.example>\"\nsmtp = { env = 'S' }",
        f"[alerts.email] from: {ONE_ADDRESS}",
    ),
    (
        "[targets.new]\nprovider = 'opnai'\nsuites = ['support']",
        '[targets.new] provider: must be one of "openai", "anthropic", "http", "command", "rag"; did you mean "openai"?',
    ),
    (
        "[targets.new]\nprovider = ['openai']\nsuites = ['support']",
        '[targets.new] provider: must be one of "openai", "anthropic", "http", "command", "rag"',
    ),
    (
        "[targets.new]\nsuites = ['support']",
        '[targets.new] provider: is missing: one of "openai", "anthropic", "http", "command", "rag"',
    ),
    (
        "[targets.extract]\nprovider = 'command'\ncommand = ['./a']\nsuites = ['support']",
        '[targets.extract]: a target cannot be called "extract", which is the built-in generator of rag targets',
    ),
    (
        "[targets.new]\nprovider = 'command'\ncommand = []\nsuites = ['support']",
        "[targets.new] command: must not be empty",
    ),
    (
        "[targets.new]\nprovider = 'command'\ncommand = ['./a', '--api-key=hunter2']\nsuites = ['support']",
        "[targets.new] command item 2: gives a credential: everyone on the machine can read a command line; let the program "
        "read its own environment",
    ),
]

# A line added to a target without faults, and the one fault that this makes.
TO_OPENAI: list[tuple[str, str]] = [
    ("modle = 'x'", '[targets.bot] modle: unknown key; did you mean "model"?'),
    ("answer = 'text'", '[targets.bot] answer: belongs to provider = "http", and this one is "openai"'),
    ("api_key = 'hunter2'", f"[targets.bot] api_key: {REFERENCE}"),
    ("api_key = 'sk-hunter2hunter2hunter2'", f"[targets.bot] api_key: {LOOKS}"),
    (
        "api_key = { env = 'sk-hunter2' }",
        '[targets.bot] api_key: env must be the name of an environment variable, such as "OPENAI_API_KEY"',
    ),
    (
        "api_key = { credential = '../key' }",
        "[targets.bot] api_key: credential must be the name that LoadCredential= gives it, without slashes",
    ),
    ("api_key = {}", f"[targets.bot] api_key: must name exactly one of {REFER}"),
    (
        "base_url = 'https://me:hunter2@llm.example.com/v1'",
        f"[targets.bot] base_url: holds a user name or password before the @: {NO_SECRET}; give it as a reference, in "
        "api_key or in a header",
    ),
    (
        "base_url = 'https://llm.example.com/v1?api-key=hunter2'",
        f"[targets.bot] base_url: holds a credential in its query: {NO_SECRET}; give it as a reference, in api_key or "
        "in a header",
    ),
    ("base_url = 'llm.example.com'", "[targets.bot] base_url: must begin with http:// or https:// and name a host"),
    (
        "base_url = 'http://[::1'",
        "[targets.bot] base_url: is not a valid address: write it as https://host:port/path",
    ),
    (
        'base_url = "http://a b"',
        "[targets.bot] base_url: must be an address without spaces or line breaks",
    ),
    ("system = { file = 'nope.txt' }", f"[targets.bot] system: there is no file nope.txt {AT_START}"),
    (
        "system = { file = 'blank.txt' }",
        "[targets.bot] system: blank.txt is empty: leave the key out if there is no system prompt",
    ),
    (
        "system = { file = 'latin.txt' }",
        "[targets.bot] system: latin.txt is not UTF-8 (byte 3): save it as UTF-8",
    ),
    ("system = 3", '[targets.bot] system: must be the prompt in quotes, or { file = "…" }'),
    (
        "params = { extra_headers = { X-Api-Key = 'hunter2' } }",
        f"[targets.bot] params.extra_headers.X-Api-Key: looks like a credential: {NO_SECRET}; use api_key = {REFER}",
    ),
    ("params = { n = 2 }", "[targets.bot] params.n: is set by heldout itself: leave it out of params"),
    ("params = { seed = nan }", "[targets.bot] params: holds a date, nan or inf: only what JSON has can be sent"),
    (
        "params = { metadata = { since = 2026-01-01 } }",
        "[targets.bot] params: holds a date, nan or inf: only what JSON has can be sent",
    ),
    ("params = 3", "[targets.bot] params: must be a table"),
    ("timeout = '0s'", '[targets.bot] timeout: must be longer than nothing, such as "60s"'),
    ("concurrency = '8'", "[targets.bot] concurrency: must be a whole number"),
    ("concurrency = 5000", "[targets.bot] concurrency: must be at most 1024"),
    ("requests_per_minute = 0", "[targets.bot] requests_per_minute: must be more than 0"),
    ("price = { input = 1.0 }", "[targets.bot] price.output: is missing"),
    (
        "price = { input = 1.0, output = 2.0, outptu = 2.0 }",
        '[targets.bot] price.outptu: unknown key; did you mean "output"?',
    ),
    (
        "role = 'referense'",
        '[targets.bot] role: must be one of "production", "reference", "candidate"; did you mean "reference"?',
    ),
    ("reference = 'prompt'", '[targets.bot] reference: belongs to a target with role = "reference" only'),
    ("against = 'other'", '[targets.bot] against: belongs to a target with role = "candidate" only'),
    (
        "role = 'candidate'",
        "[targets.bot] against: is missing: a candidate is tested against the baseline of the target named here",
    ),
    ("role = 'candidate'\nagainst = 'bot'", "[targets.bot] against: a target cannot be tested against itself"),
    ("fallback = 'bot'", "[targets.bot] fallback: a target cannot be its own fallback"),
    (
        "fallback = 'bott'",
        '[targets.bot] fallback: there is no target "bott", as [targets.bott] would be; did you mean "bot"?',
    ),
    ("role = 'reference'\nfallback = 'x'", '[targets.bot] fallback: belongs to a target with role = "production" only'),
    (
        "role = 'candidate'\nagainst = 'bott'",
        '[targets.bot] against: there is no target "bott", as [targets.bott] would be; did you mean "bot"?',
    ),
]
TO_HTTP: list[tuple[str, str, str]] = [
    ("url =", "url = 'ftp://a/b'", "[targets.bot] url: must begin with http:// or https:// and name a host"),
    ("answer =", "answer = ''", "[targets.bot] answer: must not be empty"),
    ("answer =", "", '[targets.bot] answer: is missing: where the answer is in the reply, such as "result.text"'),
    (
        "body =",
        "body = '{{ input | tojsn }}'",
        "[targets.bot] body: is not a valid template, line 1: No filter named 'tojsn'.",
    ),
    (
        "body =",
        "body = '{{ inptu | tojson }}'",
        '[targets.bot] body: uses "inptu", which is not one of "id", "input", "question", "messages", "choices"; '
        'did you mean "input"?',
    ),
    (
        "body =",
        "body = '{}'",
        "[targets.bot] body: never uses the case: put {{ input | tojson }} where the question belongs",
    ),
    (
        "body =",
        """body = '{"q": "{{ input }}"}'""",
        "[targets.bot] body: does not make JSON when a question holds quotes or line breaks: write {{ input | tojson }}",
    ),
    (
        "suites",
        "suites = ['suport']",
        '[targets.bot] suites item 1: there is no suite "suport", as [suites.suport] would be; did you mean "support"?',
    ),
    ("suites", "suites = ['support', 'support']", '[targets.bot] suites item 2: "support" is listed twice'),
    (
        "suites",
        "suites = []",
        '[targets.bot] suites: is missing: name the suites to ask it, such as suites = ["support"]',
    ),
    (
        "suites",
        "suites = ['support']\nheaders = { Authorization = 'hunter2' }",
        f"[targets.bot] headers.Authorization: {REFERENCE}",
    ),
    (
        "suites",
        "suites = ['support']\nheaders = { X-Upstream-Token = 'hunter2' }",
        f"[targets.bot] headers.X-Upstream-Token: {REFERENCE}",
    ),
    (
        "suites",
        "suites = ['support']\nheaders = { X-Note = 'Bearer hunter2hunter2' }",
        f"[targets.bot] headers.X-Note: {LOOKS}",
    ),
    (
        "suites",
        "suites = ['support']\nheaders = { 'X Note' = 'a' }",
        '[targets.bot] headers."X Note": is not the name of a header: it may hold letters, digits and hyphens',
    ),
    (
        "suites",
        'suites = ["support"]\nheaders = { X-Note = "a\\r\\nHost: b" }',
        "[targets.bot] headers.X-Note: must be one line without spaces at its ends",
    ),
]
TO_RAG: list[tuple[str, str]] = [
    ("documents = 'nowhere'", f"[targets.books] documents: there is no folder nowhere {AT_START}"),
    ("documents = 'support.jsonl'", "[targets.books] documents: support.jsonl is not a folder"),
    (
        "documents = 'docs'\ngenerator = 'bott'",
        '[targets.books] generator: there is no target "bott", as [targets.bott] would be; did you mean "bot"?',
    ),
    (
        "documents = 'docs'\ngenerator = 'books'",
        '[targets.books] generator: "books" is a rag target itself: name one that answers from a prompt',
    ),
    ("documents = 'docs'\npassages = 0", "[targets.books] passages: must be at least 1"),
]


def test_the_configurations_that_the_tables_change_have_no_faults(load):
    assert set(load(SUITE + TARGET + RAG).targets) == {"bot", "books"}
    assert set(load(SUITE + HTTP).targets) == {"bot"}


@pytest.mark.parametrize(("added", "fault"), ADDED)
def test_an_addition(faults_of, added, fault):
    text = added + SUITE + TARGET if "=" in added.partition("\n")[0] else SUITE + TARGET + added
    assert faults_of(text) == [f"config.toml: {fault}"]
    assert "hunter2" not in fault


@pytest.mark.parametrize(("line", "fault"), TO_OPENAI)
def test_a_line_of_a_chat_target(faults_of, line, fault):
    assert faults_of(SUITE + TARGET + line) == [f"config.toml: {fault}"]
    assert "hunter2" not in fault


@pytest.mark.parametrize(("begins", "line", "fault"), TO_HTTP)
def test_a_line_of_an_http_target(faults_of, begins, line, fault):
    lines = [line if old.startswith(begins) else old for old in HTTP.splitlines()]
    assert faults_of(SUITE + "\n".join(lines)) == [f"config.toml: {fault}"]
    assert "hunter2" not in fault


@pytest.mark.parametrize(("lines", "fault"), TO_RAG)
def test_lines_of_a_rag_target(faults_of, lines, fault):
    assert faults_of(SUITE + TARGET + RAG.replace('documents = "docs"', lines)) == [f"config.toml: {fault}"]


def test_a_metric_that_does_not_exist_or_has_a_wrong_option_is_told_by_the_metrics_themselves(faults_of):
    text = SUITE.replace('["exact_match"]', '["exact_mach", { name = "numeric", tolerance = -1 }]') + TARGET
    unknown, option, headline = faults_of(text)
    assert unknown.startswith('config.toml: [suites.support] metrics item 1: unknown metric "exact_mach"')
    assert 'did you mean "exact_match"?' in unknown
    assert option.startswith('config.toml: [suites.support] metrics item 2: metric "numeric": option "tolerance"')
    assert headline.startswith("config.toml: [suites.support] headline: is missing, and there are 2 scorers")


def test_the_params_that_are_refused_are_those_that_the_targets_set():
    assert OWN_PARAMS == {"openai": openai.RESERVED_PARAMS, "anthropic": anthropic.RESERVED_PARAMS}


OTHER = TARGET.replace("bot", "rag").replace('suites = ["support"]', "")


@pytest.mark.parametrize(
    ("bot", "rag", "fault"),
    [
        ("", "suites = ['support']\nrole = 'reference'", None),
        ("", "suites = ['support']", None),
        (
            "",
            "suites = ['support']\nrole = 'candidate'\nagainst = 'bot'",
            '[targets.bot] fallback: "rag" is a candidate: name a target that may serve',
        ),
        (
            "",
            "suites = ['general']\nrole = 'reference'",
            '[targets.bot] fallback: "rag" is not asked "support": add it to suites of [targets.rag]',
        ),
        # A suite of general capabilities shows what a model forgets; a fallback need not be asked it.
        ("general", "suites = ['support']\nrole = 'reference'", None),
    ],
)
def test_a_fallback_is_another_target_that_is_asked_the_same_tasks(load, faults_of, bot, rag, fault):
    general = SUITE.replace("suites.support", "suites.general") + 'purpose = "general"\n'
    target = TARGET.replace('["support"]', '["support", "general"]') if bot else TARGET
    text = SUITE + general + target + "fallback = 'rag'\n" + OTHER + rag + "\n"
    if fault is None:
        assert load(text).targets["bot"].fallback == "rag"
    else:
        assert faults_of(text) == [f"config.toml: {fault}"] or faults_of(text)[0].endswith(fault)


def test_fallbacks_do_not_lead_back_to_where_they_began(faults_of):
    def named(name: str, fallback: str) -> str:
        return TARGET.replace("bot", name) + f"fallback = '{fallback}'\n"

    found = faults_of(SUITE + named("a", "b") + named("b", "c") + named("c", "a") + named("d", "a"))
    assert [one.split("fallback: ")[1] for one in found] == [
        f'"{nxt}" falls back to "{name}" itself, so neither would be left: drop one of the two'
        for name, nxt in (("a", "b"), ("b", "c"), ("c", "a"))
    ]


def test_a_candidate_is_not_tested_against_a_candidate(faults_of):
    other = TARGET.replace("bot", "next") + "role = 'candidate'\nagainst = 'bot'\n"
    third = TARGET.replace("bot", "third") + "role = 'candidate'\nagainst = 'next'\n"
    expected = '[targets.third] against: "next" is a candidate itself: name the target that it would replace'
    assert faults_of(SUITE + TARGET + other + third) == [f"config.toml: {expected}"]


def test_a_database_address_by_reference_is_looked_at_where_it_is_set(faults_of, load):
    text = "[database]\nurl = { env = 'DATABASE' }\n" + SUITE + TARGET
    assert faults_of(text, {"DATABASE": "postgres://me:hunter2@db/x"}) == [
        "config.toml: [database] url: environment variable DATABASE: postgres:// is an old spelling: write postgresql://"
    ]
    assert str(load(text).database.url) == "environment variable DATABASE"


def test_tables_that_are_missing(faults_of):
    assert faults_of("") == [
        "config.toml: [suites]: is missing: add at least one suite as [suites.NAME]",
        "config.toml: [targets]: is missing: add at least one target as [targets.NAME]",
    ]
    assert faults_of("suites = 3\n[targets]") == [
        "config.toml: [suites]: must be a table",
        "config.toml: [targets]: is missing: add at least one target as [targets.NAME]",
    ]


def test_a_key_that_the_model_has_and_the_file_has_not(faults_of):
    assert faults_of("path = 'elsewhere'\nfoo = 1\n" + SUITE + TARGET) == [
        "config.toml: path: unknown key",
        "config.toml: foo: unknown key",
    ]


def test_a_secret_that_stands_where_a_name_belongs_is_not_repeated(faults_of):
    lines = "sk-hunter2hunter2hunter2 = 1\nparams = { 'xoxb-1-hunter2hunter2' = [{ token = 1 }] }"
    assert faults_of(SUITE + TARGET + lines) == [
        'config.toml: [targets.bot] "[redacted]": unknown key',
        f'config.toml: [targets.bot] params."[redacted]" item 1 token: looks like a credential: {NO_SECRET}; '
        f"use api_key = {REFER}",
    ]
