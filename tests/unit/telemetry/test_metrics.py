"""What a scrape shows: the newest verdicts, what was used, and nothing that is not known."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import timedelta

import pytest

from alerts.channel import Receipt
from alerts.outbox import Dropped, PutOff, Sent, State
from monitor.domain.run import RunKind, RunState
from monitor.domain.verdict import Cause, CauseKind, Interval, Level, Stage, Thresholds
from monitor.store import answers, leases, outbox, runs, verdicts
from monitor.store.outbox import StoredOutbox
from tests.unit.store.rows import NOW, answer, decided, failure, run, tell
from tests.unit.telemetry.conftest import TARGETS, configured

WEEK, HOUR = timedelta(days=7), timedelta(hours=1)
FT = "target=ft, suite=support"
MEASURED = decided(
    level=Level.INVESTIGATE,
    score=0.8333,
    baseline_score=0.88,
    scores={"exact_match": 0.8333, "bleu": None, "f1": 0.9},
    drop=Interval(4.7, 3.5, 5.9),
)


def conclude(database, number=1, *, at=NOW + HOUR, said=MEASURED, **changes):
    """A run that was begun at its slot, and its verdict."""
    begun = run(number, slot=NOW, state=RunState.DONE, finished_at=at)
    begun = replace(begun, **changes)
    with database.write() as connection:
        assert runs.begin(connection, begun)
        verdicts.add(connection, replace(said, run=begun.id, slot=begun.slot), clear=False, now=at)


def named(page, name):
    return {key: value for key, value in page.items() if key.split("{")[0] == name}


def test_before_anything_was_measured_nothing_is_claimed(scrape):
    page = scrape(NOW)
    for labels in (FT, "target=ft, suite=general", "target=rag, suite=support"):
        shown = [page[f"heldout_verdict{{{labels}, verdict={level.value}}}"] for level in Level]
        assert shown == [0.0, 1.0, 0.0, 0.0]
    for name in ("score", "baseline_score", "drop_points", "threshold_points", "run_last_success_timestamp_seconds",
                 "run_duration_seconds", "scheduler_last_tick_timestamp_seconds", "cost_usd_total", "month_cost_usd",
                 "run_last_answer_timestamp_seconds", "outbox_oldest_timestamp_seconds",
                 "slot_missed_last_timestamp_seconds"):  # fmt: skip
        assert named(page, f"heldout_{name}") == {}, name
    assert page["heldout_calls_total{target=ft, outcome=answered}"] == 0.0
    assert page["heldout_tokens_total{target=rag, kind=output}"] == 0.0
    assert page["heldout_deliveries_total{channel=slack, outcome=failed}"] == 0.0
    assert (page["heldout_outbox_pending"], page["heldout_run_in_progress"]) == (0.0, 0.0)
    assert (page["heldout_database_up"], page["heldout_month_cost_cap_usd"]) == (1.0, 200.0)
    # 16 November is a Monday, and the slot of 6:00 has come.
    following = (NOW + WEEK).timestamp()
    assert named(page, "heldout_run_next_slot_timestamp_seconds") == {
        f"heldout_run_next_slot_timestamp_seconds{{{FT}}}": following,
        "heldout_run_next_slot_timestamp_seconds{target=ft, suite=general}": following,
    }


def test_the_newest_verdict_with_its_numbers(database, scrape):
    conclude(database)
    page = scrape(NOW + 2 * HOUR)
    assert [page[f"heldout_verdict{{{FT}, verdict={level.value}}}"] for level in Level] == [0.0, 0.0, 1.0, 0.0]
    assert named(page, "heldout_score") == {
        f"heldout_score{{{FT}, scorer=headline}}": 0.8333,
        f"heldout_score{{{FT}, scorer=exact_match}}": 0.8333,
        f"heldout_score{{{FT}, scorer=f1}}": 0.9,
    }
    assert page[f"heldout_baseline_score{{{FT}}}"] == 0.88
    assert [page[f"heldout_drop_points{{{FT}, bound={b}}}"] for b in ("estimate", "low", "high")] == [4.7, 3.5, 5.9]
    assert [page[f"heldout_threshold_points{{{FT}, verdict={v}}}"] for v in ("investigate", "rollback")] == [3.0, 5.0]
    assert page[f"heldout_run_last_success_timestamp_seconds{{{FT}}}"] == (NOW + HOUR).timestamp()
    assert page[f"heldout_run_duration_seconds{{{FT}}}"] == 3600.0


def test_thresholds_in_percent_are_shown_in_points(database, scrape):
    conclude(database, said=replace(MEASURED, thresholds=Thresholds(5.0, 10.0, "percent")))
    page = scrape(NOW + HOUR)
    shown = [page[f"heldout_threshold_points{{{FT}, verdict={v}}}"] for v in ("investigate", "rollback")]
    assert shown == pytest.approx([4.4, 8.8])


def test_a_verdict_of_the_first_version_has_its_headline(database, scrape):
    conclude(database)
    with database.write() as connection:
        old = {name: value for name, value in MEASURED.as_json().items() if name != "scores"}
        connection.execute(verdicts.verdict.update().values(payload=old))
    assert named(scrape(NOW + HOUR), "heldout_score") == {f"heldout_score{{{FT}, scorer=headline}}": 0.8333}


def test_what_is_unknown_is_missing_and_never_nan(database, scrape):
    unknown = replace(MEASURED, score=math.nan, baseline_score=None, drop=Interval(4.7, -math.inf, math.nan))
    conclude(database, said=replace(unknown, thresholds=Thresholds(5.0, 10.0, "percent")))
    page = scrape(NOW + HOUR)
    assert all(math.isfinite(value) for value in page.values())
    assert named(page, "heldout_drop_points") == {f"heldout_drop_points{{{FT}, bound=estimate}}": 4.7}
    assert f"heldout_score{{{FT}, scorer=headline}}" not in page
    assert named(page, "heldout_threshold_points") == {}


@pytest.mark.parametrize(("seconds", "stale"), [(0, False), (1, True)])
def test_after_8_days_a_verdict_is_inconclusive_and_its_numbers_are_gone(database, scrape, seconds, stale):
    conclude(database)
    page = scrape(NOW + HOUR + timedelta(days=8, seconds=seconds))
    assert page[f"heldout_verdict{{{FT}, verdict=inconclusive}}"] == float(stale)
    assert page[f"heldout_verdict{{{FT}, verdict=investigate}}"] == float(not stale)
    for name in ("heldout_score", "heldout_drop_points", "heldout_baseline_score", "heldout_threshold_points"):
        assert bool(named(page, name)) is not stale
    assert f"heldout_run_last_success_timestamp_seconds{{{FT}}}" in page


@pytest.mark.parametrize(
    ("changes", "counts"),
    [
        ({}, True),
        ({"stage": Stage.CONFIRMED, "level": Level.ROLLBACK}, True),
        ({"level": Level.INCONCLUSIVE}, True),
        ({"stage": Stage.WAITING, "level": Level.INCONCLUSIVE}, False),
        ({"stage": Stage.PENDING}, False),
        *(({"causes": (Cause(kind, "why"),), "level": Level.INCONCLUSIVE}, False) for kind in CauseKind),
    ],
)
def test_a_success_is_a_run_that_measured_and_came_to_its_end(database, scrape, changes, counts):
    conclude(database, said=replace(MEASURED, **changes))
    page = scrape(NOW + HOUR)
    assert (f"heldout_run_last_success_timestamp_seconds{{{FT}}}" in page) is counts
    assert (f"heldout_run_duration_seconds{{{FT}}}" in page) is counts


def test_a_later_failure_leaves_the_last_success_as_it_was(database, scrape):
    conclude(database)
    provider = replace(MEASURED, causes=(Cause(CauseKind.PROVIDER, "down"),), level=Level.INCONCLUSIVE)
    conclude(database, 2, at=NOW + WEEK, said=provider, slot=NOW + WEEK)
    page = scrape(NOW + WEEK + HOUR)
    assert page[f"heldout_run_last_success_timestamp_seconds{{{FT}}}"] == (NOW + HOUR).timestamp()
    # A run on demand measures, too; one that a wrong clock has dated ahead hides nothing.
    conclude(database, 3, at=NOW + WEEK + HOUR, slot=None, kind=RunKind.AD_HOC)
    conclude(database, 4, at=NOW + 60 * WEEK, slot=NOW + 60 * WEEK)
    page = scrape(NOW + WEEK + HOUR)
    assert page[f"heldout_run_last_success_timestamp_seconds{{{FT}}}"] == (NOW + WEEK + HOUR).timestamp()
    assert page[f"heldout_run_duration_seconds{{{FT}}}"] == (WEEK + HOUR).total_seconds()


def test_a_target_that_left_the_configuration_keeps_its_counts_and_loses_its_gauges(database, scrape, tmp_path):
    conclude(database, kind=RunKind.WEEK)
    with database.write() as connection:
        answers.add(connection, [answer("a", usd=0.5, input_tokens=7, output_tokens=2, attempts=2)], [{}])
        answers.add_failures(connection, [failure("b")])
        tell(connection, "alert-1", ["pager"])
    other = configured(tmp_path, TARGETS.split("[alerts.slack]")[0].replace("[targets.ft]", "[targets.other]"))
    page = scrape(NOW + HOUR, other)
    of_ft = {key.split("{")[0] for key in page if "target=ft" in key}
    assert of_ft == {"heldout_calls_total", "heldout_tokens_total", "heldout_cost_usd_total"}
    assert named(page, "heldout_cost_usd_total") == {"heldout_cost_usd_total{target=ft, purpose=week}": 0.5}
    calls = {outcome: page[f"heldout_calls_total{{target=ft, outcome={outcome}}}"] for outcome in
             ("answered", "retried", "timeout")}  # fmt: skip
    assert calls == {"answered": 1.0, "retried": 1.0, "timeout": 3.0}
    assert page["heldout_tokens_total{target=ft, kind=input}"] == 7.0
    assert page["heldout_deliveries_total{channel=pager, outcome=sent}"] == 0.0
    assert "heldout_deliveries_total{channel=slack, outcome=sent}" not in page


def test_counts_go_on_through_a_kill_and_never_fall_when_a_run_is_done(database, scrape):
    def add(run_id, case, usd):
        with database.write() as connection:
            answers.add(connection, [answer(case, run_id=run_id, usd=usd)], [{}])

    def counters():
        return {key: value for key, value in scrape(NOW).items() if "_total{" in key}

    begun = [run(1), run(2, slot=None, kind=RunKind.BASELINE), run(3, slot=NOW + WEEK)]
    with database.write() as connection:
        assert all(runs.begin(connection, one) for one in begun)
    before = counters()
    for step in range(12):
        # A tenth cannot be stored exactly, and neither can most sums of it.
        add(begun[step % 3].id, f"case-{step}", 0.1 + step / 30)
        if step >= 9:
            with database.write() as connection:
                runs.finish(connection, begun[step % 3], NOW)
        after = counters()
        assert all(after[key] >= value for key, value in before.items())
        before = after
    assert before["heldout_calls_total{target=ft, outcome=answered}"] == 12.0
    costs = {key: value for key, value in before.items() if "cost_usd" in key}
    assert sum(costs.values()) == pytest.approx(12 * 0.1 + 66 / 30)
    assert set(costs) == {f"heldout_cost_usd_total{{target=ft, purpose={kind}}}" for kind in ("week", "baseline")}


def test_deliveries_by_channel_and_what_waits(begun, scrape):
    with begun.write() as connection:
        tell(connection, "first", ["slack", "email"])
        tell(connection, "second", ["slack"], target="other", minutes=5)
    store = StoredOutbox(begun)
    page = scrape(NOW + HOUR)
    assert (page["heldout_outbox_pending"], page["heldout_outbox_oldest_timestamp_seconds"]) == (3.0, NOW.timestamp())
    first, second = store.lease(NOW + HOUR, "slack", 10, HOUR)
    (mail,) = store.lease(NOW + HOUR, "email", 10, HOUR)
    down = PutOff(mail, NOW + 2 * HOUR, "down", State.BLOCKED, attempted=True)
    # One that only waits behind another was not attempted.
    held = PutOff(second, NOW + 2 * HOUR, "held", None, attempted=False)
    store.settle(NOW + HOUR, [Sent(first, Receipt()), down, held])
    page = scrape(NOW + HOUR)
    deliveries = {key.partition("{")[2]: value for key, value in named(page, "heldout_deliveries_total").items()}
    assert deliveries == {
        "channel=slack, outcome=sent}": 1.0,
        "channel=slack, outcome=failed}": 0.0,
        "channel=slack, outcome=dropped}": 0.0,
        "channel=email, outcome=sent}": 0.0,
        "channel=email, outcome=failed}": 1.0,
        "channel=email, outcome=dropped}": 0.0,
    }
    assert (page["heldout_outbox_pending"], page["heldout_outbox_oldest_timestamp_seconds"]) == (2.0, NOW.timestamp())
    store.settle(NOW + HOUR, [Sent(mail, Receipt())])
    page = scrape(NOW + HOUR)
    assert page["heldout_deliveries_total{channel=email, outcome=sent}"] == 1.0
    assert page["heldout_deliveries_total{channel=email, outcome=failed}"] == 1.0
    assert page["heldout_outbox_oldest_timestamp_seconds"] == (NOW + timedelta(minutes=5)).timestamp()
    (second,) = store.lease(NOW + 2 * HOUR, "slack", 10, HOUR)
    store.settle(NOW + HOUR, [Dropped(second, "it is over")])
    page = scrape(NOW + HOUR)
    assert page["heldout_deliveries_total{channel=slack, outcome=dropped}"] == 1.0
    assert page["heldout_outbox_pending"] == 0.0
    assert "heldout_outbox_oldest_timestamp_seconds" not in page


def test_missed_slots_until_they_are_filled_in(database, scrape):
    missed = [
        run(number, slot=NOW - number * WEEK, state=RunState.MISSED, created_at=NOW + number * HOUR)
        for number in (1, 2)
    ]
    gone = run(3, target="gone", state=RunState.MISSED)
    with database.write() as connection:
        assert all(runs.record(connection, one) for one in (*missed, gone))
    page = scrape(NOW + WEEK)
    assert named(page, "heldout_slots_missed") == {
        f"heldout_slots_missed{{{FT}}}": 2.0,
        "heldout_slots_missed{target=ft, suite=general}": 0.0,
    }
    assert named(page, "heldout_slot_missed_last_timestamp_seconds") == {
        f"heldout_slot_missed_last_timestamp_seconds{{{FT}}}": (NOW + 2 * HOUR).timestamp()
    }
    with database.write() as connection:
        runs.finish(connection, missed[1], NOW)
    page = scrape(NOW + WEEK)
    assert page[f"heldout_slots_missed{{{FT}}}"] == 1.0
    assert page[f"heldout_slot_missed_last_timestamp_seconds{{{FT}}}"] == (NOW + HOUR).timestamp()


def hold(database, name, at, worked_at=None):
    with database.write() as connection:
        held = leases.take(connection, leases.look(connection, name), "host:1", at)
        leases.beat(connection, held, at, worked_at, None)
        return held


def test_the_scheduler_and_the_process_that_asks(database, scrape):
    hold(database, leases.LEADER, NOW, NOW)
    runner = hold(database, leases.RUNNER, NOW, NOW - HOUR)
    page = scrape(NOW + timedelta(seconds=90))
    assert page["heldout_scheduler_last_tick_timestamp_seconds"] == NOW.timestamp()
    assert page["heldout_run_in_progress"] == 1.0
    assert page["heldout_run_last_answer_timestamp_seconds"] == (NOW - HOUR).timestamp()
    # Killed, it has let nothing go, and gives no sign of life any more.
    assert scrape(NOW + timedelta(minutes=3))["heldout_run_in_progress"] == 0.0
    with database.write() as connection:
        leases.release(connection, runner, NOW)
    assert scrape(NOW)["heldout_run_in_progress"] == 0.0


def test_what_this_month_has_cost(database, scrape):
    month = NOW.replace(day=1, hour=0)
    with database.write() as connection:
        for number, began, usd in ((1, month, 0.25), (2, month - HOUR, 8.0), (3, NOW, None), (4, NOW, 0.5)):
            assert runs.begin(connection, run(number, slot=began + number * WEEK, created_at=began))
            answers.add(connection, [answer("a", run_id=f"run-{number}", usd=usd)], [{}])
    assert scrape(NOW)["heldout_month_cost_usd"] == 0.75
    assert "heldout_month_cost_usd" not in scrape(NOW + 5 * WEEK)


def test_an_alert_that_no_verdict_caused_is_counted_like_any_other(database, scrape):
    with database.write() as connection:
        payload = {"id": "x", "target": "ft", "suite": "support", "kind": "note"}
        outbox.enqueue(connection, payload, None, ["slack"], NOW)
    assert scrape(NOW)["heldout_outbox_pending"] == 1.0
