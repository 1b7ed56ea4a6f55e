"""What `heldout judge bias` reports: whether stored scores follow length, place in the panel, or a judge's family."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from judges.bias import BiasReport, Judgement, bias
from monitor import families
from monitor.app import App
from monitor.judge_run import judging_of
from monitor.judging.scorer import RubricScorer
from monitor.site import Site
from monitor.store import judgements

SEED = 20  # of the resamples: the same judgements give the same intervals
MOST = 50_000  # judgements that are looked at, the newest


@dataclass(frozen=True, slots=True)
class OfRubric:
    """The report on one rubric of a suite, from so many judgements of answers of these targets."""

    suite: str
    rubric: str
    targets: tuple[str, ...]
    judgements: int
    report: BiasReport

    def as_json(self) -> dict[str, object]:
        """For `--json`."""
        counts = {"targets": list(self.targets), "judgements": self.judgements}
        return {"suite": self.suite, "rubric": self.rubric, **counts, **self.report.as_json()}


def look(app: App, sites: Sequence[Site]) -> list[OfRubric]:
    """A report for each suite and rubric, over all of `sites` that have it; none where nothing was judged yet."""
    by_suite: dict[str, list[Site]] = {}
    for site in sites:
        if site.judging is not None:
            by_suite.setdefault(site.suite.name, []).append(site)
    found = []
    for suite, of_suite in by_suite.items():
        for scorer in judging_of(of_suite[0]).scorers.values():
            rows = _rows(app, scorer, suite, {site.target: families.of_site(app.config, site) for site in of_suite})
            if rows:
                targets = tuple(site.target for site in of_suite)
                found.append(OfRubric(suite, scorer.name, targets, len(rows), bias(rows, SEED)))
    return found


def _rows(app: App, scorer: RubricScorer, suite: str, of_targets: Mapping[str, str]) -> list[Judgement]:
    """Each judge's newest judgement of each answer, with what the panel made of it then."""
    own = {juror: families.of_judge(app.config, juror.name) for juror in scorer.panel}
    found = []
    seen: set[tuple[str, str]] = set()
    with app.place.database.read() as connection:
        stored = judgements.of_answers(connection, suite, list(of_targets), scorer.fingerprint, scorer.key, MOST)
    for one in stored:
        if one.juror not in own or (one.material, one.juror.name) in seen:
            continue
        seen.add((one.material, one.juror.name))
        found.append(
            Judgement(
                case=one.case_id,
                answer=one.material,
                length=one.length,
                judge=one.juror.name,
                position=one.position,
                judge_family=own[one.juror],
                target_family=of_targets[one.target],
                score=one.value,
                panel=one.panel,
            )
        )
    return found
