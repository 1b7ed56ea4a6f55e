"""The text of a first configuration, key by key with its default, and of a first suite to fill in."""

from __future__ import annotations

HEAD = """\
# heldout replays a held-out test set against a model every week and says whether its answers became worse.
# Every key stands here with its default unless it says otherwise; a key that is left out has its default.
# After each change: heldout check
# Durations are "90s", "15m", "6h" or "7d". What is read (cases, documents, prompts) is found from this file's folder.
# A secret never stands here, only where it is: { env = "NAME" }, { file = "PATH" } or, under systemd,
# { credential = "NAME" }.

[database]
# Where answers, scores and verdicts are kept; a relative path starts at this file's folder, or at $STATE_DIRECTORY
# where systemd sets it. Several machines share a PostgreSQL: "postgresql://USER@HOST/DATABASE", or, with a password,
# { env = "DATABASE_URL" }.
url = "sqlite:///heldout.db"

[schedule]
# When production is measured: minute, hour, day, month, weekday. Name the weekday: a digit is refused.
cron = "0 6 * * mon"
# The time zone that the line above is in.
timezone = "UTC"
# A measurement that was missed while nothing was running is made up for if it is not older than this.
catch_up = "7d"

[thresholds]
# How far the headline score must have dropped below the baseline for each verdict, on a scale of 0 to 100.
investigate = 3.0
rollback = 5.0
# "points", or "percent" of the baseline's score.
unit = "points"

[decision]
# Answers a case at deployment, and the most answers a case in one week. "auto" asks as many as the thresholds need.
baseline_repeats = "auto"
max_repeats = "auto"
# The wait between the stages of one week, and before the replay that confirms a rollback.
stage_gap = "1h"
confirm_gap = "6h"

[budget]
# Nothing is asked beyond these. USD are only known for targets with a price; calls always are.
baseline_usd = 50.0
usd_per_run = 10.0
calls_per_run = 20000
usd_per_month = 200.0
"""

OWN_SUITE = """
[suites.support]
# The test set: JSON Lines (or .csv with the same columns), one case a line. Never train on it.
cases = "support.jsonl"
# How answers are scored: exact_match, contains, regex, f1, rouge_1, rouge_2, rouge_l, bleu, chrf, numeric, json_match,
# choice. One with options is a table, as in { name = "numeric", tolerance = 0.01 }.
metrics = ["exact_match", "f1"]
# Questions that judges, below, answer about each answer: support_answer, summary, extraction, tone, groundedness,
# safety_refusal, or the path of your own .toml. They are scorers too. No default.
# rubrics = ["support_answer"]
# The score that the thresholds are about, as weights of the scorers above; needed where there are several of them.
headline = { exact_match = 1.0 }
# "task", or "general" for a suite of general capabilities.
purpose = "task"
"""

SAMPLE_SUITE = """
[suites.support]
# The bundled test set: questions to a shop's customer service. Put your own here when you have one.
cases = {cases}
# How answers are scored; `contains` looks for the expected words in the answer.
metrics = ["contains", "f1"]
# Questions that judges, below, answer about each answer: a bundled rubric, or the path of your own .toml. No default.
# rubrics = ["support_answer"]
# The score that the thresholds are about, as weights of the scorers above; needed where there are several of them.
headline = {{ contains = 1.0 }}
# "task", or "general" for a suite of general capabilities.
purpose = "task"
"""

_COMMON = """\
# The suites to ask it. No default.
suites = ["support"]
# "production", "reference" (what production is compared with) or "candidate" (what may replace it; needs `against`).
role = "production"
# Calls at the same time.
concurrency = {concurrency}
# The provider's limits, if it states any; targets of one account share the lowest. No default.
# requests_per_minute = 600
# tokens_per_minute = 200000
# How long one call may take, and for how long a call that failed is tried again.
timeout = "60s"
retry_for = "5m"
# USD per million tokens. Without it only the cap on calls limits what a run costs. No default. `cached_input` is for
# input that the provider read from its cache; without it that costs as other input.
# price = {{ input = 2.0, output = 8.0, cached_input = 0.2 }}
# Another target, that this one may be rolled back to: measured on the same slots, as often. No default.
# fallback = "support-rag"

# [targets.support-rag]
# provider = "http"
# url = "http://127.0.0.1:8001/answer"
# body = '{{"question": {{{{ input | tojson }}}}}}'
# answer = "answer"
# suites = ["support"]
# role = "reference"
"""

_CHAT = """
[targets.support-bot]
provider = "{provider}"
# Write the model that you serve here. No default.
model = "{model}"
api_key = {{ env = "{variable}" }}
# Another server with the same interface. No default.
# base_url = "{base_url}"
# The system prompt that production uses, or {{ file = "prompt.txt" }}. No default.
# system = "You answer the customers of a shop, briefly and politely."
# What production sends with each call. No default.
# params = {{ {params} }}
"""

OPENAI = _CHAT.format(
    provider="openai",
    model="gpt-5-mini",
    variable="OPENAI_API_KEY",
    base_url="https://llm.example.com/v1",
    params="max_completion_tokens = 400",
) + _COMMON.format(concurrency=8)

ANTHROPIC = _CHAT.format(
    provider="anthropic",
    model="claude-haiku-4-5",
    variable="ANTHROPIC_API_KEY",
    base_url="https://llm.example.com",
    params="max_tokens = 400",
) + _COMMON.format(concurrency=8)

