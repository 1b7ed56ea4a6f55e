"""Labels of people beside judges: exported, filled in, compared, stored, and what a rollback may rest on then."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from judges.labels import LabelError
from monitor import judge_calibrate, judge_export, judge_run, setting
from monitor.collect import DeclinedError
from monitor.domain.run import RunKind
from monitor.judge_calibrate import Calibrated, Labels
from monitor.judge_export import Exported, Wanted
from monitor.judge_run import JudgeError, JudgeOffer
from monitor.store import audit, calibrations
from tests.fakes.house import House
from tests.fakes.judged_house import at_once, forget, judged_house, lenient, pinned, right

CASES = 24
WRONG = frozenset(f"case-{i:03}" for i in range(12))


@pytest.fixture
def house(tmp_path: Path):
    """Half of the answers are wrong, and the judge passes some of these."""
    built = judged_house(tmp_path, cases=CASES)
    built.model.wrong = WRONG
    built.judges["strict"].passes = lenient(0.3)
    yield built
    built.close()


async def calibrate(house: House, path: Path, agree: Callable[[JudgeOffer], bool] = lambda offer: True) -> Calibrated:
    app = house.app()
    return await judge_calibrate.calibrate(app, app.sites["ft", "support"], Labels(path), agree, "ada")


def export(house: House, path: Path, count: int = 60, *, criteria: bool = False) -> Exported:
    app = house.app()
    site = app.sites["ft", "support"]
    baseline = judge_run.pinned(app, site)
    assert baseline is not None
    return judge_export.export(app, site, baseline, path, Wanted(count, criteria=criteria))


def filled(path: Path, label: Callable[[dict[str, str]], str]) -> Path:
    """The same file as people hand it back."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    done = path.with_name(f"{path.stem}-done.csv")
    with done.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(row | {"label": label(row), "by": "bob"} for row in rows)
    return done


def honest(row: dict[str, str]) -> str:
    return "met" if right(row["answer"], row["case"]) else "not_met"


def barred(house: House) -> str | None:
    app = house.app()
    return setting.barred(app, app.sites["ft", "support"])


async def test_what_is_exported_and_filled_in_decides_what_rests_on_the_judge(house, tmp_path):
    await pinned(house)
    house.model.wrong = WRONG
    await at_once(house)
    forget(house)
    written = export(house, tmp_path / "l.csv")
    assert (written.rows, written.answers, written.of_baseline, written.of_run) == (60, 60, 30, 30)
    assert "never compared" in (barred(house) or "")

    found = await calibrate(house, filled(tmp_path / "l.csv", honest))
    (one,) = found.rubrics
    assert (one.panel.overall.labels, one.unknown, one.judges, one.in_headline) == (60, 0, {}, True)
    assert house.judges["strict"].asked == []  # all of them were judged before
    assert found.calls == 0
    wrongly = len(one.panel.overall.disagreements)
    assert one.panel.overall.confusion.categories == ("pass", "fail")
    assert one.panel.overall.confusion.counts[1][0] == wrongly > 0
    assert one.panel.overall.confusion.counts[0][1] == 0
    assert found.barred is None
    assert barred(house) is None

    with house.database.read() as connection:
        stored = calibrations.newest(connection, "support", one.scorer)
        labels = calibrations.labels(connection, "support", "support_answer")
    assert stored is not None
    assert (stored.kappa, stored.labels, stored.calibrated_by) == (one.panel.kappa, 60, "ada")
    assert stored.payload == json.loads(json.dumps(one.panel.as_json(), allow_nan=False))
    assert {(label.value, label.labelled_by) for label in labels} == {(1.0, "bob"), (0.0, "bob")}
    # The same file again replaces its labels.
    await calibrate(house, tmp_path / "l-done.csv")
    with house.database.read() as connection:
        assert len(calibrations.labels(connection, "support", "support_answer")) == 60


async def test_a_judge_that_disagrees_with_people_bars_a_rollback(house, tmp_path):
    await pinned(house)
    export(house, tmp_path / "l.csv")
    found = await calibrate(house, filled(tmp_path / "l.csv", lambda row: "met" if len(row["case"]) % 2 else "not_met"))
    assert "with people" in (found.barred or "")
    assert found.barred == barred(house)


