"""What people said of answers: whose score counts, which answers it is about, and when it corrects a drop."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from judges.vote import Verdict
from monitor import cycle
from monitor.domain.run import Phase
from monitor.judging.people import answer_hash, correction, human_scores, of_baseline, of_run
from monitor.judging.session import Session
from monitor.setting import set_up
from monitor.store import calibrations
from monitor.store.calibrations import StoredLabel
from tests.fakes.house import MONDAY
from tests.fakes.judged_house import Wordy
from tests.unit.judging.conftest import Court

WHEN = datetime(2026, 11, 20, tzinfo=UTC)


def label(
    case: str, text: str, by: str, criterion: str = "", verdict: Verdict | None = None, value: float | None = None
):
    return StoredLabel("support", "support_answer", case, answer_hash(text), criterion, verdict, value, by, WHEN)


def verdicts(court: Court, by: str, met: int, text: str = "yes") -> list[StoredLabel]:
    """A person's verdicts on all criteria, of which the first `met` are met."""
    return [
        label("case-000", text, by, one.id, Verdict.MET if i < met else Verdict.NOT_MET)
        for i, one in enumerate(court.scorer.rubric.criteria)
    ]


def test_line_ends_do_not_make_another_answer():
    assert answer_hash("one\r\ntwo") == answer_hash("one\ntwo") != answer_hash("one two")


def test_a_persons_score_is_the_whole_or_what_the_rubric_makes_of_all_verdicts(court):
    rubric = court.scorer.rubric
    key = ("case-000", answer_hash("yes"))
    assert human_scores(verdicts(court, "ada", len(rubric.criteria)), rubric) == {key: 1.0}
    # The first criterion is required.
    assert human_scores(verdicts(court, "ada", 0), rubric) == {key: 0.0}
    # The whole goes before the parts, and several people count alike.
    both = [
        *verdicts(court, "ada", 0),
        label("case-000", "yes", "ada", value=0.5),
        label("case-000", "yes", "bob", value=1.0),
    ]
    assert human_scores(both, rubric) == {key: 0.75}
    # Who left out a criterion has not scored the answer.
    assert human_scores(verdicts(court, "ada", 5)[:-1], rubric) == {}
    assert human_scores([], rubric) == {}


async def judged_week(court: Court) -> Session:
    """A baseline and a week's own answers, all judged, as a session that has taken them up."""
    house = court.house
    await house.collect()
    house.clock.now = MONDAY
    house.model = Wordy(word="now")
    house.judges["strict"].passes = lambda answer, case: (
        answer.startswith("yes") or answer.endswith(f" {int(case[-3:])}.")
    )
    (done,) = (await house.due()).done
    app = house.app()
    site = app.sites["ft", "support"]
    setting = set_up(app, site, done.run)
    assert site.judging is not None
    session = Session(app.place, site.judging, site.grader, done.run, setting.baseline, setting.cases, "test")
    session.recall()
    return session


def tell(court: Court, of_then: int, of_now: int, human_now: float) -> None:
    """People's scores: of so many answers of deployment, all right, and of so many of now."""
    then = [label(f"case-{i:03}", "yes then 1", "ada", value=1.0) for i in range(of_then)]
    now = [label(f"case-{i:03}", "yes now 1", "ada", value=human_now) for i in range(of_now)]
    with court.house.database.write() as connection:
        calibrations.add_labels(connection, [*then, *now, label("case-999", "yes then 1", "ada", value=0.0)])


async def test_labels_meet_the_answers_they_are_about(court):
    session = await judged_week(court)
    tell(court, 3, 5, 0.0)
    database, look = court.house.database, session.look
    then = of_baseline(database, session, look, court.scorer)
    now = of_run(database, session, look, court.scorer, Phase.MAIN)
    assert [(one.human, one.judge) for one in then] == [(1.0, 1.0)] * 3
    assert [(one.human, one.judge) for one in now] == [(0.0, 1.0)] * 5


@pytest.mark.parametrize(("then", "now", "corrects"), [(30, 30, True), (29, 40, False), (40, 29, False)])
async def test_they_correct_a_drop_only_with_enough_on_both_sides(court, then, now, corrects):
    session = await judged_week(court)
    tell(court, then, now, 0.5)
    found = correction(court.house.database, session, session.look, Phase.MAIN)
    assert (found is not None) is corrects
    if found is not None:
        # People see half of what the judge lets pass now: the baseline is half a point higher beside it.
        assert found.shift.tolist() == [0.5] * 40


async def test_the_verdict_shows_the_corrected_score(court):
    session = await judged_week(court)
    tell(court, 0, 40, 0.5)
    app = court.house.app()
    setting = set_up(app, app.sites["ft", "support"], session.run)
    _, judged = cycle.recalled(app, app.sites["ft", "support"], session.run, setting)
    assert judged is not None
    (one,) = judged.corrected
    assert (one.rubric, one.labels) == ("support_answer", 40)
    assert one.score == pytest.approx(0.5)
    assert one.low <= 0.5 <= one.high
    with court.house.database.read() as connection:
        from monitor.store import answers

        assert len(answers.stored(connection, session.run.id, Phase.MAIN)) == 40
