"""The alert about judges: each change told once, again when it is another one, and read by someone who was woken."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from alerts.alert import Alert, Kind
from alerts.message import render
from alerts.route import route
from monitor.domain.judging import Away, Judged, JudgeSeen
from monitor.domain.verdict import Level
from monitor.judging.telling import of_judges
from tests.unit.store.rows import NOW, decided

WEEK = timedelta(days=7)
MODELS, NEWER = ("judge-2026-08", "judge-2026-11"), ("judge-2026-08", "judge-2026-12")
QUIET = JudgeSeen("strict", "tone", judged=1600, up=9, down=8, p=0.9, points=0.1, low=-0.3, high=0.5)
STRICTER = JudgeSeen("strict", "tone", judged=1600, up=12, down=71, moved=True, points=-2.6, low=-3.3, high=-1.9)
KINDER = replace(STRICTER, up=71, down=12, points=2.6, low=1.9, high=3.3, passes=0.31)
# A judge that nobody could ask.
UNSEEN = JudgeSeen("strict", "tone")


def judged(*judges, **more):
    return Judged(judges=judges, **more)


def verdict(number, said, level=Level.PASS):
    """The verdict of a week; its run is the week's own."""
    return decided(f"run-{number}", level, slot=NOW + number * WEEK, finished_at=NOW + number * WEEK, judged=said)


def told(*weeks):
    """What the last of these weeks tells, after those before it were stored."""
    *before, now = [verdict(number, said) for number, said in enumerate(weeks)]
    stored = [json.loads(json.dumps(one.as_json(), allow_nan=False)) for one in reversed(before)]
    return of_judges(lambda _: "alert-1", now, now.judged, stored, NOW)


def reasons(*weeks):
    return [reason for alert in told(*weeks) for reason in alert.reasons]


@pytest.mark.parametrize(
    ("before", "now", "news"),
    [
        ([], QUIET, 0),
        ([], UNSEEN, 0),
        ([], STRICTER, 1),
        ([QUIET], STRICTER, 1),
        ([STRICTER], STRICTER, 0),
        ([STRICTER], replace(STRICTER, points=-3.4), 0),
        ([STRICTER], QUIET, 0),
        # After a week that was fine, and when it changes its direction, it is another change.
        ([STRICTER, QUIET], STRICTER, 1),
        ([STRICTER], KINDER, 2),
        ([KINDER, STRICTER], KINDER, 2),
        # A week that could not look took nothing back.
        ([STRICTER, UNSEEN], STRICTER, 0),
        ([STRICTER, UNSEEN, UNSEEN], KINDER, 2),
        # Another model, though it says the same; then the same model says other things.
        ([QUIET], replace(QUIET, models=MODELS), 2),
        ([replace(QUIET, models=MODELS)], replace(QUIET, models=MODELS, points=-0.1), 0),
        ([replace(QUIET, models=MODELS)], replace(QUIET, models=NEWER), 2),
        ([replace(QUIET, models=MODELS)], replace(STRICTER, models=MODELS), 2),
        ([replace(QUIET, models=MODELS)], replace(KINDER, models=MODELS), 3),
        ([replace(STRICTER, models=MODELS)], replace(QUIET, models=MODELS), 0),
        ([STRICTER], replace(STRICTER, models=MODELS), 2),
        ([replace(UNSEEN, models=MODELS)], replace(UNSEEN, models=MODELS), 0),
        # Of another judge, and by another rubric, it is another's.
        ([STRICTER], replace(STRICTER, judge="kind"), 1),
        ([STRICTER], replace(STRICTER, rubric="summary"), 1),
    ],
)
def test_a_change_is_told_once(before, now, news):
    assert len(reasons(*(judged(one) for one in before), judged(now))) == news


def test_verdicts_without_judges_and_of_earlier_versions_know_nothing():
    assert len(reasons(judged(STRICTER), None, judged(STRICTER))) == 0
    now = verdict(1, judged(STRICTER))
    old = {name: value for name, value in decided().as_json().items() if name != "judge"}
    assert len(of_judges(lambda _: "alert-1", now, now.judged, [old], NOW)) == 1


def test_what_is_new_of_several_judges_is_one_alert():
    both = judged(STRICTER, replace(QUIET, judge="kind", models=MODELS), bridged=("summary",), unscored=0.041)
    (alert,) = told(judged(STRICTER), both)
    assert [reason.split(" ")[0] for reason in alert.reasons] == ["The", "By", "The", "4.1%"]
    assert "strict" not in " ".join(alert.reasons)


def test_a_new_epoch_is_told_once_a_run_and_anew_in_another():
    new = judged(QUIET, bridged=("tone",))
    assert len(reasons(judged(QUIET), new)) == 1
    assert len(reasons(new, new)) == 1
    # The next stage of the same run says so, too.
    now = verdict(1, new)
    assert of_judges(lambda _: "alert-1", now, new, [now.as_json()], NOW) == []


