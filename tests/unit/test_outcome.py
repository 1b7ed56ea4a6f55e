"""The end of a round: what a target's error does to the exit code, and that a mistake is raised after the rest."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from monitor import outcome
from monitor.config.faults import Fault
from monitor.rounds import Broken, Round, run_now
from monitor.store.database import DatabaseError
from monitor.suites.load import SuiteError
from monitor.targets.build import TargetConfigError
from tests.fakes.house import FakeModel, House


@pytest.fixture
async def house(tmp_path):
    built = House(tmp_path)
    built.channels = ()
    await built.collect()
    built.model = FakeModel()
    yield built
    built.close()


async def measured(house: House) -> Round:
    app = house.app()
    return await run_now(app, list(app.sites.values()))


DISK = Broken("a · s", DatabaseError("heldout.db: the disk is full"))
FILE = Broken("b · s", TargetConfigError("[targets.b] documents: no such folder"))
BUG = Broken("c · s", KeyError("a bug"))


@pytest.mark.parametrize(
    ("broken", "code"), [((), 0), ((DISK,), 1), ((FILE,), 2), ((DISK, FILE), 2)], ids=["none", "disk", "file", "both"]
)
async def test_an_error_is_in_the_exit_code_also_where_the_verdict_is_a_pass(house, broken, code):
    done = replace(await measured(house), broken=broken)
    assert [one.verdict.level.value for one in done.done] == ["pass"]
    assert outcome.code(done, as_verdict=False) == outcome.code(done, as_verdict=True) == code


async def test_a_verdict_that_is_bad_stays_one(house):
    house.model.wrong = frozenset(case.id for case in house.cases)
    done = replace(await measured(house), broken=(DISK,))
    assert (outcome.code(done, as_verdict=False), outcome.code(done, as_verdict=True)) == (1, 5)


async def test_what_is_explained_is_said_once_and_what_is_not_is_raised_after_the_rest(house, capsys):
    faults = SuiteError([Fault(house.folder / "x.jsonl", "not JSON", 3), Fault(house.folder / "x.jsonl", "no id", 4)])
    broken = (Broken("a · s", faults), Broken("b · s", faults), BUG)
    done = replace(await measured(house), broken=broken)
    with pytest.raises(KeyError, match="a bug") as raised:
        await outcome.tell(house.app(), done, as_json=True, following=None)
    assert raised.value.__notes__ == ["This happened with c · s; the other targets were measured."]
    said = capsys.readouterr()
    printed = json.loads(said.out)
    assert [one["verdict"] for one in printed["verdicts"]] == ["pass"]
    assert [one.startswith("a · s, b · s: ") for one in printed["failed"]] == [True]
    assert [said.err.count(reason) for reason in ("not JSON", "no id")] == [1, 1]


async def test_several_mistakes_are_all_raised(house):
    done = replace(await measured(house), broken=(BUG, Broken("d · s", ZeroDivisionError())))
    with pytest.raises(ExceptionGroup) as raised:
        await outcome.tell(house.app(), done, as_json=True, following=None)
    assert [type(one) for one in raised.value.exceptions] == [KeyError, ZeroDivisionError]
