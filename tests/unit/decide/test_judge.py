"""What a judge in the headline changes about a week: its contrast, its noise, what it left out, and its standing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from monitor.decide import words
from monitor.decide.looking import Missing, missing
from monitor.decide.state import Looked
from monitor.decide.week import Evidence, Progress, Step, Wait, WeekPlan, first, step, untrusted, wants_all_anchors
from monitor.domain.run import Halt, HaltKind, Phase
from monitor.domain.verdict import Cause, CauseKind, Level, Stage
from monitor.stats.contrast import Rejudged, contrast
from monitor.stats.moments import Moments
from monitor.stats.paired import Correction
from monitor.stats.sequential import start
from monitor.stats.spec import Spec

CASES = 100
SPEC = Spec.from_thresholds(3, 5)
NOTHING = Moments.of([[]] * CASES)
CONFIRM = Progress(Phase.CONFIRM, 2, start(investigate=False))
BARRED = "the judge strict was never calibrated"


def plan(cap: int = 8, within: float = 0.0, **more: object) -> WeekPlan:
    return WeekPlan(SPEC, within, 4, cap, **more)


def fallen(cases: int, n: int, right: float = 1.0) -> Moments:
    """The first `cases` were wrong each time, the others scored `right`."""
    means = np.full(CASES, right)
    means[:cases] = 0.0
    return Moments(np.full(CASES, float(n)), means, np.zeros(CASES))


PERFECT = fallen(0, 4)


def at(repeats: int, **more: object) -> Progress:
    return Progress(Phase.MAIN, repeats, start(), **more)


def under(planned: WeekPlan, repeats: int) -> Progress:
    """A stage of a week with an open alert, which decides what is asked."""
    return replace(first(planned), repeats=repeats)


def decide(planned: WeekPlan, progress: Progress, main: Moments, *, patient: bool = True, **more: object) -> Step:
    evidence = {"baseline": PERFECT, "main": main, "confirm": NOTHING, **more}
    return step(planned, progress, Evidence(**evidence), None, patient=patient)


def some(cases: int, value: float = 1.0) -> np.ndarray:
    """`value` for the last cases, 0 for the others."""
    out = np.zeros(CASES)
    out[CASES - cases :] = value
    return out


# The contrast.


def test_a_judge_that_became_stricter_is_no_drop_and_without_the_contrast_it_would_be_one():
    stricter = [[0.0] * 4] * 6 + [[1.0] * 4] * 94
    baseline, correction = contrast(PERFECT, Rejudged.of([[1.0] * 4] * CASES, stricter))
    alone = decide(plan(), at(2), fallen(6, 2))
    assert (alone.level, alone.drop.points) == (Level.INVESTIGATE, pytest.approx(6.0))
    found = decide(plan(), at(2), fallen(6, 2), baseline=baseline, correction=correction)
    assert (found.level, found.clear, found.drop.points) == (Level.PASS, True, pytest.approx(0.0))


def test_the_error_of_a_correction_enters_looks_of_both_replays_and_their_intervals():
    wide = Correction(np.zeros(CASES), np.full(CASES, 0.09), np.full(CASES, 4.0))
    narrow, unsure = (decide(plan(), at(2), fallen(6, 2), correction=c) for c in (None, wide))
    assert narrow.level is Level.INVESTIGATE
    assert unsure.level is Level.INCONCLUSIVE
    assert unsure.drop.high - unsure.drop.low > 5 * (narrow.drop.high - narrow.drop.low)
    confirmed, open_ = (decide(plan(), CONFIRM, fallen(7, 2), confirm=fallen(7, 2), correction=c) for c in (None, wide))
    assert confirmed.stage is Stage.CONFIRMED
    assert (open_.stage, open_.wait) == (Stage.PENDING, Wait.STAGE)
    assert open_.confirmation.high > confirmed.confirmation.high


def test_noise_that_equal_texts_share_is_each_replays_own():
    noise = np.full(CASES, 0.09)
    main = decide(plan(), at(2), fallen(6, 2), noise_main=noise)
    assert main.level is Level.INCONCLUSIVE
    assert decide(plan(), at(2), fallen(6, 2), noise_confirm=noise).level is Level.INVESTIGATE
    second = decide(plan(), CONFIRM, fallen(9, 2), confirm=fallen(9, 2), noise_main=noise)
    assert second.stage is Stage.CONFIRMED
    assert second.drop.high - second.drop.low > 5 * (second.confirmation.high - second.confirmation.low)


def test_the_variance_within_cases_is_todays_judges():
    # Under today's judge the answers no longer vary, so the plan's variance would be too much.
    baseline, correction = contrast(PERFECT, Rejudged.of([[1.0] * 4] * CASES, [[1.0] * 4] * CASES))
    stale = plan(within=0.2)
    assert decide(stale, at(2), fallen(0, 2)).level is Level.INCONCLUSIVE
    assert decide(stale, at(2), fallen(0, 2), baseline=baseline, correction=correction).level is Level.PASS


def test_an_interval_stays_within_what_scores_leave_room_for():
    shifted = Correction(np.full(CASES, -0.5), np.full(CASES, 0.5))
    found = decide(plan(), at(2), fallen(50, 2), correction=shifted)
    assert found.drop.points == pytest.approx(0.0)
    assert (found.drop.low, found.drop.high) == (pytest.approx(-13.9, abs=1.5), pytest.approx(13.9, abs=1.5))
    assert found.drop.low >= -50.0


# Answers without a score.


def test_unscored_answers_are_told_from_unanswered_cases():
    current = Moments(np.array([2.0, 0.0, 0.0, 1.0, 0.0]), np.zeros(5), np.zeros(5))
    baseline = Moments(np.array([4.0, 4.0, 4.0, 4.0, 0.0]), np.ones(5), np.zeros(5))
    unscored = np.array([0.0, 2.0, 0.0, 3.0, 2.0])
    found = missing(Looked(baseline, current, None, unscored))
    assert found == Missing(unanswered=0.25, unjudged=0.25, unscored=3)
    assert found.share == 0.5
    assert not found.judges
    assert missing(Looked(baseline, current, None, None)) == Missing(0.5, 0.0, 0)


def test_unscored_answers_that_would_change_the_verdict_leave_it_open():
    # Every case scored as at deployment; were the answers without a score wrong, the drop would be up to 4 points.
    unscored = some(4, 2.0)
    found = decide(plan(), at(2), fallen(0, 2), unscored_main=unscored)
    assert (found.level, found.stage) == (Level.INCONCLUSIVE, Stage.WAITING)
    last = decide(plan(), at(8, retried=True), fallen(0, 8), unscored_main=some(8, 8.0))
    assert (last.level, last.stage, last.causes) == (Level.INCONCLUSIVE, Stage.FINAL, ())
    assert "64 answers could not be scored by the judge; counted as wrong or as unchanged" in last.reasons[0]


def test_a_few_unscored_answers_that_change_nothing_change_nothing():
    assert decide(plan(), at(2), fallen(0, 2), unscored_main=some(1, 1.0)).level is Level.PASS
    assert decide(plan(), at(2), fallen(0, 2), unscored_main=np.zeros(CASES)).level is Level.PASS


def test_what_unscored_answers_could_take_back_does_not_fire():
    # Three in four answers have no score: were they as at deployment, 3.1 points would be 0.8.
    main = Moments(np.full(CASES, 4.0), np.full(CASES, 0.969), np.full(CASES, 0.0005))
    assert decide(plan(), at(4), main).level is Level.INVESTIGATE
    found = decide(plan(), at(4), main, unscored_main=np.full(CASES, 12.0))
    assert found.level is Level.INCONCLUSIVE
    assert not found.next.questions.fired.any()


def test_a_confirmation_with_unscored_answers_that_matter_is_no_confirmation():
    # The cases that fell have most of their answers unscored: as at deployment, 6 points would be 1.2.
    unscored = np.zeros(CASES)
    unscored[:6] = 8.0
    assert decide(plan(), CONFIRM, fallen(6, 2), confirm=fallen(6, 2)).stage is Stage.CONFIRMED
    found = decide(plan(), CONFIRM, fallen(6, 2), confirm=fallen(6, 2), unscored_confirm=unscored, patient=False)
    assert found.stage is not Stage.CONFIRMED
    assert found.level is Level.INVESTIGATE


@pytest.mark.parametrize(
    ("unscored", "cause"), [(6, CauseKind.JUDGE), (0, CauseKind.PROVIDER), (2, CauseKind.PROVIDER)]
)
def test_too_many_cases_without_a_score_are_the_judges_week_or_the_providers(unscored, cause):
    n = np.full(CASES, 8.0)
    n[-6:] = 0.0
    main = Moments(n, np.where(n > 0, 1.0, 0.0), np.zeros(CASES))
    found = decide(plan(), at(8, retried=True), main, unscored_main=some(unscored, 8.0))
    assert (found.level, found.stage) == (Level.INCONCLUSIVE, Stage.FINAL)
    assert found.causes == (Cause(cause, found.reasons[0]),)
    wanted = {
        6: "6% of the cases could not be scored by the judge (5% are allowed), so this week measured the judge.",
        0: "6% of the cases got no answer at all (5% are allowed), so this week measured the provider.",
        2: (
            "4.0% of the cases got no answer at all, and 2.0% could not be scored by the judge (5% are allowed in "
            "all), so this week measured the provider."
        ),
    }
    assert found.reasons[0] == wanted[unscored]


def test_all_kinds_of_gaps_are_named():
    n = np.full(CASES, 8.0)
    n[-4:] = 0.0
    main = Moments(n, np.where(n > 0, 1.0, 0.0), np.zeros(CASES))
    unscored = some(2, 8.0)
    unscored[0] = 1.0
    found = decide(plan(), at(8, retried=True), main, unscored_main=unscored)
    assert found.reasons[0].startswith(
        "2.0% of the cases got no answer, and 2.0% of the cases could not be scored by the judge, and 1 answer to "
        "other cases could not be scored by the judge; counted as wrong or as unchanged they would change the "
        "verdict, so the 96 scored cases do not settle it."
    )


# A judge that may not roll back.


def halves(judge_fell: int, metric_fell: int, n: int) -> dict[str, object]:
    """A headline of half a metric and half a judge, each with so many cases that fell to 0."""
    metric = Moments(np.full(CASES, float(n)), 0.5 * fallen(metric_fell, n).mean, np.zeros(CASES))
    whole = Moments(metric.n, metric.mean + 0.5 * fallen(judge_fell, n).mean, np.zeros(CASES))
    before = Moments(PERFECT.n, 0.5 * PERFECT.mean, PERFECT.var)
    return {"main": whole, "metrics_only": (before, metric)}


def test_a_judge_that_was_never_calibrated_raises_an_investigation_and_says_what_to_do():
    evidence = halves(judge_fell=20, metric_fell=0, n=2)
    assert decide(plan(), at(2), **evidence).stage is Stage.PENDING
    found = decide(plan(barred=BARRED), at(2), **evidence)
    assert (found.level, found.stage, found.next) == (Level.INVESTIGATE, Stage.FINAL, None)
    assert f"That would be a rollback, but {BARRED}, and the metrics beside it do not show" in found.reasons[1]
    assert "`heldout judge calibrate`" in found.reasons[1]
    alone = decide(plan(barred=BARRED), at(2), fallen(20, 2))
    assert "the headline has no metrics beside it" in alone.reasons[1]


def test_metrics_that_show_it_by_themselves_go_on_to_the_confirmation():
    found = decide(plan(barred=BARRED), at(2), **halves(judge_fell=20, metric_fell=20, n=2))
    assert (found.level, found.stage, found.wait) == (Level.INVESTIGATE, Stage.PENDING, Wait.CONFIRM)
    # 4 points of the drop are the metrics': surely more than 3, were it not for how few cases vary.
    assert decide(plan(barred=BARRED), at(2), **halves(20, 8, 2)).stage is Stage.FINAL


def test_metrics_that_missing_cases_could_excuse_do_not_roll_back():
    evidence = halves(judge_fell=20, metric_fell=10, n=2)
    before, metric = evidence["metrics_only"]
    assert decide(plan(barred=BARRED), at(2), **evidence).stage is Stage.PENDING
    n = metric.n.copy()
    n[5:45] = 0.0
    gappy = Moments(n, np.where(n > 0, metric.mean, 0.0), metric.var)
    assert decide(plan(barred=BARRED), at(2), **{**evidence, "metrics_only": (before, gappy)}).stage is Stage.FINAL
    assert decide(plan(barred=BARRED), at(2), **{**evidence, "metrics_only": (before, NOTHING)}).stage is Stage.FINAL


def test_one_baseline_answer_of_a_metric_does_not_roll_back():
    evidence = halves(judge_fell=20, metric_fell=40, n=2)
    before, metric = evidence["metrics_only"]
    single = Moments(np.ones(CASES), before.mean, before.var)
    assert decide(plan(barred=BARRED), at(2), **{**evidence, "metrics_only": (single, metric)}).stage is Stage.FINAL


def test_a_judge_that_lost_its_standing_meanwhile_confirms_no_rollback():
    evidence = {"confirm": fallen(20, 2), **halves(judge_fell=20, metric_fell=0, n=2)}
    assert decide(plan(), CONFIRM, **evidence).stage is Stage.CONFIRMED
    found = decide(plan(barred=BARRED), CONFIRM, **evidence)
    assert (found.level, found.stage) == (Level.INVESTIGATE, Stage.FINAL)
    assert BARRED in found.reasons[1]


def test_a_barred_judge_still_passes_and_investigates():
    assert decide(plan(barred=BARRED), at(2), fallen(0, 2)).level is Level.PASS
    found = decide(plan(barred=BARRED), at(8), fallen(3, 8))
    assert (found.level, found.stage) == (Level.INVESTIGATE, Stage.FINAL)
    assert not any("calibrate" in reason for reason in found.reasons)


# When all anchors are wanted.


def test_a_clear_week_and_a_stage_on_its_way_stand_on_a_part_of_the_anchors():
    assert not wants_all_anchors(decide(plan(), at(2), fallen(0, 2)))
    going_on = decide(plan(within=0.25), at(1), fallen(0, 1))
    assert going_on.wait is Wait.STAGE
    assert not wants_all_anchors(going_on)
    opened = plan(within=0.25, opened=Level.INVESTIGATE)
    under_an_alert = decide(opened, under(opened, 1), fallen(0, 1))
    assert (under_an_alert.level, under_an_alert.stage) == (Level.INVESTIGATE, Stage.WAITING)
    assert not wants_all_anchors(under_an_alert)


def test_an_alarm_wants_all_of_them():
    investigated = decide(plan(), at(8), fallen(3, 8))
    assert (investigated.level, investigated.stage) == (Level.INVESTIGATE, Stage.FINAL)
    pending = decide(plan(), at(2), fallen(15, 2))
    confirmed = decide(plan(), CONFIRM, fallen(15, 2), confirm=fallen(15, 2))
    fired = start()
    fired.fired[0] = True
    on_its_way = decide(plan(within=0.25), Progress(Phase.MAIN, 1, fired), fallen(4, 1))
    assert (on_its_way.wait, pending.stage, confirmed.stage) == (Wait.STAGE, Stage.PENDING, Stage.CONFIRMED)
    assert all(map(wants_all_anchors, (investigated, pending, confirmed, on_its_way)))
    # Where nobody waits, the same step comes without its wait.
    assert wants_all_anchors(replace(on_its_way, wait=None))


def test_numbers_that_settle_nothing_want_all_of_them():
    open_today = decide(plan(within=0.25), at(8), fallen(2, 8))
    assert (open_today.level, open_today.wait) == (Level.INCONCLUSIVE, Wait.DAY)
    stands = decide(plan(within=0.25), at(16, again=True), fallen(2, 16))
    assert (stands.level, stands.stage) == (Level.INCONCLUSIVE, Stage.FINAL)
    opened = plan(opened=Level.INVESTIGATE)
    still_open = decide(opened, under(opened, 8), fallen(3, 8))
    assert "stays open" in still_open.reasons[0]
    assert (still_open.level, still_open.stage) == (Level.INVESTIGATE, Stage.FINAL)
    assert all(map(wants_all_anchors, (open_today, stands, still_open)))


def test_a_week_that_was_not_measured_and_one_that_decides_nothing_want_none():
    halted = step(
        plan(), at(1), Evidence(PERFECT, NOTHING, NOTHING), Halt(HaltKind.OUTAGE, "nobody answers."), patient=True
    )
    opened = plan(opened=Level.ROLLBACK)
    only_shown = decide(opened, under(opened, 2), fallen(20, 2))
    assert only_shown.level is Level.ROLLBACK
    distrusted = untrusted(plan(), at(2), "x")
    assert not any(map(wants_all_anchors, (halted, only_shown, distrusted)))


# A judge that failed its canaries.


WHY = "The judge strict passed 15 of 20 answers known to be wrong; at baseline it passed 1."


def test_an_untrusted_judge_settles_nothing():
    found = untrusted(plan(), first(plan()), WHY)
    assert (found.level, found.stage, found.next, found.drop) == (Level.INCONCLUSIVE, Stage.FINAL, None, None)
    assert found.causes == (Cause(CauseKind.JUDGE, WHY),)
    assert found.reasons == (WHY,)
    opened = untrusted(plan(opened=Level.ROLLBACK), at(1), WHY)
    assert opened.level is Level.INCONCLUSIVE
    assert "The alert (rollback) from earlier weeks stays open." in opened.reasons


def test_what_had_fired_before_the_judge_failed_stands():
    fired = start()
    fired.fired[0] = True
    assert untrusted(plan(), Progress(Phase.MAIN, 4, fired), WHY).level is Level.INVESTIGATE
    pending = untrusted(plan(), CONFIRM, WHY)
    assert (pending.level, pending.stage) == (Level.INVESTIGATE, Stage.FINAL)
    assert pending.reasons == (WHY, words.NOT_CONFIRMED_UNMEASURED)
