"""A week's step and verdict are total: any answers give a decision, finite JSON, and an end after few stages."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor.decide.plan import prospect
from monitor.decide.transition import Decided, opened, transition
from monitor.decide.verdict import Facts, Seen, verdict
from monitor.decide.week import Evidence, Progress, WeekPlan, first, step, wants_all_anchors
from monitor.domain.run import Halt, HaltKind, Phase, Run, RunKind, RunState, Spend
from monitor.domain.verdict import Level, Stage, Thresholds, worst
from monitor.stats.contrast import Rejudged, combine, contrast
from monitor.stats.moments import Moments
from monitor.stats.paired import Correction
from monitor.stats.spec import Spec, unit_scale

NOW = datetime(2026, 11, 23, 6, 30, tzinfo=UTC)
SCORE = st.one_of(st.sampled_from([0.0, 1.0]), st.integers(0, 20).map(lambda n: n / 20))
HALT = st.one_of(st.none(), st.builds(Halt, st.sampled_from(HaltKind), st.just("it stopped.")))
MANY = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def scores(cases: int, most: int) -> st.SearchStrategy[Moments]:
    case = st.lists(SCORE, max_size=most)
    same = st.builds(lambda n, value: [[value] * n] * cases, st.integers(0, most), SCORE)
    return st.one_of(st.lists(case, min_size=cases, max_size=cases), same).map(Moments.of)


@st.composite
def weeks(draw: st.DrawFn) -> tuple[WeekPlan, Evidence]:
    cases = draw(st.sampled_from([1, 2, 3, 12, 40]))
    baseline = draw(scores(cases, 6))
    evidence = Evidence(baseline, draw(scores(cases, 16)), draw(scores(cases, 8)))
    if draw(st.booleans()):
        evidence = draw(judged(evidence))
    unit = draw(st.sampled_from(["points", "percent"]))
    mean = float(baseline.mean.mean())
    spec = Spec.from_thresholds(3, 5, unit_scale(unit, mean))
    within = draw(st.sampled_from([0.0, 0.02, 0.25, float("nan")]))
    cap = draw(st.sampled_from([1, 2, 8, 64]))
    alert = draw(st.sampled_from([None, Level.INVESTIGATE, Level.ROLLBACK]))
    barred = draw(st.sampled_from([None, "the judge strict was never calibrated"]))
    return WeekPlan(spec, within, 4, cap, unit, alert, barred=barred), evidence


@st.composite
def judged(draw: st.DrawFn, evidence: Evidence) -> Evidence:
    """The same answers with a judge: anchors of some cases, noise, people's labels, answers without a score."""
    cases, n0 = evidence.baseline.n.size, evidence.baseline.n
    floats = np.random.default_rng(draw(st.integers(0, 2**31))).uniform
    m = np.minimum(n0, draw(st.sampled_from([0, 1, 3, 9])) * (floats(size=cases) < draw(st.sampled_from([0.5, 1.0]))))
    several = np.where(m >= 2, 1.0, 0.0)
    again = Rejudged(m, floats(-0.3, 0.3, cases), several * floats(0, 0.3, cases), several * floats(0, 0.3, cases))
    baseline, correction = contrast(evidence.baseline, again)
    human = draw(st.sampled_from([None, Correction(np.full(cases, 0.02), np.full(cases, 0.01))]))
    noise = draw(st.sampled_from([None, floats(0, 0.1, cases)]))
    unscored = draw(st.sampled_from([None, np.floor(floats(0, 1.2, cases))]))
    return replace(
        evidence,
        baseline=baseline,
        correction=combine(correction, human),
        noise_main=noise,
        noise_confirm=noise,
        unscored_main=unscored,
        unscored_confirm=unscored,
        metrics_only=draw(st.sampled_from([None, (evidence.baseline, evidence.main)])),
    )


def facts(evidence: Evidence, unit: str) -> Facts:
    run = Run("r", "t", "s", RunKind.WEEK, RunState.RUNNING, "a", "b", NOW, slot=NOW)
    seen = Seen([("m", None, 3)], [(None, "fp", 2)])
    smallest = {"investigate": None, "rollback": float("nan")}
    score = float(evidence.main.mean.mean())
    return Facts(
        run,
        None,
        "t",
        Thresholds(3, 5, unit),
        smallest,
        score,
        float("nan"),
        {"exact_match": float("nan"), "f1": None},
        None,
        1,
        0,
        0,
        Spend(),
        [],
        seen,
        False,
        NOW,
    )


