"""The page over real HTTP: what it shows, how it treats hostile texts, and what browsers are told about it."""

from __future__ import annotations

import json
import time
from datetime import timedelta
from html.parser import HTMLParser

import pytest
import sqlalchemy as sa

from monitor.domain.run import RunKind, RunState
from monitor.domain.verdict import FallbackSeen, Interval, Level, Stage
from monitor.store.database import Database, connect
from monitor.web import words
from tests.fakes.house import MONDAY
from tests.fakes.scenes import HOSTILE, at_work, decided, of_judges, provider_cause, run_row, store_run, undelivered


class Seen(HTMLParser):
    """The elements of a page, and its text outside of style."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._in_style = False
        self.feed(page)
        self.text = " ".join(self.text.split())

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._in_style = tag == "style"
        self.text += "" if tag in ("bdi", "code", "strong") else " "

    def handle_endtag(self, tag):
        self._in_style = False

    def handle_data(self, data):
        if not self._in_style:
            self.text += data


def look(web, path="/", status=200):
    answer = web.ask(path)
    assert (answer.status, answer.headers["content-type"]) == (status, "text/html; charset=utf-8")
    return Seen(answer.text)


def test_it_says_how_each_target_stands_the_worst_first(daemon, house):
    decided(house, "ft", "run-1", Level.PASS)
    decided(
        house,
        "summaries",
        "run-2",
        Level.ROLLBACK,
        stage=Stage.CONFIRMED,
        score=0.833,
        drop=Interval(5.6, 4.5, 6.7),
        reasons=("It dropped.", "It was confirmed."),
    )
    house.clock.move(hours=3)
    text = look(daemon()).text
    assert "1 Roll back 0 Investigate 3 Inconclusive 1 Pass" in text
    assert text.index("summaries · support") < text.index("prompt · support") < text.rindex("ft · support")
    assert "Roll back confirmed by a second replay" in text
    assert "Measured Mon 2026-11-16 06:41 UTC, 2 hours ago. Next slot Mon 2026-11-23 06:00 UTC." in text
    assert "Score 83.3 At deployment 88.9 Drop 5.6 points (95% interval 4.5 to 6.7)" in text
    assert "Investigate from 3 points, roll back from 5 points." in text
    assert "It dropped. What to do: Roll summaries back to what was served before, or retrain it; after that" in text
    assert "pin what is served: heldout baseline collect summaries support, and measure it" in text
    assert "Details It was confirmed. 3,200 answers to 200 cases, 3,216 calls, 1.94 USD." in text
    assert "Inconclusive never measured reference On demand only." in text
    assert "Nothing is being measured." in text
    assert "Worth a look" not in text


def test_it_says_what_runs_what_waits_and_what_is_out_of_order(daemon, house):
    slot = MONDAY + timedelta(hours=1)
    store_run(house, run_row("run-1", state=RunState.RUNNING, kind=RunKind.WEEK, slot=slot))
    due = {"state": RunState.WAITING, "kind": RunKind.WEEK, "slot": slot, "due_at": slot + timedelta(hours=5)}
    store_run(house, run_row("run-2", "summaries", **due))
    asked = {"state": RunState.WAITING, "suite_fingerprint": "", "due_at": MONDAY, "requested_by": "operations"}
    store_run(house, run_row("run-3", "prompt", **asked))
    for weeks in (1, 2, 9):
        missed = {"state": RunState.MISSED, "kind": RunKind.WEEK, "slot": MONDAY - timedelta(weeks=weeks)}
        store_run(house, run_row(f"missed-{weeks}", **missed))
    at_work(house, "ft · support", MONDAY)
    undelivered(house)
    house.clock.move(hours=2)
    web = daemon()
    web.is_ill(scheduler="the last tick was 4 minutes ago", configuration="config.toml: [web] prot: unknown key")
    text = look(web).text
    assert "ft · support is being measured The week's answers, up to 2 answers to each question, 123 of 200" in text
    assert "123 of 200 questions, 3 without an answer" in text
    assert "the last answer 2 hours ago. That is long for an answer" in text
    # How the models stand is more important than what is being done.
    assert text.index("Inconclusive never measured") < text.index("Now ft · support is being measured")
    assert "Weekly run under way." in text
    assert "Weekly run goes on Mon 2026-11-16 12:00 UTC." in text
    assert "Run on demand for operations is about to begin." in text
    assert (
        "1 message for slack undelivered since Mon 2026-11-16 06:00 UTC (pending: it is tried again by itself): not"
        in text
    )
    assert "ft · support: 2 slots missed in the last 30 days, the last on Mon 2026-11-09 06:00 UTC" in text
    assert "Scheduler: the last tick was 4 minutes ago" in text
    assert "Configuration: not reloaded, the one before stays in force: config.toml: [web] prot: unknown key" in text


def test_it_says_what_is_known_of_the_judges(daemon, house):
    decided(house, "ft", "run-1", Level.PASS, judged=of_judges())
    store_run(house, run_row("run-2", "summaries", state=RunState.RUNNING, kind=RunKind.JUDGE))
    text = look(daemon()).text
    assert "3,216 calls, of them 2,400 to judges (0.81 USD), 1.94 USD." in text
    expected = [
        "Judge strict by support_answer: it gives the answers of deployment 2.6 points more now (1,600 answers judged "
        "again); kappa with people 0.62.",
        "Judge strict by tone: not compared with itself at deployment; agreement with people unknown.",
        "Judge strict by summary cannot be trusted now: it passed 9 of 20 wrong answers; agreement with people ",
    ]
    assert [part for part in expected if part not in text] == []
    assert "Look at the judges under way." in text


def test_every_kind_of_run_has_its_words():
    assert set(words.KINDS) == {kind.value for kind in RunKind}


def test_what_is_measured_after_a_rollback_is_told_like_any_other_run(daemon, house):
    for kind in (RunKind.REFERENCE, RunKind.VERIFY):
        store_run(house, run_row(f"run-{kind}", state=RunState.RUNNING, kind=kind))
    assert (
        "Comparison with what it may replace under way; Verification of what serves now under way."
        in look(daemon()).text
    )


def test_a_run_has_a_page(daemon, house):
    decided(
        house, "ft", "run-1", Level.ROLLBACK, stage=Stage.CONFIRMED, drop=Interval(5.6, 4.5, 6.7), reasons=(HOSTILE,)
    )
    store_run(house, run_row("run-2", state=RunState.RUNNING, kind=RunKind.WEEK, slot=MONDAY))
    at_work(house, "ft · support", MONDAY)
    web = daemon()
    seen = look(web, "/runs/run-1")
    for said in (
        "ft · support Run on demand, done. Run run-1.",
        "Roll back confirmed by a second replay Score 88.5 At deployment 88.9 Drop 5.6 points (95% interval 4.5",
        "<script>alert(1)</script> \ufffdevil\ufffd",
        "3,200 answers to 200 cases, 3,216 calls, 1.94 USD.",
        "Recorded Mon 2026-11-16 06:00 UTC Finished Mon 2026-11-16 06:41 UTC",
        "0 calls, 0 tokens in, 0 tokens out.",
    ):
        assert said in seen.text, seen.text
    assert not [tag for tag, _ in seen.tags if tag == "script"]
    text = look(web, "/runs/run-2").text
    assert "Weekly run, under way. Run run-2. It has no verdict yet. The week's answers" in text
    assert "123 of 200 questions" in text
    assert "runs' ids begin with" in look(web, "/runs/run", 404).text
    assert "/runs/run-1" in {attributes.get("href") for tag, attributes in look(web).tags if tag == "a"}


def test_it_says_how_a_fallback_compares_and_that_it_is_being_measured(daemon, house):
    better = FallbackSeen("prompt", True, Interval(3.9, 2.7, 5.1, 0.99), 8)
    decided(house, "ft", "run-1", Level.ROLLBACK, fallback=better)
    decided(house, "summaries", "run-2", fallback=FallbackSeen("prompt", False, why=HOSTILE))
    beside = {"state": RunState.RUNNING, "kind": RunKind.REFERENCE, "slot": MONDAY}
    store_run(house, run_row("run-3", "prompt", **beside))
    at_work(house, "prompt · support", MONDAY, stage="reference ×8")
    page = look(daemon())
    assert "Fallback prompt: better by 3.9 points (2.7 to 5.1), ready." in page.text
    assert "Fallback prompt: not ready: " in page.text
    assert "Comparison with what it may replace under way." in page.text
    assert "A comparison with what it may replace, up to 8 answers to each question" in page.text
    assert not [tag for tag, _ in page.tags if tag in ("script", "img")]


def test_hostile_texts_are_text(daemon, house):
    causes = provider_cause(HOSTILE)
    reasons = (HOSTILE, HOSTILE)
    decided(house, "ft", "run-1", Level.INCONCLUSIVE, reasons=reasons, causes=causes, judged=of_judges(HOSTILE))
    at_work(house, HOSTILE.replace("\x00", "").replace("\ud800", ""), MONDAY)
    web = daemon()
    web.is_ill(configuration=HOSTILE)
    seen = look(web)
    shown = "<script>alert(1)</script> \ufffdevil\ufffd \ufffd[31m </style> {{7*7}} & \"quoted\" 'single'"
    assert seen.text.count(shown) >= 5
    assert not [tag for tag, _ in seen.tags if tag in ("script", "iframe", "object", "embed", "base", "img")]


@pytest.mark.parametrize(("path", "status"), [("/", 200), ("/login", 200), ("/nothing", 404)])
def test_it_loads_nothing_and_runs_nothing(daemon, path, status):
    web = daemon()
    seen = look(web, path, status)
    for tag, attributes in seen.tags:
        assert tag != "script"
        assert not [name for name in attributes if name.startswith("on") or name in ("style", "src")]
        assert tag not in ("link", "a", "form") or not (attributes.get("href") or "").startswith(("http", "//"))
    headers = web.ask(path).headers
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert (headers["x-content-type-options"], headers["cache-control"]) == ("nosniff", "no-store")
    assert (headers["x-frame-options"], headers["referrer-policy"]) == ("DENY", "same-origin")
    assert "server" not in headers


def test_an_error_is_a_page_for_people_and_json_for_programs(daemon):
    web = daemon()
    assert "There is nothing at this address." in look(web, "/nothing", 404).text
    assert web.ask("/api/nothing").json == {"error": "There is nothing at this address.", "permanent": True}
    assert web.ask("/", "DELETE").status == 401


def test_a_fault_of_our_own_shows_no_traceback(daemon, caplog):
    web = daemon()
    web.metrics = object()  # nothing that could be sent: what Starlette makes of it is an AttributeError
    answer = web.ask("/metrics")
    assert (answer.status, answer.json["permanent"]) == (500, True)
    assert "Traceback" not in answer.text
    assert "AttributeError" not in answer.text
    assert web.ask("/healthz").status == 200
    # It is logged once the answer is out.
    until = time.monotonic() + 5
    while "AttributeError" not in caplog.text and time.monotonic() < until:
        time.sleep(0.01)
    assert "AttributeError" in caplog.text


@pytest.fixture
def away(house):
    """A database whose file cannot be opened any more."""
    database = connect(house.url)
    database.engine.dispose()
    path = house.folder / "heldout.db"
    house.database.close()
    path.rename(path.with_suffix(".away"))
    path.mkdir()
    yield database
    path.rmdir()
    path.with_suffix(".away").rename(path)
    database.close()


def test_a_database_that_is_away_is_told_and_the_process_stays(daemon, away):
    web = daemon(database=away)
    for path in ("/api/v1/verdicts", "/api/v1/runs"):
        answer = web.ask(path)
        assert (answer.status, answer.json["permanent"], answer.headers["retry-after"]) == (503, True, "60")
        assert "unable to open database file" in answer.json["error"]
    assert "unable to open database file" in look(web, "/", 503).text
    ready = web.ask("/readyz")
    assert (ready.status, ready.json["ready"]) == (503, False)
    assert "unable to open database file" in ready.json["database"]
    assert web.ask("/healthz").status == 200


def test_a_database_that_is_busy_is_worth_another_try(daemon, house):
    engine = sa.create_engine(house.url, pool_size=1, max_overflow=0, pool_timeout=0.2)
    with engine.connect():
        web = daemon(database=Database(engine))
        answer = web.ask("/api/v1/verdicts")
        assert (answer.status, answer.json["permanent"], answer.headers["retry-after"]) == (503, False, "5")
        assert web.ask("/readyz").status == 503
    assert web.ask("/api/v1/verdicts").status == 200
    assert json.loads(web.ask("/readyz").body)["ready"] is True
    engine.dispose()
