"""Weeks with a judge that changes, from the schedule to the outbox: who hears of it, and when."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from alerts.alert import Kind
from alerts.message import render
from monitor.domain.answer import ErrorKind, Reply, TargetError
from monitor.rounds import run_now
from monitor.telemetry.exposition import Telemetry
from tests.fakes.house import MONDAY, FakeModel, House
from tests.unit.telemetry.conftest import parsed

HOSTILE = "<!channel> \u202eevil </style><script>alert(1)</script>"


@pytest.fixture
async def house(tmp_path: Path) -> Iterator[House]:
    """A house on the Monday after its baseline, a part of whose answers the judge did not let pass."""
    built = House(tmp_path, cases=25)
    built.judged_by("strict")
    built.model = FakeModel(share=0.7)
    await built.collect()
    built.clock.now = MONDAY
    yield built
    built.close()


async def week(house: House) -> list[Kind]:
    """What is told of one week."""
    before, monday = len(house.told), house.clock.now
    for _ in range(3):
        await house.due()
        house.clock.move(days=2)
    house.clock.now = monday + timedelta(days=7)
    return [one.kind for one in house.told[before:]]


async def test_a_judge_that_becomes_lenient_is_told_once_and_again_when_it_turns(house):
    assert Kind.JUDGE not in await week(house)
    strict = house.judges["strict"]
    strict.passes = lambda answer, case: True
    # A run on demand sees it and tells nobody, so that the week still does.
    app = house.app()
    await run_now(app, list(app.sites.values()))
    assert house.said[-1]["judge"]["judges"][0]["changed"]
    assert (await week(house)).count(Kind.JUDGE) == 1
    (told,) = [one for one in house.told if one.kind is Kind.JUDGE]
    assert "100% of what it took off then, so a real drop now shows as 0% of itself" in render(told).text
    # The same the week after; and a week in which it cannot be asked takes nothing back.
    assert Kind.JUDGE not in await week(house)
    strict.down, strict.error = lambda case: True, TargetError(ErrorKind.AUTHENTICATION, "no such key", fatal=True)
    assert Kind.JUDGE not in await week(house)
    assert house.said[-1]["judge"]["watched"] is False
    strict.down = lambda case: False
    assert Kind.JUDGE not in await week(house)
    # Fine for a week, it may change anew.
    strict.passes = lambda answer, case: "yes" in answer
    assert Kind.JUDGE not in await week(house)
    strict.passes = lambda answer, case: True
    assert Kind.JUDGE in await week(house)


async def test_what_a_judge_wrote_reaches_people_as_text_alone(house):
    strict = house.judges["strict"]
    strict.says = lambda answer, case: Reply(HOSTILE, HOSTILE, finish_reason="stop") if "no" in answer else None
    await week(house)
    (told, *_) = [one for one in house.told if one.kind is Kind.JUDGE]
    text = render(told).text
    assert "of the answers have no score of the judges" in text
    assert "<!channel>" not in text
    assert "\u202e" not in text
    page = Telemetry(house.database, lambda: house.config, house.clock).render()
    assert parsed(page)["heldout_judge_unscored_ratio{target=ft, suite=support}"] > 0.02