@MANY
@given(weeks(), HALT, st.booleans())
def test_any_week_ends_after_few_stages_in_finite_json(week, halt, patient):
    plan, evidence = week
    progress, stages = first(plan), 0
    while progress is not None:
        stages += 1
        assert stages <= 30
        taken = step(plan, progress, evidence, halt, patient=patient)
        said = verdict(facts(evidence, plan.unit), taken).as_json()
        text = json.dumps(said, allow_nan=False)
        assert "nan" not in text.lower().replace("unanswered", "")
        assert (taken.next is None) == (taken.wait is None) == (taken.stage in (Stage.FINAL, Stage.CONFIRMED))
        assert taken.reasons
        # Judging the rest and looking again changes nothing where there is no rest.
        assert wants_all_anchors(taken) == wants_all_anchors(step(plan, progress, evidence, halt, patient=patient))
        assert not (wants_all_anchors(taken) and (taken.causes or taken.level is Level.PASS))
        assert taken.level is not Level.ROLLBACK or plan.opened is Level.ROLLBACK or taken.stage is Stage.CONFIRMED
        assert taken.level is not Level.PASS or taken.clear
        progress = taken.next
        if progress is not None:
            stored = json.dumps(progress.as_json(), allow_nan=False)
            progress = Progress.from_json(json.loads(stored))
            assert progress.repeats <= 2 * plan.cap


@MANY
@given(weeks())
def test_more_answers_are_asked_only_up_to_the_cap_and_once_at_twice_that(week):
    plan, evidence = week
    progress, asked = first(plan), []
    while progress is not None:
        asked.append((progress.phase, progress.repeats, progress.again))
        progress = step(plan, progress, evidence, None, patient=True).next
    for phase in Phase:
        numbers = [repeats for at, repeats, again in asked if at is phase and not again]
        assert numbers == sorted(numbers)
        assert all(repeats <= plan.cap for repeats in numbers)
    assert [repeats for _, repeats, again in asked if again] in ([], [2 * plan.cap], [2 * plan.cap] * 2)


@MANY
@given(st.sampled_from([1, 2, 7, 30]).flatmap(lambda cases: scores(cases, 5)), st.sampled_from(["points", "percent"]))
def test_what_a_baseline_makes_possible_can_be_read_off_any_that_has_an_answer(baseline, unit):
    if not (baseline.n > 0).any():
        return
    found = prospect(baseline, Thresholds(3, 5, unit), None, None)
    assert 1 <= found.plan.cap <= 64
    assert found.cases == int((baseline.n > 0).sum())
    json.dumps(found.smallest, allow_nan=False)


LEVELS = st.lists(st.sampled_from(Level), max_size=6)


@given(LEVELS, LEVELS)
def test_the_worst_of_all_is_the_worst_of_the_worsts(one, other):
    if one and other:
        assert worst([*one, *other]) is worst([worst(one), worst(other)])
    assert worst([*one, Level.ROLLBACK]) is Level.ROLLBACK
    assert worst([*one, Level.PASS]).rank == max([0, *(level.rank for level in one)])


def test_the_order_of_worst():
    assert sorted(Level, key=lambda level: level.rank) == [
        Level.PASS,
        Level.INCONCLUSIVE,
        Level.INVESTIGATE,
        Level.ROLLBACK,
    ]
    assert worst([]) is Level.INCONCLUSIVE


DECIDED = st.builds(
    Decided,
    st.just(NOW),
    st.sampled_from(Level),
    st.sampled_from(Stage),
    st.booleans(),
    st.sampled_from([None, "provider", "budget", "no-baseline", "test-set", "judge"]),
)


@given(st.lists(DECIDED, max_size=6), st.lists(DECIDED, max_size=4), DECIDED)
def test_every_history_has_an_answer_and_a_bad_level_that_nobody_knows_of_is_told(past, earlier, new):
    told = transition(past, earlier, new)
    alert = opened(past)
    quiet = not any(d.level in (Level.INVESTIGATE, Level.ROLLBACK) for d in earlier)
    if new.level in (Level.INVESTIGATE, Level.ROLLBACK) and new.stage is Stage.FINAL and alert is None and quiet:
        assert told is not None
        assert told.kind.value == "worse"
    if new.stage is Stage.WAITING and new.measured:
        assert told is None


@pytest.mark.parametrize("cases", [1, 5])
def test_a_baseline_of_nothing_but_zeros_is_decided_too(cases):
    zero = Moments(np.full(cases, 4.0), np.zeros(cases), np.zeros(cases))
    plan = prospect(zero, Thresholds(3, 5, "percent"), 2, None).plan
    taken = step(plan, first(plan), Evidence(zero, zero, Moments.of([[]] * cases)), None, patient=True)
    assert taken.drop is not None
    assert taken.drop.points == 0.0
