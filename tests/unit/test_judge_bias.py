"""The bias report reads what runs have stored: each judge's newest judgement of each answer, and asks nobody."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from monitor import families, judge_bias
from monitor.domain.answer import Reply
from monitor.domain.case import Case
from tests.fakes.house import House
from tests.fakes.judged_house import Wordy, at_once, forget, judged_house, pinned

CASES = 30


class Rambling(Wordy):
    """Every second answer is long."""

    def reply(self, case: Case) -> Reply:
        said = super().reply(case)
        return replace(said, text=said.text + " at length" * (20 * (self.turns[case.id] % 2)))


@pytest.fixture
def house(tmp_path: Path):
    built = judged_house(tmp_path, cases=CASES)
    built.model = Rambling()
    yield built
    built.close()


def look(house: House) -> list[judge_bias.OfRubric]:
    app = house.app()
    return judge_bias.look(app, list(app.sites.values()))


async def test_a_judge_that_likes_long_answers_is_seen(house):
    assert look(house) == []
    house.judges["strict"].passes = lambda answer, case: len(answer) > 100 or answer.startswith("It")
    await pinned(house)
    await at_once(house)
    forget(house)
    (one,) = look(house)
    assert (one.rubric, one.targets) == ("support_answer", ("ft",))
    effect = one.report.length["panel"]
    assert effect.visible
    assert effect.estimate.value > 0.1
    assert one.judgements >= 4 * CASES  # canaries apart
    assert house.judges["strict"].asked == []
    json.dumps([one.as_json()], allow_nan=False)


async def test_a_fair_judge_shows_no_effect_of_length(house):
    await pinned(house)
    (one,) = look(house)
    assert not one.report.length["panel"].visible
    assert one.judgements == 4 * CASES


def test_a_family_is_known_by_the_model(house):
    house.keys["judges"] = house.keys["judges"].replace("judge-1", "gpt-5-mini")
    app = house.app()
    site = app.sites["ft", "support"]
    assert families.of_judge(app.config, "strict") == "openai"
    assert families.of_site(app.config, replace(site, requested_model=None)) == "unknown"
    assert families.of_site(app.config, replace(site, requested_model="claude-haiku-4-5")) == "anthropic"
