"""What people read of judges: nothing a model or provider said moves a terminal, and answers stay out unless wanted."""

from __future__ import annotations

import json
import unicodedata

import pytest

from judges.agreement import Calibration
from judges.calibration import calibrate
from judges.labels import Label
from judges.pairs import Judged
from judges.rubric import Criterion, Rubric
from judges.vote import Verdict
from monitor import show_calibration, show_judge
from monitor.domain.judging import JudgeSeen
from monitor.domain.run import Halt, HaltKind
from monitor.judge_bridge import Bridge, Contrast, OfRubric
from monitor.judge_calibrate import Calibrated, OfPanel
from monitor.judge_check import Checked, JudgeCheck
from monitor.judge_run import JudgeOffer
from monitor.judging.forecast import NOTHING, Cost

HOSTILE = "\x1b[2J\x1b]0;owned\x07 \x9b31m \u202egnp.exe \u200b\ud800 \r\n ✓ fine"
RUBRIC = Rubric("support", "1", "", (Criterion("correct", "Is it correct?"),))


def dangerous(text: str) -> list[str]:
    return [c for c in text if c != "\n" and unicodedata.category(c) in ("Cc", "Cf", "Cs")]


def said(capsys: pytest.CaptureFixture[str]) -> str:
    """Standard output in one line, wherever it was wrapped."""
    out = capsys.readouterr().out
    assert dangerous(out) == []
    return " ".join(out.split())


def checked(**seen: object) -> JudgeCheck:
    one = Checked(JudgeSeen("strict", "support", **seen), ("judge-1",), ("judge-1",))  # type: ignore[arg-type]
    return JudgeCheck("ft", "support", "r-1", (one,), 120, 0.004)


def agreed(answers: int = 40, wrong: int = 6) -> Calibration:
    """Both sides on so many answers; on the first `wrong` of them the judge errs."""
    labels = [Label("support", f"c{i}", f"{HOSTILE} {i}", None, float(i % 2)) for i in range(answers)]
    judged = {
        (one.case, one.answer): Judged(
            {"correct": Verdict.MET}, float(one.value) if i >= wrong else 1.0 - float(one.value)
        )
        for i, one in enumerate(labels)
    }
    return calibrate(labels, judged, RUBRIC, 1)


def calibrated(barred: str | None = None) -> Calibrated:
    of_panel = OfPanel("support", "support@1", agreed(), {"a": agreed(wrong=0), "b": agreed()}, 2, True)
    return Calibrated("s", (of_panel,), barred, 0.4, 3, 0.02)


def test_a_judge_that_stayed_and_one_that_moved(capsys):
    numbers = {"judged": 160, "points": 0.0, "low": -1.0, "high": 1.0, "p": 1.0}
    show_judge.checked([checked(**numbers)], as_json=False)
    text = said(capsys)
    assert "✓ strict with support: its verdicts on known answers and on the answers of deployment hold." in text
    assert "120 calls, less than 0.01 USD. Run r-1." in text
    assert "No alert" not in text
    moved = numbers | {"points": -12.5, "low": -16.0, "high": -9.0, "down": 20, "p": 2e-6, "moved": True}
    show_judge.checked([checked(**moved)], as_json=False)
    text = said(capsys)
    assert "! strict with support has changed." in text
    assert "It gives 160 stored answers 12.5 points fewer (95% interval −16.0 to −9.0)" in text
    assert "20 lower (12.5% differ; sign test p = 2e-06)" in text
    assert "No alert is raised by this" in text
    show_judge.checked([checked(**numbers, models=("judge-1", "judge-2"))], as_json=False)
    assert "! strict with support: another model answers now; as far as can be told, its verdicts hold." in said(capsys)


def test_what_models_and_providers_say_moves_no_terminal(capsys):
    one = Checked(JudgeSeen("strict", "support", untrusted=HOSTILE), (HOSTILE,), (HOSTILE, "x"), HOSTILE)
    check = JudgeCheck("ft", "support", "r-1", (one,), 1, None, Halt(HaltKind.FATAL, HOSTILE))
    for as_json in (False, True):
        show_judge.checked([check], as_json=as_json)
        said(capsys)
    show_judge.bridged(Bridge("ft", "s", (OfRubric("support", 3, (), (HOSTILE,)),)), as_json=False)
    said(capsys)
    show_calibration.calibrated(calibrated(HOSTILE), as_json=False, show_cases=True)
    said(capsys)


def test_an_offer_is_said_on_standard_error(capsys):
    parts = (("answers", Cost(10, 30, 1.25)), ("canaries", Cost(80, 240, 0.25)), ("nothing", NOTHING))
    show_judge.offer(JudgeOffer("Checking", parts))
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Checking takes up to 270 calls of judges, for about 1.50 USD:" in captured.err
    show_judge.offer(JudgeOffer("Checking", (("answers", Cost(10, 30, None)),)))
    assert "for an unknown sum (no price)" in capsys.readouterr().err


def test_a_bridge_tells_what_new_judges_changed(capsys):
    contrast = Contrast("support@1", 96, 0.9, 0.7, -20.0, None, None, 1, 20)
    found = Bridge("ft", "s", (OfRubric("support", 96, (contrast,), ()), OfRubric("tone", 5, (), ())), 101, 1.5)
    show_judge.bridged(found, as_json=False)
    text = said(capsys)
    assert "have judged the answers of deployment; 101 calls, 1.50 USD" in text
    assert "score 70.0 by today's judges and 90.0 by those before them: −20.0 points, 1 higher and 20 lower." in text
    assert "tone: 5 answers; no earlier judge had scored them." in text


def test_agreement_is_told_in_numbers_and_cases_by_their_ids(capsys):
    show_calibration.calibrated(calibrated(), as_json=False, show_cases=False)
    out = capsys.readouterr().out
    text = " ".join(out.split())
    assert "support, by the panel:" in text
    assert "the whole answer: 40 labels of 40 cases, 85% (95% interval 71 to 93) the same; kappa 0.70" in text
    assert "They disagree on c0, c1, c2, c3, c4, c5." in text
    assert "✓ fine" not in text
    # The table stays a table.
    table = [line.split() for line in out.splitlines() if line.strip().startswith(("people \\", "pass ", "fail "))]
    assert table == [["people", "\\", "judge", "pass", "fail"], ["pass", "17", "3"], ["fail", "3", "17"]]
    assert "a alone: kappa 1.00" in text
    assert "2 labelled answers not among the stored ones" in text
    assert "A rollback may rest on these judges (kappa is at least 0.4)." in text
    show_calibration.calibrated(calibrated("never"), as_json=False, show_cases=True)
    text = said(capsys)
    assert "c0: people 0.00, judge 1.00:" in text
    assert "✓ fine" in text
    assert "No rollback may rest on the judges alone: never." in text


def test_json_holds_answers_only_where_they_are_wanted(capsys):
    for show_cases in (False, True):
        show_calibration.calibrated(calibrated(), as_json=True, show_cases=show_cases)
        found = json.loads(capsys.readouterr().out)
        assert found["schema"] == 1
        overall = found["rubrics"][0]["panel"]["overall"]
        assert [("answer" in one) for one in overall["disagreements"]] == [show_cases] * 6
        assert found["rollback_barred"] is None
