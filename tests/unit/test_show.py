"""What people read holds no character that could move a terminal, whatever a model or a provider said."""

from __future__ import annotations

import json
import unicodedata
from dataclasses import replace

import pytest

from alerts.deliver import Tally
from monitor import show
from monitor.domain.verdict import (
    Cause,
    CauseKind,
    FallbackSeen,
    Interval,
    Level,
    ModelSeen,
    Stage,
    Thresholds,
    Verdict,
)
from monitor.domain.words import signed
from monitor.standing import Standing

HOSTILE = "\x1b[2J\x1b]0;owned\x07 \x9b31m \u202egnp.exe \u200b\ud800 \r\n ✓ PASS"
SAID = Verdict(
    "ft",
    "support",
    Level.INVESTIGATE,
    Stage.FINAL,
    (HOSTILE, "The drop is 4.0 points."),
    Thresholds(),
    (Cause(CauseKind.PROVIDER, HOSTILE),),
    score=0.85,
    baseline_score=0.89,
    drop=Interval(4.0, -0.04, 8.0, new_case_se=1.5),
    smallest_confirmable={"investigate": 3.0, "rollback": None},
    model=ModelSeen(HOSTILE, HOSTILE, HOSTILE),
    run="r-1",
)


def dangerous(text: str) -> list[str]:
    return [c for c in text if c != "\n" and unicodedata.category(c) in ("Cc", "Cf", "Cs")]


def stands(said: Verdict) -> Standing:
    return Standing(said.target, said.suite, said.level, said.as_json())


def test_texts_for_people_are_plain(capsys):
    show.verdict(SAID.as_json())
    show.gate(stands(SAID), as_json=False)
    show.status([stands(SAID)], [HOSTILE], None, as_json=False)
    show.delivered(Tally(problems=(HOSTILE,)))
    out, err = capsys.readouterr()
    assert "INVESTIGATE" in out
    assert dangerous(out) == dangerous(err) == []
    # What was said cannot begin a line of its own that looks like a verdict.
    assert not any(line.startswith("✓ PASS") for line in (out + err).splitlines())


def test_json_is_the_same_value_without_a_character_that_moves_a_terminal(capsys):
    show.json_out({"said": HOSTILE, "tag": "\U000e0041", "name": "Łódź ✓"})
    out = capsys.readouterr().out
    assert dangerous(out) == []
    assert json.loads(out) == {"said": HOSTILE, "tag": "\U000e0041", "name": "Łódź ✓"}
    assert "Łódź ✓" in out


def test_json_never_holds_nan():
    with pytest.raises(ValueError, match="not JSON compliant"):
        show.json_out({"score": float("nan")})


@pytest.mark.parametrize(("value", "shown"), [(4.04, "4.0"), (-0.04, "0.0"), (-2.0, "−2.0"), (0.0, "0.0")])
def test_numbers_have_a_real_minus_and_no_minus_zero(value, shown):
    assert signed(value) == shown


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"score": None, "baseline_score": None, "drop": None}, "No score."),
        ({"baseline_score": None, "drop": None}, "Score 85.0."),
        ({"drop": Interval(float("nan"), float("nan"), float("nan"))}, "Score 85.0, 89.0 at deployment."),
    ],
)
def test_what_is_unknown_is_left_out(change, text):
    assert show.scores(replace(SAID, **change).as_json()) == text


def test_the_drop_is_in_points_whatever_the_unit_of_the_thresholds():
    percent = replace(SAID, thresholds=Thresholds(3, 5, "percent"))
    assert "4.0 points" in show.scores(SAID.as_json())
    assert "4.0 points" in show.scores(percent.as_json())


def test_a_target_that_was_never_measured_has_its_line(capsys):
    never = replace(SAID, score=None, finished_at=None, stale=True, level=Level.INCONCLUSIVE)
    show.status([stands(never)], [], None, as_json=False)
    assert "never measured" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        (FallbackSeen("rag", True, Interval(3.9, 2.7, 5.1, 0.99), 8), "better by 3.9 points (2.7 to 5.1), ready"),
        (
            FallbackSeen("rag", False, Interval(-3.9, -5.1, 0.2, 0.99), 8, "it is worse."),
            "worse by 3.9 points (−0.2 to 5.1), not ready: it is worse.",
        ),
        (FallbackSeen("rag", False, None, 0, HOSTILE), "not ready: "),
        (FallbackSeen("rag", False, Interval(1.0, float("nan"), float("nan")), 1, "few."), "by 1.0 points, not ready"),
    ],
)
def test_a_fallback_is_one_line(capsys, seen, said):
    show.verdict(replace(SAID, reasons=(), fallback=seen).as_json())
    out = capsys.readouterr().out
    assert dangerous(out) == []
    (line,) = [one for one in out.splitlines() if "Fallback rag: " in one]
    assert said in line