HTTP = """
[targets.support-bot]
provider = "http"
# Where each case is sent, by POST. No default.
url = "http://127.0.0.1:8000/answer"
# The JSON to send, a Jinja2 template over id, input, question, messages and choices. No default.
body = '{"question": {{ input | tojson }}}'
# Where the answer is in the JSON that comes back. No default.
answer = "answer"
# Where the passages are that it rests on, if the reply holds them. No default.
# contexts = "sources"
# Headers; one that holds a secret refers to it. No default.
# headers = { Authorization = { env = "ANSWER_TOKEN" } }
""" + _COMMON.format(concurrency=4)

SAMPLE = """
[targets.handbook]
# The built-in retrieval over a folder of Markdown and text; it calls no model and costs nothing.
provider = "rag"
documents = {documents}
# "extract" answers with the best passage's sentence; or the name of another target, which answers from the passages.
generator = "extract"
# How many passages are looked at.
passages = 4
# The suites to ask it. No default.
suites = ["support"]
# "production", "reference" (what production is compared with) or "candidate" (what may replace it; needs `against`).
role = "production"
# Calls at the same time, and how long one may take.
concurrency = 8
timeout = "60s"
"""

JUDGES = """
# A model that judges answers by the rubrics of a suite: "openai" or "anthropic", with model, base_url, api_key, params,
# price and limits as for a target. No default.
# [judges.strict]
# provider = "anthropic"
# model = "claude-haiku-4-5"
# api_key = { env = "ANTHROPIC_API_KEY" }

# [judging]
# An odd number of judges, needed where a suite has rubrics: on each question the majority decides. No default.
# panel = ["strict"]
# How many of the baseline's answers to a case are judged again in each run, to see whether the judge has changed.
# anchors = 8
# How many answers of known verdict, of each kind, every run judges first, to see whether a judge can be trusted.
# canaries = 60
# A judge whose agreement with people (Cohen's kappa) is lower, or unknown, never causes a rollback by itself.
# min_kappa_for_rollback = 0.4
"""

ALERTS = """
# Where alerts go. Without it they are only stored and shown.
# [alerts]
# A rollback that nobody has acknowledged is told again this often.
# repeat_every = "24h"
# A bot's token needs the scopes chat:write and, for pictures, files:write; invite the bot to the channel.
# [alerts.slack]
# token = { env = "SLACK_BOT_TOKEN" }
# channel = "C0123456789"
# Instead of both: webhook_url = { env = "SLACK_WEBHOOK_URL" }
# Whom a rollback calls: a group, <@U…>, <!here> or <!channel>. No default.
# mention = "<!subteam^S0123456789>"
# Buttons: Slack calls /slack/interactions, signed; or heldout calls Slack by Socket Mode. No defaults.
# signing_secret = { env = "SLACK_SIGNING_SECRET" }
# app_token = { env = "SLACK_APP_TOKEN" }
# The workspace whose people may press them, and those of them who may approve. No defaults.
# team = "T0123456789"
# approvers = ["U0123456789"]
# Where messages go too that the channel did not take for so long. No default for the channel.
# fallback_channel = "C9876543210"
# fallback_after = "15m"
# Inputs and answers may be private: without this, alerts name cases by their ids only.
# show_cases = false
# By mail too, or instead: SMTP_URL is smtp://user:password@host:587 (encrypted by STARTTLS) or smtps://user:password@host.
# [alerts.email]
# to = ["oncall@example.com"]
# from = "heldout@example.com"
# smtp = { env = "SMTP_URL" }
# show_cases = false

# What asks deployment tooling to roll back or retrain, at a confirmed drop of rollback's size. No default.
# [hooks.deploy]
# "rollback", "retrain", or "verdict" (told of every change, asked for nothing).
# on = "rollback"
# A signed request (Standard Webhooks 1.0), or instead of both: command = ["/usr/local/bin/rollback", "{target}"]
# url = "https://deploy.example.com/rollback"
# secret = { env = "HOOK_SECRET" }
# "approve": a person says yes, in Slack, on the page or by command; "auto": the guard alone decides; "off".
# mode = "approve"
# For all targets, unless `targets` lists some.
# targets = []
# So long a request is wanted (6h with mode "auto"), and so long after one that was done there is no other.
# expires = "24h"
# cooldown = "24h"

# An address that is told of the start and end of each round of runs (as Healthchecks.io gives one out), so that someone
# hears of it when heldout itself is dead. No default.
# [deadman]
# url = { env = "HEALTHCHECK_URL" }

[web]
# Where `heldout serve` shows how things stand; beyond this machine only with a token.
listen = "127.0.0.1:8787"
# How others reach it, for links. No default.
# public_url = "https://heldout.example.com"
# Names by which it may be called, besides those of this machine and of public_url.
hosts = []
# Who may do what: "read" looks, "act" also starts runs, "gate" only asks for verdicts. Any name will do.
# [web.tokens.operations]
# secret = { env = "HELDOUT_TOKEN_OPERATIONS" }
# role = "act"
"""

FIRST_SUITE = """\
{"id": "replace-me-1", "input": "Replace me: a question as your users ask it", "expected": "the answer that is right"}
{"id": "replace-me-2", "input": "Replace me: a question with several right answers", "expected": ["14 days", "two weeks"], "tags": ["returns"]}
{"id": "replace-me-3", "input": "Replace me: a question at the limits of the task", "expected": "I do not know", "tags": ["edge"]}
{"id": "replace-me-4", "input": "Replace me: a question with choices; expected is the letter or the text", "choices": ["one", "two", "three"], "expected": "B"}
{"id": "replace-me-5", "input": [{"role": "user", "content": "Replace me: a conversation"}, {"role": "assistant", "content": "What a model said"}, {"role": "user", "content": "The turn to answer"}], "expected": "the answer that is right", "cluster": "conversations"}
"""  # noqa: E501 a case is one line
