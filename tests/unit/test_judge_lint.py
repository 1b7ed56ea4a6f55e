"""Lint beside a suite: what texts decide, and what judges said of expected outputs when a baseline was collected."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from judges.rubric_file import RubricError, bundled_names
from judges.vote import Verdict
from monitor import judge_lint
from monitor.domain.answer import Reply
from tests.fakes.judged_house import judged_house

GREETING = """
name = "polite"
version = "1"
description = "Replies that begin with a greeting."
[[criteria]]
id = "greets"
question = "Does the answer open with a greeting?"
"""
SCALE = GREETING.replace("Does the answer open with a greeting?", "How good is the answer on a scale of 1 to 5?")


def test_bundled_rubrics_have_nothing_to_mend():
    for name, written in judge_lint.find(bundled_names()):
        assert judge_lint.look(name, written).findings == ()


def test_a_scale_is_refused_with_a_place_and_a_better_wording(tmp_path):
    (tmp_path / "polite.toml").write_text(SCALE)
    ((name, written),) = judge_lint.find([str(tmp_path / "polite.toml")])
    found = judge_lint.look(name, written)
    assert found.refused
    assert str(found.findings[0]).startswith(f"{name}: criteria[1] (greets): refuse: ")
    assert json.loads(json.dumps(found.as_json()))["findings"][0]["rule"] == "scale"


def test_all_that_cannot_be_read_is_told_at_once():
    with pytest.raises(RubricError) as caught:
        judge_lint.find(["support_answr", "nowhere/mine.toml", "tone"])
    first, second = caught.value.faults
    assert "did you mean support_answer?" in str(first)
    assert str(second).startswith("nowhere/mine.toml: there is no such file")


def test_a_suite_shows_what_its_expected_outputs_lack(tmp_path):
    house = judged_house(tmp_path, cases=4)
    (tmp_path / "polite.toml").write_text(GREETING)
    lines = [json.dumps(case.as_json()) for case in house.cases]
    (tmp_path / "support.jsonl").write_text("\n".join(lines))
    ((name, written),) = judge_lint.find([str(tmp_path / "polite.toml")])
    assert judge_lint.look(name, written).findings == ()
    references = judge_lint.References.of(house.config, "support", None)
    (finding,) = judge_lint.look(name, written, [references]).findings
    assert "100% of the reference answers lack a greeting" in finding.reason
    house.close()


@pytest.fixture
def picky(tmp_path: Path):
    """A baseline of which the judge found that no expected output, nor anything else, is upfront."""
    house = judged_house(tmp_path, cases=24)

    def says(answer: str, case: str) -> Reply:
        verdict = Verdict.MET if house.judges["strict"].passes(answer, case) else Verdict.NOT_MET
        votes = dict.fromkeys(("correct", "compatible", "covers_all", "upfront", "same_language"), verdict)
        votes["upfront"] = Verdict.NOT_MET
        text = {criterion: {"evidence": "", "verdict": vote} for criterion, vote in votes.items()}
        return Reply(json.dumps(text), "judge-1", input_tokens=1, output_tokens=1)

    house.judges["strict"].says = says
    (tmp_path / "support.jsonl").write_text("\n".join(json.dumps(case.as_json()) for case in house.cases))
    yield house
    house.close()


async def test_what_judges_said_of_expected_outputs_is_asked_of_nobody_again(picky):
    await picky.collect()
    asked = len(picky.judges["strict"].asked)
    references = judge_lint.References.of(picky.config, "support", picky.database)
    ((name, written),) = judge_lint.configured(picky.config, ["support"])["support"]
    (finding,) = judge_lint.look(name, written, [references]).findings
    assert (finding.place, finding.level.value) == ("criteria[4] (upfront)", "refuse")
    assert "100% of the reference answers were judged not to meet it" in finding.reason
    assert len(picky.judges["strict"].asked) == asked


async def test_few_verdicts_or_changed_cases_say_nothing(picky):
    await picky.collect()
    ((name, written),) = judge_lint.configured(picky.config, ["support"])["support"]
    few = judge_lint.References.of(picky.config, "support", picky.database)
    few.cases = dict(list(few.cases.items())[: judge_lint.FEWEST - 1])
    assert judge_lint.look(name, written, [few]).findings == ()