@pytest.mark.parametrize(
    ("shares", "news"),
    [
        ([0.02], 0),
        ([0.0201], 1),
        ([0.05, 0.04], 0),
        ([0.05, 0.01, 0.04], 1),
        ([0.05, None, 0.04], 0),
        ([None], 0),
    ],
)
def test_answers_without_a_score_are_told_when_they_become_more_than_2_in_100(shares, news):
    assert len(reasons(*(judged(QUIET, unscored=share) for share in shares))) == news


def test_what_someone_reads_at_night():
    (alert,) = told(judged(replace(KINDER, models=MODELS), unscored=0.041, unscored_reasons=(("cut off", 60),)))
    text = render(alert, mention="<!here>").text
    expected = [
        "🟣 JUDGE CHANGED: ft on support",
        "This is about what measures ft, not about ft itself: the verdict is pass.",
        "What it means: Scores from before it and from now are not comparable as they stand.",
        "Nobody has to get up for it.",
        "1. See what they make of the stored answers",
        "heldout judge check",
        "2. Where its provider has exchanged the model, name a dated version",
        "3. Have people label answers",
        "4. Replies cut off",
        "- The judge strict has changed: by tone it gives the answers of deployment 2.6 points more (95%",
        "- It lets pass 31% of what it took off then, so a real drop now shows as 69% of itself.",
        "- The provider of the judge strict now calls its model judge-2026-11 (at deployment: judge-2026-08).",
        "- 4.1% of the answers have no score of the judges; 60 of them: cut off.",
        "Alert: alert-1",
    ]
    places = [text.find(part) for part in expected]
    assert -1 not in places, text
    assert places == sorted(places)
    assert "cut: " not in text
    assert "<!here>" not in text


@pytest.mark.parametrize(
    ("said", "headline", "meaning", "absent"),
    [
        (judged(QUIET, bridged=("tone",)), "🟣 NEW JUDGES: ft on support", "not comparable", "name a dated version"),
        (
            judged(QUIET, unscored=0.5),
            "🟣 ANSWERS WITHOUT A SCORE: ft on support",
            "not left out by chance",
            "judge check",
        ),
        (judged(STRICTER), "🟣 JUDGE CHANGED: ft on support", "not comparable", "name a dated version"),
    ],
)
def test_only_what_helps_is_advised(said, headline, meaning, absent):
    (alert,) = told(said)
    text = render(alert).text
    assert text.splitlines()[0] == headline
    assert meaning in alert.meaning
    assert absent not in text


@pytest.mark.parametrize("level", Level)
def test_it_is_not_urgent_whatever_the_verdict_is_and_reaches_every_channel(level):
    now = verdict(0, judged(STRICTER), level)
    (alert,) = of_judges(lambda _: "alert-1", now, now.judged, [], NOW)
    assert (alert.kind, alert.urgent, alert.kind.low_priority) == (Kind.JUDGE, False, False)
    assert (alert.run, alert.slot, alert.verdict) == ("run-0", NOW, level.value)
    way = route(alert, ["slack", "email"], NOW)
    assert (way.channels, way.mention) == (("email", "slack"), False)


def test_what_a_model_wrote_is_text():
    hostile = "<!channel> <https://evil.example|here> `x` *b* \u202eevil @here"
    seen = replace(KINDER, models=("judge-1", hostile))
    (alert,) = told(judged(seen, unscored=0.5, unscored_reasons=((hostile, 3),)))
    assert Alert.from_json(json.loads(json.dumps(alert.to_json(), allow_nan=False))) == alert
    message = render(alert)
    for text in (message.text, json.dumps(message.blocks, ensure_ascii=False)):
        assert "<!channel>" not in text
        assert "<https://evil" not in text
        assert "\u202e" not in text
        assert "&lt;!channel&gt;" in text


def test_after_a_new_epoch_a_judge_of_the_same_name_is_told_of_anew():
    assert reasons(judged(STRICTER), judged(UNSEEN, bridged=("tone",)), judged(STRICTER))
    # Another rubric's epoch is none of this one's.
    assert not reasons(judged(STRICTER), judged(STRICTER, bridged=("summary",)), judged(STRICTER))


def test_a_judge_that_is_away_is_told_of_once_until_it_is_back():
    gone = judged(QUIET, away=(Away("b", "[judges.b]: the key was refused"),))
    (alert,) = told(gone)
    assert (alert.event, alert.kind) == ("A JUDGE IS AWAY", Kind.JUDGE)
    assert alert.reasons == (
        "The judge b could not be asked, and the panel decides without it: [judges.b]: the key was refused",
    )
    assert reasons(gone, gone) == []
    assert reasons(gone, judged(QUIET), gone) == list(alert.reasons)
    # Where no panel is left the verdict says so itself.
    assert reasons(replace(gone, usable=False)) == []
