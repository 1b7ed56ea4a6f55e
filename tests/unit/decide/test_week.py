"""Every branch of a week's step, on answers that are counted out by hand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from monitor.decide.week import Evidence, Progress, Step, Wait, WeekPlan, first, step
from monitor.domain.run import Halt, HaltKind, Phase
from monitor.domain.verdict import CauseKind, Level, Stage
from monitor.stats.moments import Moments
from monitor.stats.sequential import start
from monitor.stats.spec import Spec, unit_scale

CASES = 100
SPEC = Spec.from_thresholds(3, 5)
NOTHING = Moments.of([[]] * CASES)
BUDGET = Halt(HaltKind.BUDGET, "the cap of 10 calls is reached.")
FATAL = Halt(HaltKind.FATAL, "the key was refused.")
OUTAGE = Halt(HaltKind.OUTAGE, "8 questions in a row got no answer.")


def plan(baseline_repeats: int = 4, cap: int = 8, within: float = 0.0, **more: object) -> WeekPlan:
    return WeekPlan(SPEC, within, baseline_repeats, cap, **more)


def alike(score: float, n: int, cases: int = CASES) -> Moments:
    """Every case scored `score` each of `n` times."""
    full = np.full(cases, float(n))
    return Moments(full, np.full(cases, score), np.zeros(cases))


def fallen(cases: int, n: int, of: int = CASES) -> Moments:
    """The first `cases` were wrong each time, the others right."""
    means = np.ones(of)
    means[:cases] = 0.0
    return Moments(np.full(of, float(n)), means, np.zeros(of))


def without(moments: Moments, cases: int, at: int = CASES) -> Moments:
    """As `moments`, but with no answer to the `cases` before place `at`."""
    n, mean, var = (a.copy() for a in (moments.n, moments.mean, moments.var))
    for a in (n, mean, var):
        a[at - cases : at] = 0.0
    return Moments(n, mean, var)


def varied(score: float, n: int, cases: int = CASES) -> Moments:
    """Every case was right a share `score` of the time, over `n` binary answers."""
    var = score * (1 - score) * n / max(1, n - 1) if n > 1 else 0.0
    return Moments(np.full(cases, float(n)), np.full(cases, score), np.full(cases, var))


PERFECT = alike(1.0, 4)


def run(
    planned: WeekPlan,
    main: Moments,
    *,
    confirm: Moments | None = None,
    baseline: Moments = PERFECT,
    progress: Progress | None = None,
    halt: Halt | None = None,
    patient: bool = True,
) -> Step:
    nothing = Moments.of([[]] * len(main.n))
    evidence = Evidence(baseline, main, confirm or nothing)
    return step(planned, progress or first(planned), evidence, halt, patient=patient)


def at(planned: WeekPlan, repeats: int, **more: object) -> Progress:
    begun = first(planned)
    return Progress(Phase.MAIN, repeats, begun.questions, **more)


CONFIRM = Progress(Phase.CONFIRM, 1, start(investigate=False))


def test_no_change_passes_at_the_first_stage():
    found = run(plan(), alike(1.0, 1))
    assert (found.level, found.stage, found.clear, found.next, found.wait) == (
        Level.PASS,
        Stage.FINAL,
        True,
        None,
        None,
    )
    assert "ruled out" in found.reasons[0]
    assert found.drop is not None
    assert found.drop.points == 0.0
    assert found.confirmation is None


def test_a_better_score_passes_too():
    found = run(plan(), alike(1.0, 1), baseline=fallen(5, 4))
    assert (found.level, found.clear) == (Level.PASS, True)
    assert found.drop.points == pytest.approx(-5.0)
    assert "−5.0 points" in found.reasons[0]


def test_answers_are_asked_1_2_4_up_to_the_cap_while_a_question_is_open():
    planned = plan(cap=11, within=0.25)
    baseline, asked, progress = varied(0.5, 40), [], first(planned)
    for _ in range(10):
        asked.append(progress.repeats)
        found = run(planned, varied(0.47, progress.repeats), baseline=baseline, progress=progress)
        if found.wait is not Wait.STAGE:
            break
        assert (found.level, found.stage, found.next.phase) == (Level.INCONCLUSIVE, Stage.WAITING, Phase.MAIN)
        assert found.reasons[0].startswith(
            "One answer a case does" if len(asked) == 1 else f"{asked[-1]} answers a case"
        )
        assert f"it goes on to {found.next.repeats}" in found.reasons[0]
        progress = found.next
    assert asked == [1, 2, 4, 8, 11]
    # Nothing is settled at the cap: one more look the next day, at twice the cap.
    assert (found.level, found.stage, found.wait) == (Level.INCONCLUSIVE, Stage.WAITING, Wait.DAY)
    assert (found.next.repeats, found.next.again) == (22, True)


def test_the_look_of_the_next_day_stands():
    planned = plan(within=0.25)
    found = run(planned, varied(0.47, 16), baseline=varied(0.5, 40), progress=at(planned, 16, again=True))
    assert (found.level, found.stage, found.next) == (Level.INCONCLUSIVE, Stage.FINAL, None)
    assert "cannot tell a drop of 3 points from one of 1 point, nor" in found.reasons[0]
    assert found.clear is False


def test_the_look_of_the_next_day_may_settle_it():
    planned = plan(within=0.25)
    baseline = varied(0.5, 400, 400)
    again = at(planned, 16, again=True)
    clear = run(planned, varied(0.5, 16, 400), baseline=baseline, progress=again)
    assert (clear.level, clear.clear) == (Level.PASS, True)
    bad = run(planned, varied(0.44, 16, 400), baseline=baseline, progress=again)
    assert bad.level is Level.INVESTIGATE


def test_an_investigation_says_whether_a_rollback_is_ruled_out():
    planned = plan(within=0.05)
    certain = run(planned, varied(0.965, 8, 1000), baseline=varied(1.0, 40, 1000), progress=at(planned, 8))
    assert (certain.level, certain.stage, certain.clear) == (Level.INVESTIGATE, Stage.FINAL, False)
    assert certain.reasons[1] == "A drop of 5 points is ruled out."
    unsure = run(planned, varied(0.955, 8), baseline=varied(1.0, 400), progress=at(planned, 8))
    assert unsure.level is Level.INVESTIGATE
    assert unsure.reasons[1] == "Whether it has reached 5 points is still open."


def test_a_rollback_is_pending_until_a_separate_replay_confirms_it():
    planned = plan()
    pending = run(planned, fallen(15, 2), progress=at(planned, 2))
    assert (pending.level, pending.stage, pending.wait) == (Level.INVESTIGATE, Stage.PENDING, Wait.CONFIRM)
    assert (pending.next.phase, pending.next.repeats) == (Phase.CONFIRM, 1)
    assert pending.next.questions.asked.tolist() == [False, True]
    more = run(planned, fallen(15, 2), confirm=fallen(15, 1), progress=pending.next)
    assert (more.level, more.stage, more.wait) == (Level.INVESTIGATE, Stage.PENDING, Wait.STAGE)
    confirmed = run(planned, fallen(15, 2), confirm=fallen(15, 2), progress=more.next)
    assert (confirmed.level, confirmed.stage, confirmed.next) == (Level.ROLLBACK, Stage.CONFIRMED, None)
    assert confirmed.drop.points == confirmed.confirmation.points == pytest.approx(15.0)


def test_a_rollback_that_the_second_replay_rules_out_stays_an_investigation():
    found = run(plan(), fallen(15, 1), confirm=alike(1.0, 1), progress=CONFIRM)
    assert (found.level, found.stage, found.next) == (Level.INVESTIGATE, Stage.FINAL, None)
    assert "rules out a drop of 5 points" in found.reasons[0]
    assert found.confirmation.points == 0.0


def test_a_confirmation_has_stages_of_its_own_and_may_stay_open():
    planned, baseline = plan(within=0.25, baseline_repeats=40), varied(0.5, 40)
    asked, progress = [], CONFIRM
    while True:
        asked.append(progress.repeats)
        found = run(planned, NOTHING, confirm=varied(0.46, progress.repeats), baseline=baseline, progress=progress)
        if found.next is None:
            break
        assert (found.level, found.stage, found.wait) == (Level.INVESTIGATE, Stage.PENDING, Wait.STAGE)
        progress = found.next
        assert progress.phase is Phase.CONFIRM
    assert asked == [1, 2, 4, 8]
    assert (found.level, found.stage) == (Level.INVESTIGATE, Stage.FINAL)
    assert "does not settle whether it has reached 5 points" in found.reasons[0]


def test_confirming_needs_less_certainty_than_firing():
    planned, baseline = plan(within=0.25, baseline_repeats=40, cap=64), varied(0.5, 40)
    score = varied(0.44, 64)
    assert run(planned, score, baseline=baseline, progress=at(planned, 64)).stage is not Stage.PENDING
    last = Progress(Phase.CONFIRM, 64, start(investigate=False))
    assert run(planned, NOTHING, confirm=score, baseline=baseline, progress=last).stage is Stage.CONFIRMED


@pytest.mark.parametrize("score", [0.0, 0.3])
def test_one_baseline_answer_never_rolls_back(score):
    planned = plan(baseline_repeats=1, within=float("nan"))
    found = run(planned, alike(score, 8), baseline=alike(1.0, 1), progress=at(planned, 8))
    assert (found.level, found.stage, found.next) == (Level.INVESTIGATE, Stage.FINAL, None)
    assert "no rollback can be decided" in found.reasons[1]


def test_percent_of_the_baseline():
    scale = unit_scale("percent", 0.5)
    planned = WeekPlan(Spec.from_thresholds(3, 5, scale), 0.0, 4, 8, unit="percent")
    half = Moments(np.full(1000, 4.0), np.full(1000, 0.5), np.zeros(1000))
    lower = Moments(np.full(1000, 2.0), np.full(1000, 0.48), np.zeros(1000))
    found = run(planned, lower, baseline=half, progress=at(planned, 2))
    assert found.level is Level.INVESTIGATE
    # The interval is in points whatever the unit; the reasons speak in the unit of the thresholds.
    assert found.drop.points == pytest.approx(2.0)
    assert "The drop is 4.0% (95% interval" in found.reasons[0]
    assert "a true drop of 1% or less" in found.reasons[0]


# Too few answers.


def test_too_many_cases_without_an_answer_get_one_more_stage():
    planned = plan()
    thin = run(planned, without(alike(1.0, 1), 6))
    assert (thin.level, thin.stage, thin.wait) == (Level.INCONCLUSIVE, Stage.WAITING, Wait.STAGE)
    assert (thin.next.repeats, thin.next.thin) == (2, 1)
    assert thin.causes == ()
    # The next stage brings them: it goes on as if nothing had been.
    assert run(planned, alike(1.0, 2), progress=thin.next).level is Level.PASS


def test_five_in_a_hundred_may_be_missing():
    found = run(plan(), without(alike(1.0, 1), 5))
    assert (found.stage, found.wait) == (Stage.WAITING, Wait.STAGE)
    assert found.drop is not None


@pytest.mark.parametrize("missing", [6, 100])
def test_a_week_without_enough_answers_is_tried_again_the_next_day_and_then_invalid(missing):
    planned = plan()
    thin = run(planned, without(alike(1.0, 1), missing))
    halted = run(planned, without(alike(1.0, 2), missing), progress=thin.next)
    assert (halted.level, halted.stage, halted.wait) == (Level.INCONCLUSIVE, Stage.WAITING, Wait.DAY)
    assert (halted.next.retried, halted.next.thin, halted.next.repeats) == (True, 0, 2)
    assert halted.causes[0].cause is CauseKind.PROVIDER
    again = run(planned, without(alike(1.0, 2), missing), progress=halted.next)
    assert again.wait is Wait.STAGE
    over = run(planned, without(alike(1.0, 4), missing), progress=again.next)
    assert (over.level, over.stage, over.next) == (Level.INCONCLUSIVE, Stage.FINAL, None)
    assert f"{missing}% of the cases got no answer at all" in over.reasons[0]


def test_without_patience_there_is_no_next_day():
    planned = plan()
    found = run(planned, without(alike(1.0, 2), 6), progress=at(planned, 2, thin=1), patient=False)
    assert (found.stage, found.next) == (Stage.FINAL, None)


@pytest.mark.parametrize("more", [{"repeats": 8}, {"repeats": 16, "again": True}])
def test_at_the_cap_and_in_the_last_look_there_is_no_further_stage(more):
    planned = plan()
    found = run(planned, without(alike(1.0, more["repeats"]), 6), progress=at(planned, **more), patient=False)
    assert (found.level, found.stage) == (Level.INCONCLUSIVE, Stage.FINAL)
    assert found.causes[0].cause is CauseKind.PROVIDER


def test_missing_cases_that_would_change_the_verdict_leave_it_open():
    # 98 unchanged cases pass; with the other 2 counted as wrong, the drop would be 2 points and not ruled out.
    planned, main = plan(), without(alike(1.0, 1), 2)
    found = run(planned, main)
    assert (found.level, found.stage, found.wait) == (Level.INCONCLUSIVE, Stage.WAITING, Wait.STAGE)
    today = run(planned, without(alike(1.0, 8), 2), progress=at(planned, 8))
    assert (today.level, today.stage, today.wait) == (Level.INCONCLUSIVE, Stage.WAITING, Wait.DAY)
    last = run(planned, without(alike(1.0, 8), 2), progress=today.next)
    # Too few are missing for the week to be the provider's.
    assert (last.level, last.stage, last.causes) == (Level.INCONCLUSIVE, Stage.FINAL, ())
    assert "2.0% of the cases got no answer" in last.reasons[0]
    assert last.clear is False
    # When they answer the next day, the look is made with its whole error.
    assert run(planned, alike(1.0, 8), progress=today.next).level is Level.PASS
    dropped = run(planned, alike(0.96, 8), progress=today.next)
    assert dropped.level is Level.INVESTIGATE


def test_missing_cases_that_no_number_of_answers_could_make_up_for_are_asked_for_once_more_and_no_further():
    # Four of a hundred: counted as wrong they are a drop of 4 points, as unchanged of none.
    planned = plan(cap=32)
    once = run(planned, without(alike(1.0, 1), 4))
    assert (once.wait, once.next.repeats) == (Wait.STAGE, 2)
    twice = run(planned, without(alike(1.0, 2), 4), progress=once.next)
    assert (twice.wait, twice.next.repeats) == (Wait.DAY, 2)
    over = run(planned, without(alike(1.0, 2), 4), progress=twice.next)
    assert (over.level, over.stage) == (Level.INCONCLUSIVE, Stage.FINAL)


def test_missing_cases_that_change_nothing_change_nothing():
    large = without(alike(1.0, 1, 1000), 2, 1000)
    assert run(plan(), large, baseline=alike(1.0, 4, 1000)).level is Level.PASS


def test_what_missing_cases_could_take_back_does_not_stay_fired():
    # On the 95 answered cases alone it fires; were the other 5 unchanged, it would not.
    planned = plan()
    answered = Moments(np.full(95, 4.0), np.full(95, 0.973), np.full(95, 0.001))
    alone = run(planned, answered, baseline=alike(1.0, 4, 95), progress=at(planned, 4))
    assert alone.level is Level.INVESTIGATE
    whole = Moments(np.full(CASES, 4.0), np.full(CASES, 0.973), np.full(CASES, 0.001))
    found = run(planned, without(whole, 5), progress=at(planned, 4))
    assert (found.level, found.stage, found.wait) == (Level.INCONCLUSIVE, Stage.WAITING, Wait.STAGE)
    assert found.next.questions.fired.tolist() == [False, False]
    assert run(planned, alike(1.0, 8), progress=found.next).level is Level.PASS


def test_an_investigation_that_stands_either_way_is_kept_when_only_the_rollback_depends_on_missing_cases():
    planned = plan(cap=8)
    found = run(planned, without(alike(0.965, 8), 4), progress=at(planned, 8), patient=False)
    assert (found.level, found.stage, found.causes) == (Level.INVESTIGATE, Stage.FINAL, ())


def test_a_confirmation_that_depends_on_missing_cases_is_no_confirmation():
    last = Progress(Phase.CONFIRM, 8, start(investigate=False))
    today = run(plan(), NOTHING, confirm=without(alike(0.9605, 8), 4), progress=last)
    assert (today.level, today.stage, today.wait) == (Level.INVESTIGATE, Stage.PENDING, Wait.DAY)
    found = run(plan(), NOTHING, confirm=without(alike(0.9605, 8), 4), progress=today.next)
    assert (found.level, found.stage) == (Level.INVESTIGATE, Stage.FINAL)
    assert "could not be confirmed" in found.reasons[1]


# A replay that ended early.


@pytest.mark.parametrize("patient", [True, False])
def test_a_spent_budget_ends_the_run(patient):
    found = run(plan(), NOTHING, halt=BUDGET, patient=patient)
    assert (found.level, found.stage, found.next) == (Level.INCONCLUSIVE, Stage.FINAL, None)
    assert found.causes[0].cause is CauseKind.BUDGET
    assert found.reasons == (BUDGET.message,)
    assert found.drop is None


@pytest.mark.parametrize("halt", [FATAL, OUTAGE])
def test_a_provider_that_is_down_is_asked_again_the_next_day_once(halt):
    planned = plan()
    today = run(planned, without(alike(1.0, 1), 50), halt=halt)
    assert (today.level, today.stage, today.wait) == (Level.INCONCLUSIVE, Stage.WAITING, Wait.DAY)
    assert (today.next.repeats, today.next.retried) == (1, True)
    assert (today.causes[0].cause, today.causes[0].evidence) == (CauseKind.PROVIDER, halt.message)
    assert today.drop is not None
    tomorrow = run(planned, NOTHING, halt=halt, progress=today.next)
    assert (tomorrow.level, tomorrow.stage, tomorrow.next) == (Level.INCONCLUSIVE, Stage.FINAL, None)
    assert run(planned, NOTHING, halt=halt, patient=False).stage is Stage.FINAL


def test_what_had_fired_before_the_run_was_halted_stands():
    planned = plan()
    fired = start()
    fired.fired[0] = True
    found = run(planned, alike(1.0, 2), halt=BUDGET, progress=Progress(Phase.MAIN, 2, fired))
    assert (found.level, found.stage) == (Level.INVESTIGATE, Stage.FINAL)


@pytest.mark.parametrize("halt", [FATAL, OUTAGE, BUDGET])
def test_a_confirmation_that_is_halted_leaves_the_investigation(halt):
    today = run(plan(), fallen(15, 1), halt=halt, progress=CONFIRM)
    if halt is BUDGET:
        assert (today.level, today.stage) == (Level.INVESTIGATE, Stage.FINAL)
        return
    assert (today.level, today.stage, today.wait) == (Level.INVESTIGATE, Stage.PENDING, Wait.DAY)
    tomorrow = run(plan(), fallen(15, 1), halt=halt, progress=today.next)
    assert (tomorrow.level, tomorrow.stage, tomorrow.next) == (Level.INVESTIGATE, Stage.FINAL, None)
    assert "could not be confirmed" in tomorrow.reasons[1]


# While an alert is open.


def test_under_an_open_investigation_only_the_rollback_question_is_asked():
    planned = plan(opened=Level.INVESTIGATE)
    assert first(planned).questions.asked.tolist() == [False, True]
    same = run(planned, fallen(4, 2), progress=at(planned, 2))
    assert (same.level, same.stage, same.next) == (Level.INVESTIGATE, Stage.FINAL, None)
    assert "stays open" in same.reasons[0]
    worse = run(planned, fallen(15, 2), progress=at(planned, 2))
    assert (worse.level, worse.stage) == (Level.INVESTIGATE, Stage.PENDING)


@pytest.mark.parametrize("opened", [Level.INVESTIGATE, Level.ROLLBACK])
def test_a_recovery_is_read_off_at_the_end(opened):
    planned = plan(opened=opened)
    found = run(planned, alike(1.0, 2), progress=at(planned, 2))
    assert (found.level, found.stage, found.clear) == (Level.PASS, Stage.FINAL, True)
    assert f"first clear week; a second in a row closes the alert ({opened.value})" in found.reasons[1]
    second = run(replace(planned, clear_weeks=1), alike(1.0, 2), progress=at(planned, 2))
    assert f"which closes the alert ({opened.value})" in second.reasons[1]


def test_under_an_open_rollback_two_answers_show_where_the_score_stands_and_fire_nothing():
    planned = plan(opened=Level.ROLLBACK)
    assert not first(planned).questions.asked.any()
    one = run(planned, fallen(40, 1))
    assert (one.level, one.stage, one.next.repeats) == (Level.ROLLBACK, Stage.WAITING, 2)
    two = run(planned, fallen(40, 2), progress=one.next)
    assert (two.level, two.stage, two.next, two.clear) == (Level.ROLLBACK, Stage.FINAL, None, False)
    assert two.drop.points == pytest.approx(40.0)
    assert "decides nothing new" in two.reasons[0]


def test_under_an_open_rollback_a_cap_of_one_answer_ends_the_run_too():
    found = run(plan(opened=Level.ROLLBACK, cap=1), fallen(40, 1))
    assert (found.stage, found.next) == (Stage.FINAL, None)


@pytest.mark.parametrize("opened", [Level.INVESTIGATE, Level.ROLLBACK])
def test_a_provider_that_is_down_says_nothing_about_the_model_and_leaves_an_open_alert_open(opened):
    found = run(plan(opened=opened), NOTHING, halt=OUTAGE, patient=False)
    assert (found.level, found.causes[0].cause) == (Level.INCONCLUSIVE, CauseKind.PROVIDER)
    assert f"The alert ({opened.value}) from earlier weeks stays open." in found.reasons


# What is stored between the stages.


@pytest.mark.parametrize(
    "progress",
    [
        first(plan()),
        first(plan(opened=Level.ROLLBACK)),
        at(plan(), 16, thin=1, again=True, retried=True),
        CONFIRM,
        run(plan(within=0.25), varied(0.47, 1), baseline=varied(0.5, 40)).next,
    ],
)
def test_progress_comes_back_from_json_as_it_was(progress):
    back = Progress.from_json(json.loads(json.dumps(progress.as_json(), allow_nan=False)))
    assert (back.phase, back.repeats, back.thin, back.again, back.retried) == (
        progress.phase,
        progress.repeats,
        progress.thin,
        progress.again,
        progress.retried,
    )
    for name in ("asked", "fired", "clear", "time", "finished"):
        before, after = getattr(progress.questions, name), getattr(back.questions, name)
        assert (before.shape, before.dtype, before.tolist()) == (after.shape, after.dtype, after.tolist())


def test_a_week_taken_up_from_json_decides_as_one_that_never_stopped():
    planned, baseline = plan(within=0.25, cap=64, baseline_repeats=40), varied(0.5, 40)

    def decide(stored: bool) -> list[Mapping[str, object]]:
        progress, found = first(planned), []
        for _ in range(9):
            taken = run(planned, varied(0.455, progress.repeats), baseline=baseline, progress=progress)
            found.append({"level": taken.level, "stage": taken.stage, "reasons": taken.reasons})
            if taken.next is None or taken.next.phase is Phase.CONFIRM:
                break
            progress = Progress.from_json(taken.next.as_json()) if stored else taken.next
        return found

    assert decide(stored=True) == decide(stored=False)
