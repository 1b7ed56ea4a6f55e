"""What judges add to a week's evidence, and what a verdict says of them."""

from __future__ import annotations

import numpy as np
import pytest

from monitor import cycle
from monitor.domain.answer import Reply
from monitor.domain.run import Phase
from monitor.judging import evidence
from monitor.judging.account import account, unscored
from monitor.judging.session import Session
from monitor.setting import Setting, set_up
from tests.fakes.house import MONDAY
from tests.fakes.judged_house import Wordy, stricter
from tests.unit.judging.conftest import Court


async def week(court: Court, *, headline: str = "{ support_answer = 1.0 }", **judge: object) -> tuple[Session, Setting]:
    """A baseline of good answers, and the first look of a week in which `judge` has these attributes, recalled."""
    house = court.house
    house.judged_by("strict", headline=headline)
    await house.collect()
    house.clock.now = MONDAY
    house.model = Wordy(word="now", wrong=frozenset(f"case-{i:03}" for i in range(10)))
    for name, value in judge.items():
        setattr(house.judges["strict"], name, value)
    (done,) = (await house.due()).done
    app = house.app()
    site = app.sites["ft", "support"]
    setting = set_up(app, site, done.run)
    assert site.judging is not None
    session = Session(app.place, site.judging, site.grader, done.run, setting.baseline, setting.cases, "test")
    session.recall()
    return session, setting


async def test_the_baseline_is_as_todays_judge_sees_it(court):
    session, setting = await week(court, passes=stricter(0.25))
    assert setting.moments is not None
    found = evidence.judged(court.house.database, session, setting.moments)
    assert session.look.everything
    strict = stricter(0.25)
    now = [[strict(f"yes then {turn}", f"case-{i:03}") for turn in range(1, 5)] for i in range(40)]
    assert found.baseline.mean == pytest.approx(np.mean(now, axis=1))
    assert found.baseline.var == pytest.approx(np.var(now, axis=1, ddof=1))
    assert setting.moments.mean.tolist() == [1.0] * 40
    # All were judged again: nothing about them is left to chance.
    assert found.correction is not None
    assert found.correction.variance.tolist() == [0.0] * 40
    assert found.metrics_only is None


async def test_metrics_in_the_headline_are_kept_apart_from_what_judges_say(court):
    session, setting = await week(court, headline="{ exact_match = 0.5, support_answer = 0.5 }")
    assert setting.moments is not None
    found = evidence.judged(court.house.database, session, setting.moments)
    assert found.metrics_only is not None
    then, now = found.metrics_only
    # No answer is exactly "yes": the metric's half of the headline is 0 throughout.
    assert (then.mean.max(), now.mean.max()) == (0.0, 0.0)
    assert found.main.mean.tolist() == [0.0] * 10 + [0.5] * 30


async def test_without_anchors_the_evidence_is_that_of_the_answers_alone(court):
    session, setting = await week(court)
    session.looks[Phase.MAIN].today.clear()
    assert setting.moments is not None
    found = evidence.judged(court.house.database, session, setting.moments)
    assert found.baseline is setting.moments
    assert (found.correction, found.noise_main) == (None, None)


async def test_what_has_no_score_is_counted_with_the_commonest_reason_first(court):
    def says(answer: str, case: str) -> Reply | None:
        if "now" not in answer:
            return None
        refused = Reply("", "judge-1", finish_reason="refusal")
        return {"case-020": refused, "case-021": refused, "case-022": Reply("?", "judge-1")}.get(case)

    session, _ = await week(court, says=says)
    share, reasons = unscored(court.house.database, session, Phase.MAIN)
    answered = court.house.stored(session.run.id)
    assert share == pytest.approx(3 / 40 if answered == 40 else 6 / answered)
    assert reasons[0][0] == "the judge refused"
    assert unscored(court.house.database, session, Phase.CONFIRM) == (None, ())


async def test_a_look_that_was_cut_short_counts_only_what_was_asked(court):
    judge = court.house.judges["strict"]
    session, _ = await week(court, down=lambda case: any("now" in answer for _, answer in judge.asked[-8:]))
    share, _ = unscored(court.house.database, session, Phase.MAIN)
    assert share in (None, 0.0)


async def test_a_verdict_says_what_its_judges_took(court):
    session, setting = await week(court)
    app = court.house.app()
    found = cycle.gathered(app, app.sites["ft", "support"], session.run, setting, session)
    told = account(court.house.database, session, found=found)
    assert told.calls == len(court.asked()) - 160 - 80
    assert told.usd == pytest.approx(told.calls * 0.00048)
    assert (told.anchors, told.anchors_of, told.baseline_then, told.usable) == (160, 160, 1.0, True)
    assert [(one.judge, one.rubric, one.judged) for one in told.judges] == [("strict", "support_answer", 160)]