async def test_without_a_newer_run_all_are_of_deployment_and_half_of_them_fail(house, tmp_path):
    await pinned(house)
    written = export(house, tmp_path / "l.csv", 20)
    assert (written.of_baseline, written.of_run, written.run) == (20, 0, None)
    with (tmp_path / "l.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["rubric", "case", "input", "reference", "answer", "criterion", "question", "label", "by"]
    assert sum(lenient(0.3)(row["answer"], row["case"]) for row in rows) == 10
    assert rows[0]["input"].startswith("Is ")
    with pytest.raises(JudgeError, match="exists already"):
        export(house, tmp_path / "l.csv", 20)


async def test_criteria_are_labelled_one_by_one_also_in_json_lines(house, tmp_path):
    await pinned(house)
    export(house, tmp_path / "l.jsonl", 20, criteria=True)
    rows = [json.loads(line) for line in (tmp_path / "l.jsonl").read_text().splitlines()]
    assert len(rows) == 100
    assert (
        "(not_applicable unless a single reference"
        in next(r for r in rows if r["criterion"] == "covers_all")["question"]
    )
    done = tmp_path / "done.jsonl"
    done.write_text("\n".join(json.dumps(row | {"label": honest(row), "by": "bob"}) for row in rows))
    (one,) = (await calibrate(house, done)).rubrics
    assert (one.panel.overall.labels, one.panel.criteria["correct"].labels) == (20, 20)


async def test_what_no_judge_has_judged_is_judged_now_and_paid_by_a_run(house, tmp_path):
    await pinned(house)
    path = tmp_path / "l.jsonl"
    labels = [("case-020", "yes by hand", "met"), ("case-000", "no by hand", "not_met"), ("case-001", "", "not_met")]
    path.write_text("\n".join(json.dumps({"case": c, "answer": a, "label": label}) for c, a, label in labels))
    with pytest.raises(DeclinedError):
        await calibrate(house, path, lambda offer: False)
    offers: list[JudgeOffer] = []
    found = await calibrate(house, path, lambda offer: offers.append(offer) or True)
    # An empty answer needs no judge.
    assert sorted(house.judges["strict"].asked) == [("case-000", "no by hand"), ("case-020", "yes by hand")]
    assert (offers[0].cost.calls, found.calls, found.rubrics[0].unknown) == (2, 2, 3)
    assert found.rubrics[0].panel.overall.labels == 3
    assert [run.kind for run in house.runs][-1] is RunKind.JUDGE
    assert (await calibrate(house, path)).calls == 0


async def test_of_a_panel_every_judge_is_asked_and_set_beside_people(house, tmp_path):
    house.judged_by("a", "b", "c")
    for judge in house.judges.values():
        judge.passes = right
    house.judges["c"].passes = lambda answer, case: not right(answer, case)
    await pinned(house)
    export(house, tmp_path / "l.csv", 40)
    found = await calibrate(house, filled(tmp_path / "l.csv", honest))
    (one,) = found.rubrics
    kappas = {name: alone.overall.kappa.value for name, alone in one.judges.items()}
    assert kappas == {"a": 1.0, "b": 1.0, "c": pytest.approx(-1.0)}
    assert one.panel.overall.kappa.value == 1.0
    with house.database.read() as connection:
        assert calibrations.newest(connection, "support", one.scorer, "c") is not None


async def test_a_case_that_the_suite_does_not_have_is_named_with_its_line(house, tmp_path):
    await pinned(house)
    path = tmp_path / "l.csv"
    path.write_text("case,answer,label\ncase-0001,yes,met\ncase-001,yes,met\nnothing,yes,met\n")
    with pytest.raises(LabelError) as caught:
        await calibrate(house, path)
    first, second = caught.value.faults
    assert first == f"{path}:2: case: the suite support has no case 'case-0001'; did you mean \"case-001\"?"
    assert second == f"{path}:4: case: the suite support has no case 'nothing'"


async def test_nothing_is_exported_where_nothing_has_a_score(house, tmp_path):
    await pinned(house)
    house.judged_by("other")
    house.judges["other"].model = "judge-9"
    house.judged_by("other")
    with pytest.raises(JudgeError, match="heldout judge bridge ft support"):
        export(house, tmp_path / "l.csv")


async def test_labels_too_few_for_a_kappa_replace_none(house, tmp_path):
    await pinned(house)
    house.model.wrong = WRONG
    await at_once(house)
    export(house, tmp_path / "l.csv")
    whole = filled(tmp_path / "l.csv", honest)
    first = await calibrate(house, whole)
    assert (first.barred, first.rubrics[0].stands) == (None, None)
    few = tmp_path / "few.csv"
    with whole.open(newline="") as file, few.open("w", newline="") as part:
        rows = list(csv.reader(file))
        csv.writer(part).writerows(rows[:3])
    house.clock.move(days=1)
    second = await calibrate(house, few)
    assert second.rubrics[0].panel.kappa is None
    assert second.rubrics[0].stands is not None
    assert second.barred is None
    with house.database.read() as connection:
        assert len(calibrations.labels(connection, "support", "support_answer")) == len(rows) - 1
        later, sooner, _ = audit.entries(connection, 10)
    assert (later.who, later.action, later.subject) == ("ada", "judge calibrate", "support")
    assert sooner.detail == {"labels": {"support_answer": len(rows) - 1}}
    assert later.detail == {"labels": {"support_answer": 2}}
