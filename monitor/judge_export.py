"""What `heldout judge calibrate --export` writes: stored answers for people to label, drawn so that they tell most."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from judges.cells import guarded
from judges.correction import sample
from judges.rubric import Rubric
from monitor.app import App
from monitor.domain.run import Baseline, Run, RunKind
from monitor.judge_run import JudgeError, judging_of
from monitor.judging.anchors import Anchors
from monitor.judging.scorer import RubricScorer
from monitor.judging.seat import Item
from monitor.site import Site
from monitor.store import judgements, runs

SEED = 20  # the same stored answers give the same sample
# What each period needs, before labels may correct a decision.
ENOUGH = 30
_COLUMNS = ("rubric", "case", "input", "reference", "answer", "criterion", "question", "label", "by")


@dataclass(frozen=True, slots=True)
class Wanted:
    """`count` answers; by which rubric, None where there is one; a row for each of its `criteria`, or an answer."""

    count: int = 60
    rubric: str | None = None
    criteria: bool = False


@dataclass(frozen=True, slots=True)
class Exported:
    """`answers` were written to `file`, in so many `rows`: of deployment, and of `run` (the newest), some of both."""

    file: str
    rubric: str
    rows: int
    answers: int
    of_baseline: int
    of_run: int
    run: str | None

    def as_json(self) -> dict[str, object]:
        """For `--json`."""
        written = {"rows": self.rows, "answers": self.answers}
        periods = {"of_baseline": self.of_baseline, "of_run": self.of_run, "run": self.run}
        return {"schema": 1, "file": self.file, "rubric": self.rubric, **written, **periods}


def export(app: App, site: Site, baseline: Baseline, path: Path, wanted: Wanted) -> Exported:
    """Write answers, half of deployment and half of the newest run, and of each half that pass and half that fail.

    As CSV where `path` ends in `.csv`, else as JSON Lines. What judges said of them stays out: who labels should not
    know. Raises JudgeError.
    """
    scorer, count = _scorer(site, wanted.rubric), wanted.count
    newest = _newest(app, site)
    of_run = _drawn(app, site, scorer, newest.id, count // 2) if newest is not None else {}
    of_baseline = _drawn(app, site, scorer, baseline.run_id, count - len(of_run))
    items = of_baseline | of_run
    if not items:
        raise JudgeError(
            f"{site.name}: no stored answer has a score by {scorer.name} and its judges; "
            f"`heldout judge bridge {site.target} {site.suite.name}` has them judged."
        )
    # By their hashes: the order tells nothing of the period or the verdict.
    rows = list(_rows(scorer.rubric, {key: items[key] for key in sorted(items)}, criteria=wanted.criteria))
    _write(path, rows)
    run = newest.id if newest is not None else None
    return Exported(str(path), scorer.name, len(rows), len(items), len(of_baseline), len(of_run), run)


def _scorer(site: Site, rubric: str | None) -> RubricScorer:
    judging = judging_of(site)
    if rubric is not None:
        return judging.scorers[rubric]
    names = judging.headline or tuple(judging.scorers)
    if len(names) > 1:
        raise JudgeError(f"{site.name}: several rubrics are judged ({', '.join(names)}): say which with --rubric.")
    return judging.scorers[names[0]]


def _newest(app: App, site: Site) -> Run | None:
    with app.place.database.read() as connection:
        return runs.latest(connection, site.target, site.suite.name, [RunKind.WEEK, RunKind.AD_HOC])


def _drawn(app: App, site: Site, scorer: RubricScorer, run_id: str, count: int) -> dict[str, Item]:
    """A run's answers that were drawn; equal ones are one."""
    items = Anchors.load(app.place.database, site.grader, scorer, run_id, site.scorable).items
    with app.place.database.read() as connection:
        marks = judgements.marks(connection, run_id, scorer.key)
    keys = sorted(items)
    picks = sample([marks[key].value if key in marks else None for key in keys], count, SEED)
    return {keys[pick.index]: items[keys[pick.index]] for pick in picks}


def _rows(rubric: Rubric, items: Mapping[str, Item], *, criteria: bool) -> Iterator[dict[str, str]]:
    whole = [("", "Is the answer right as a whole? met or not_met, or a number from 0 to 1")]
    asked = [(one.id, _question(one.question, one.applies_when)) for one in rubric.criteria] if criteria else whole
    for item in items.values():
        material = item.material
        for criterion, question in asked:
            reference = "\n".join(material.references)
            yield dict(
                zip(
                    _COLUMNS,
                    (
                        rubric.name,
                        item.case_id,
                        material.input,
                        reference,
                        material.answer,
                        criterion,
                        question,
                        "",
                        "",
                    ),
                    strict=True,
                )
            )


def _question(question: str, applies_when: str | None) -> str:
    return question if applies_when is None else f"{question} (not_applicable unless {applies_when})"


def _write(path: Path, rows: list[dict[str, str]]) -> None:
    try:
        with path.open("x", encoding="utf-8", newline="") as file:
            if path.suffix.lower() == ".csv":
                writer = csv.DictWriter(file, _COLUMNS)
                writer.writeheader()
                writer.writerows({name: guarded(value) for name, value in row.items()} for row in rows)
            else:
                for row in rows:
                    file.write(json.dumps(row, ensure_ascii=False) + "\n")
    except FileExistsError:
        raise JudgeError(f"{path} exists already: name a new file, labels in it may be somebody's work.") from None
    except OSError as error:
        raise JudgeError(f"{path} cannot be written: {error.strerror or error}") from None
