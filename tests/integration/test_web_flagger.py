"""Flagger's two questions over real HTTP: the one answer that counts, and all that must not be taken for it."""

from __future__ import annotations

import json
import logging
import time

from monitor.domain.verdict import Interval, Level, Stage
from monitor.web import flagger
from tests.fakes.daemon import ACT, GATE, OPEN, READ, WebDaemon
from tests.fakes.scenes import HOSTILE, decided, run_row, store_run, store_verdict

CONFIRMED = {"stage": Stage.CONFIRMED, "drop": Interval(5.6, 4.5, 6.7)}


def call(**metadata: object) -> dict[str, object]:
    """What Flagger sends."""
    canary = {"name": "support", "namespace": "models", "phase": "Progressing", "checksum": "85d557f47b"}
    return canary | {"metadata": metadata}


def ask(web: WebDaemon, question: str, body: object, token: str = GATE):
    return web.ask(f"/flagger/{token}/{question}", "POST", body=body)


def both(web: WebDaemon, **metadata: object) -> tuple[int, int]:
    """Statuses of the gate and of the rollback check."""
    return tuple(ask(web, question, call(**metadata)).status for question in ("gate", "rollback-check"))


VERDICTS = [
    (Level.PASS, {}, 200, 412),
    (Level.INCONCLUSIVE, {"drop": None, "score": None}, 412, 412),
    (Level.INVESTIGATE, {}, 412, 412),
    (Level.INVESTIGATE, {"stage": Stage.PENDING}, 412, 412),
    (Level.ROLLBACK, CONFIRMED, 412, 200),
    (Level.ROLLBACK, {"stage": Stage.FINAL}, 412, 412),
]


def test_a_success_says_one_thing_only(daemon, house):
    web = daemon(OPEN)
    assert both(web, target="summaries") == (412, 412)
    for number, (level, changes, *expected) in enumerate(VERDICTS):
        decided_at = house.clock.now
        run = store_run(house, run_row(f"run-{number}", "summaries", created_at=decided_at))
        store_verdict(house, run, level, decided_at, **changes)
        assert both(web, target="summaries") == tuple(expected), (level, changes)
        assert both(web, target="summaries", suite="support") == tuple(expected)
        house.clock.move(days=9)
        assert both(web, target="summaries") == (412, 412), (level, changes)


def test_the_gate_wants_every_suite_and_a_rollback_one_of_them(daemon, house):
    web = daemon()
    decided(house, "ft", "run-1", Level.PASS)
    assert both(web, target="ft") == (412, 412)
    assert both(web, target="ft", suite="support") == (200, 412)
    decided(house, "ft", "run-2", Level.ROLLBACK, suite="general", **CONFIRMED)
    assert both(web, target="ft") == (412, 200)
    assert both(web, target="ft", suite="support") == (200, 412)
    assert both(web, target="ft", suite="") == (412, 200)


def test_how_old_a_verdict_may_be_can_be_said(daemon, house):
    decided(house, "summaries", "run-1", Level.ROLLBACK, **CONFIRMED)
    web = daemon()
    house.clock.move(hours=30)
    assert both(web, target="summaries") == (412, 200)
    assert both(web, target="summaries", max_age="1d") == (412, 412)
    assert both(web, target="summaries", max_age="soon") == (422, 422)


def test_a_refusal_says_why_on_one_line(daemon, house):
    decided(house, "summaries", "run-1", Level.INVESTIGATE, reasons=(HOSTILE,))
    web = daemon()
    answer = ask(web, "gate", call(target="summaries"))
    assert answer.json["error"].startswith(
        "summaries · support is at investigate: <script>alert(1)</script> \ufffdevil"
    )
    assert answer.json["permanent"] is False
    answer = ask(web, "rollback-check", call(target="ft"))
    assert answer.json["error"].startswith("No rollback is required. ft · support is at inconclusive: never measured")


UNREADABLE = [
    (call(target="fft"), 404),
    (call(target="writer"), 404),
    (call(target="summaries", suite="suport"), 404),
    (call(), 422),
    (call(target=3), 422),
    (call(target="x" * 300), 422),
    ({"name": "support"}, 422),
    (b"null", 422),
    (b"", 422),
    (b"{", 422),
    (b'{"metadata": {"target": "\xff"}}', 400),
    (b" " * 70_000, 413),
]


def test_what_cannot_be_read_starts_nothing_and_lets_nothing_out(daemon, house):
    decided(house, "summaries", "run-1", Level.ROLLBACK, **CONFIRMED)
    web = daemon()
    headers = {"Content-Type": "application/json"}
    for body, status in UNREADABLE:
        sent = body if isinstance(body, bytes) else json.dumps(body).encode()
        for question in ("gate", "rollback-check"):
            answer = web.ask(f"/flagger/{GATE}/{question}", "POST", body=sent, headers=headers)
            assert answer.status == status, body


def test_every_role_may_ask_and_nobody_without_one(daemon, house):
    decided(house, "summaries", "run-1", Level.PASS)
    web = daemon(OPEN)
    assert [ask(web, "gate", call(target="summaries"), token).status for token in (GATE, READ, ACT)] == [200] * 3
    token = GATE
    for wrong in ("wrong", token + "x", token[:-1], "%20", "."):
        assert ask(web, "gate", call(target="summaries"), wrong).status == 403
    for path in ("/flagger/gate", "/flagger//gate", f"/flagger/{token}", f"/flagger/{token}/approve"):
        assert web.ask(path, "POST", body=call(target="summaries")).status in (403, 404)
    assert web.ask(f"/flagger/{token}/gate").status in (401, 405)
    evil = {"Host": "evil.example"}
    assert web.ask(f"/flagger/{token}/gate", "POST", body=call(target="summaries"), headers=evil).status == 421


def test_wrong_tokens_are_bounded_and_never_answered_by_429(daemon, house):
    decided(house, "summaries", "run-1", Level.ROLLBACK, **CONFIRMED)
    web = daemon()
    answers = [ask(web, "rollback-check", call(target="summaries"), f"guess-{n}") for n in range(flagger.ATTEMPTS + 2)]
    assert {answer.status for answer in answers} == {403}
    assert "Too many wrong tokens" in answers[-1].json["error"]
    assert ask(web, "rollback-check", call(target="summaries")).status == 403


def test_the_token_stands_in_no_log(daemon, house, caplog):
    decided(house, "summaries", "run-1", Level.PASS)
    web = daemon()
    web.tokens["slashed"] = type(web.tokens["grafana"])("slashed", "half/gate/secret-half", "gate")
    secrets = {"argo.rollouts": GATE, "slashed": "half%2Fgate%2Fsecret-half"}
    with caplog.at_level(logging.DEBUG):
        for secret in secrets.values():
            assert ask(web, "gate", call(target="summaries"), secret).status == 200
            assert ask(web, "gate", call(target="fft"), secret).status == 404
            assert ask(web, "gate", b" " * 70_000, secret).status == 413
            web.ask(f"/flagger/{secret}/", "POST", body=b"")
            web.ask(f"/x/../flagger/{secret}/gate", "POST", body=b"")
        until = time.monotonic() + 10
        while len([line for line in caplog.records if line.name == "monitor.web"]) < 10:
            assert time.monotonic() < until
            time.sleep(0.01)
    said = [line for line in caplog.records if line.name == "monitor.web"]
    assert [line.path for line in said].count("/flagger/…/gate") == 6
    assert {line.__dict__.get("by") for line in said} >= set(secrets)
    everything = caplog.text + repr([line.__dict__ for line in caplog.records])
    assert [text for text in (GATE, "secret-half", "half/gate") if text in everything] == []
