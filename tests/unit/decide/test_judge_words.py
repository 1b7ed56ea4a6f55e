"""What a verdict says of its judges: what changed and by how much, the weightiest first."""

from __future__ import annotations

from dataclasses import replace

import pytest

from monitor.decide import judge_words
from monitor.domain.judging import Corrected, Judged, JudgeSeen

MODELS = ("judge-2026-08", "judge-2026-11")
STRICT = JudgeSeen("strict", "tone", judged=1600, up=12, down=71, p=1e-9, moved=True, points=-2.6, low=-3.3, high=-1.9)
LENIENT = replace(STRICT, up=71, down=12, points=2.6, low=1.9, high=3.3, passes=0.31)
FIGURES = "by tone it gives the answers of deployment 2.6 points"


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        (
            STRICT,
            [f"{FIGURES} fewer (95% interval −3.3 to −1.9) than it did then (12 of 1600 higher, 71 lower)."],
        ),
        (replace(STRICT, low=None, passes=0.1), [f"{FIGURES} fewer than it did then"]),
        (LENIENT, [f"{FIGURES} more (95% interval 1.9 to 3.3)", "lets pass 31% of what it took off then"]),
        (
            replace(LENIENT, models=MODELS),
            [FIGURES, "a real drop now shows as 69% of itself", "now calls its model judge-2026-11"],
        ),
        (replace(LENIENT, passes=1.0), [FIGURES, "so a real drop now shows as 0% of itself"]),
        (
            replace(STRICT, moved=False, models=MODELS),
            ["now calls its model judge-2026-11", "it gives the answers of deployment the same scores"],
        ),
        # Without answers that were judged both times nothing is said of the scores.
        (JudgeSeen("strict", "tone", models=MODELS), ["now calls its model judge-2026-11"]),
        (replace(STRICT, moved=False), []),
    ],
)  # fmt: skip
def test_a_change_each_by_itself(seen, said):
    found = judge_words.changes(seen)
    assert len(found) == len(said)
    for text, part in zip(found, said, strict=True):
        assert part in text
    assert judge_words.changed(seen) == " ".join(found)


def test_a_quiet_judge_is_not_spoken_of():
    assert judge_words.notes(Judged((replace(STRICT, moved=False),), unscored=0.02), []) == []


@pytest.mark.parametrize(("now", "said"), [(0.875, False), (0.87504, False), (0.874, True), (None, False)])
def test_a_baseline_that_scores_otherwise_today_is_explained(now, said):
    found = judge_words.notes(Judged(baseline_then=0.875), [], now)
    assert any("at deployment they gave the same baseline answers 87.5" in text for text in found) is said


def test_everything_at_once_in_its_order():
    untrusted = JudgeSeen("kind", "summary", untrusted="it passed 9 of 20 wrong answers")
    judged = Judged(
        (STRICT, untrusted),
        unscored=0.041,
        unscored_reasons=(("the reply was cut off", 60), ("refused", 2)),
        baseline_then=0.875,
        bridged=("groundedness",),
        corrected=(Corrected("tone", 0.81, 0.77, 0.85, 120),),
    )
    failures = [("judge_timeout", 5, "too slow"), ("judge_bad_reply", 2, "no JSON")]
    said = judge_words.notes(judged, failures, 0.85)
    expected = [
        FIGURES,
        "at deployment they gave the same baseline answers 87.5.",
        "The judges of groundedness, or the rubric itself, are new",
        "The judge kind cannot be trusted with summary now: it passed 9 of 20 wrong answers. summary has no score in",
        "4.1% of the answers have no score of the judges; 60 of them: the reply was cut off.",
        "Judges gave no reply to 7 of their questions (5 timeout, 2 bad reply); for one: too slow",
        "Corrected by what people said of 120 of these answers, tone scores 81.0 (95% interval 77.0 to 85.0).",
    ]
    assert len(said) == len(expected)
    for text, part in zip(said, expected, strict=True):
        assert part in text
    # Where nothing of theirs may reach the headline, the verdict itself says which judge it is.
    assert not [text for text in judge_words.notes(replace(judged, usable=False), []) if "cannot be trusted" in text]
