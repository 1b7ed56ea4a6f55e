"""The API over real HTTP: each route, what it says, and what it refuses."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from threading import Event

import pytest

from monitor.domain.run import RunKind, RunState
from monitor.domain.verdict import Level
from monitor.store.database import Database
from monitor.store.tables import verdict
from monitor.web.probes import ANSWERS_WITHIN
from tests.fakes.daemon import ACT
from tests.fakes.house import MONDAY
from tests.fakes.scenes import HOSTILE, at_work, decided, provider_cause, run_row, store_run


def test_the_process_lives(daemon):
    web = daemon()
    for path in ("/healthz", "/readyz"):
        got, head = web.ask(path), web.ask(path, "HEAD")
        assert (got.status, head.status, head.body) == (200, 200, b"")
        assert head.headers["content-length"] == str(len(got.body))
    assert web.ask("/healthz").json == {"status": "alive"}
    assert web.ask("/readyz").json == {
        "ready": True,
        "role": "leader",
        "scheduler": None,
        "database": None,
        "configuration": None,
    }


@pytest.mark.parametrize(("fault", "status"), [("scheduler", 503), ("database", 503), ("configuration", 200)])
def test_what_makes_it_unready_and_what_is_only_told(daemon, fault, status):
    web = daemon()
    web.is_ill(**{fault: "out of order since noon\x1b"})
    answer = web.ask("/readyz")
    assert answer.status == status
    assert answer.json[fault] == "out of order since noon\ufffd"
    assert answer.json["ready"] is (status == 200)
    assert web.ask("/healthz").status == 200


class Hanging(Database):
    """A database that answers when it is let go, or after ten seconds."""

    def __init__(self, engine):
        super().__init__(engine)
        self.asked = 0
        self.let_go = Event()

    @contextmanager
    def read(self):
        self.asked += 1
        self.let_go.wait(10)
        with super().read() as connection:
            yield connection


def test_a_database_that_hangs_makes_it_unready_in_time_and_keeps_one_thread(daemon, house):
    database = Hanging(house.database.engine)
    web = daemon(database=database)
    began = time.monotonic()
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(web.ask, ["/readyz"] * 20))
    assert ANSWERS_WITHIN <= time.monotonic() - began < ANSWERS_WITHIN + 2
    assert [answer.status for answer in answers] == [503] * 20
    assert "gave no answer within 2 seconds" in answers[0].json["database"]
    assert (database.asked, web.ask("/healthz").status) == (1, 200)
    database.let_go.set()
    assert web.ask("/readyz").status == 200


def test_metrics_are_passed_on_as_prometheus_reads_them(daemon):
    answer = daemon().ask("/metrics")
    assert (answer.status, answer.body) == (200, b"heldout_outbox_pending 0\n")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"


def test_verdicts_of_everything_that_is_configured(daemon, house):
    decided(house, "ft", "run-1", Level.ROLLBACK)
    decided(house, "gone-from-the-configuration", "run-2")
    found = daemon().ask("/api/v1/verdicts").json
    assert found["schema"] == 1
    assert [(v["target"], v["suite"], v["verdict"], v["stale"]) for v in found["verdicts"]] == [
        ("ft", "support", "rollback", False),
        ("ft", "general", "inconclusive", True),
        ("summaries", "support", "inconclusive", True),
        ("prompt", "support", "inconclusive", True),
        ("books", "support", "inconclusive", True),
    ]


def test_one_verdict_is_the_worst_over_the_suites_or_of_one(daemon, house):
    decided(house, "ft", "run-1", Level.PASS)
    web = daemon()
    worst = web.ask("/api/v1/verdicts/ft").json
    assert (worst["suite"], worst["verdict"]) == ("general", "inconclusive")
    one = web.ask("/api/v1/verdicts/ft?suite=support").json
    assert (one["verdict"], one["run"], one["drop"]["points"]) == ("pass", "run-1", 0.4)


def test_a_verdict_that_is_too_old_is_inconclusive(daemon, house):
    decided(house, "summaries", "run-1", Level.PASS)
    web = daemon()
    house.clock.move(hours=30)
    assert web.ask("/api/v1/verdicts/summaries").json["verdict"] == "pass"
    old = web.ask("/api/v1/verdicts/summaries?max_age=1d")
    assert (old.status, old.json["verdict"], old.json["stale"]) == (200, "inconclusive", True)
    assert [v["verdict"] for v in web.ask("/api/v1/verdicts?max_age=1d").json["verdicts"]] == ["inconclusive"] * 5


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/api/v1/verdicts/fft", 404, 'There is no target "fft"; did you mean "ft"?'),
        ("/api/v1/verdicts/%D8%00%0A", 404, "There is no target"),
        ("/api/v1/verdicts/ft?suite=suport", 404, 'The target "ft" has no suite "suport"; did you mean "support"?'),
        ("/api/v1/verdicts/writer", 404, 'The target "writer" has no suite'),
        ("/api/v1/verdicts/ft?max_age=soon", 422, "max_age: must be a duration"),
        ("/api/v1/verdicts?max_age=999999999d", 422, "max_age: must be at most"),
        ("/api/v1/runs/none", 404, "No run's id begins with"),
        ("/api/v1/runs?limit=0", 422, "limit: "),
        ("/api/v1/runs?limit=101", 422, "limit: "),
        ("/api/v1/runs?limit=x", 422, "limit: "),
        ("/api/v1/runs?before=none", 404, "There is no run"),
        ("/api/v1/runs?target=fft", 404, 'did you mean "ft"?'),
        ("/api/v1/runs?suite=genera", 404, 'did you mean "general"?'),
        ("/api/v1/nothing", 404, "There is nothing at this address."),
        ("/api/v1/runs/", 404, "There is nothing at this address."),
    ],
)
def test_what_is_refused_says_why(daemon, path, status, said):
    answer = daemon().ask(path)
    assert answer.status == status
    assert said in answer.json["error"]
    assert answer.json["permanent"] is True


def test_other_methods_are_told_which_there_are(daemon):
    answer = daemon().ask("/api/v1/verdicts", "PUT", token=ACT)
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")


def test_runs_are_told_with_what_they_found_used_and_how_far_they_are(daemon, house):
    decided(house, "ft", "run-1", Level.INVESTIGATE)
    slot = MONDAY + timedelta(days=7)
    week = {"kind": RunKind.WEEK, "slot": slot}
    store_run(house, run_row("run-2", state=RunState.RUNNING, created_at=slot, **week))
    store_run(house, run_row("run-3", "summaries", state=RunState.MISSED, **week))
    at_work(house, "ft · support", slot)
    web = daemon()
    one = web.ask("/api/v1/runs/run-1").json["run"]
    assert (one["state"], one["kind"], one["verdict"]["verdict"]) == ("done", "adhoc", "investigate")
    assert one["usage"] == {"calls": 0, "input_tokens": 0, "output_tokens": 0, "usd": None, "outcomes": []}
    assert one["progress"] is None
    going = web.ask("/api/v1/runs/run-2").json["run"]
    assert (going["state"], going["slot"], going["verdict"]) == ("running", "2026-11-23T06:00:00Z", None)
    at = {"at": "2026-11-23T06:00:00Z"}
    assert going["progress"] == {"stage": "main ×2", "answered": 120, "failed": 3, "total": 200} | at
    assert web.ask("/api/v1/runs/run-3").json["run"]["state"] == "missed"
    assert "3 runs' ids begin" in web.ask("/api/v1/runs/run-").json["error"]


def test_an_id_that_begins_another_is_found(daemon, house):
    store_run(house, run_row("run-1"))
    store_run(house, run_row("run-10"))
    assert daemon().ask("/api/v1/runs/run-1").json["run"]["id"] == "run-1"


def test_runs_come_in_pages(daemon, house):
    for number in range(5):
        store_run(house, run_row(f"run-{number}", "ft" if number else "long-gone"))
    web = daemon()
    first = web.ask("/api/v1/runs?limit=2").json
    assert ([run["id"] for run in first["runs"]], first["next"]) == (["run-4", "run-3"], "run-3")
    last = web.ask("/api/v1/runs?limit=3&before=run-3").json
    assert ([run["id"] for run in last["runs"]], last["next"]) == (["run-2", "run-1", "run-0"], None)
    assert [run["id"] for run in web.ask("/api/v1/runs?target=long-gone").json["runs"]] == ["run-0"]
    assert web.ask("/api/v1/runs?target=ft&suite=general").json == {"schema": 1, "runs": [], "next": None}


def test_hostile_texts_and_numbers_stay_what_they_are(daemon, house):
    run = decided(house, "summaries", "run-1", reasons=(HOSTILE,), causes=provider_cause(HOSTILE))
    with house.database.write() as connection:
        (row,) = connection.execute(verdict.select().where(verdict.c.run_id == run.id)).all()
        payload = json.loads(json.dumps(row.payload)) | {"score": float("nan"), "usd": float("inf")}
        connection.execute(verdict.update().where(verdict.c.id == row.id), {"payload": payload})
    answer = daemon().ask("/api/v1/verdicts/summaries")
    assert (answer.json["score"], answer.json["usd"], answer.json["reasons"]) == (None, None, [HOSTILE])
    assert answer.body.isascii()
