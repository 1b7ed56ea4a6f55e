"""What `heldout judge lint` finds: faults of wording, and criteria that a suite's reference answers would fail."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from judges.canaries import Kind
from judges.finding import Finding, Level
from judges.lint import lint
from judges.lint_references import failed_by_references, would_fail
from judges.rubric import Rubric
from judges.rubric_file import Fault, RubricError, RubricFile, bundled_path, read
from judges.vote import Verdict
from monitor.config.models import Config, SuiteConfig
from monitor.domain.case import Case
from monitor.judging.scorer import RubricScorer, material_key
from monitor.store import judgements, runs
from monitor.store.database import Database
from monitor.suites.load import load_suite

# Verdicts on known good answers, below which the share that was not met says nothing.
FEWEST = 10


@dataclass(frozen=True, slots=True)
class Linted:
    """What was found about one rubric; `file` is the name or path that was given for it."""

    file: str
    rubric: Rubric
    findings: tuple[Finding, ...]

    @property
    def refused(self) -> bool:
        """Whether verdicts by it would mean nothing sure."""
        return any(finding.level is Level.REFUSE for finding in self.findings)

    def as_json(self) -> dict[str, object]:
        """`{"file", "rubric", "version", "refused", "findings"}`."""
        found = [
            {"place": f.place, "rule": f.rule, "level": f.level.value, "reason": f.reason, "better": f.better}
            for f in self.findings
        ]
        about = {"file": self.file, "rubric": self.rubric.name, "version": self.rubric.version}
        return {**about, "refused": self.refused, "findings": found}


@dataclass
class References:
    """What a suite knows of right answers: by case the acceptable ones; `database` holds what judges said of them."""

    config: Config
    suite: str
    cases: dict[str, Case]
    database: Database | None = None

    @classmethod
    def of(cls, config: Config, suite: str, database: Database | None) -> References:
        """Those of a suite; raises SuiteError."""
        cases = load_suite(suite, config.suites[suite].cases).cases
        return cls(config, suite, {case.id: case for case in cases}, database)


def find(names: Sequence[str]) -> list[tuple[str, RubricFile]]:
    """The rubrics with these bundled names or paths; raises RubricError with the faults of all of them."""
    found: list[tuple[str, RubricFile]] = []
    faults: list[Fault] = []
    for name in dict.fromkeys(names):
        try:
            is_path = name.endswith(".toml") or "/" in name
            found.append((name, read(Path(name) if is_path else bundled_path(name))))
        except RubricError as error:
            faults += error.faults
    if faults:
        raise RubricError(faults)
    return found


def configured(config: Config, suites: Iterable[str]) -> dict[str, list[tuple[str, RubricFile]]]:
    """The rubrics of these suites, by suite, as their files hold them."""
    return {suite: list(_of_suite(config.suites[suite])) for suite in suites}


def look(file: str, written: RubricFile, references: Sequence[References] = ()) -> Linted:
    """Everything that is weak about one rubric, also by the `references` of the suites that it is used on."""
    rubric = written.rubric
    findings = list(lint(rubric, written.weights_given, file))
    for one in references:
        acceptable = {case.id: case.acceptable for case in one.cases.values()}
        findings += would_fail(rubric, acceptable, file)
        findings += failed_by_references(rubric, _failed(one, rubric), file)
    return Linted(file, rubric, tuple(dict.fromkeys(findings)))


def _of_suite(table: SuiteConfig) -> Iterator[tuple[str, RubricFile]]:
    for ref in table.rubrics:
        yield ref.given, read(bundled_path(ref.given) if ref.path is None else ref.path)


def _failed(references: References, rubric: Rubric) -> dict[str, float]:
    """By criterion, the share of the expected outputs that judges found not to meet it; costs nothing.

    They were judged as canaries of the suite's newest baseline, if they were.
    """
    if references.database is None:
        return {}
    fingerprint = RubricScorer(rubric, ()).fingerprint
    with references.database.read() as connection:
        targets = {target for target, suite in references.config.pairs if suite == references.suite}
        pinned = [runs.current_baseline(connection, target, references.suite) for target in sorted(targets)]
        baselines = sorted((one for one in pinned if one is not None), key=lambda one: one.pinned_at)
        if not baselines:
            return {}
        keys = [
            material_key(case, one.text)
            for one in judgements.canaries(connection, baselines[-1].run_id)
            if one.kind == Kind.GOOD.value
            and (case := references.cases.get(one.case_id)) is not None
            and case.fingerprint == one.case_fingerprint
        ]
        said = judgements.opinions(connection, baselines[-1].run_id, fingerprint, keys)
    given: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    for votes in (one.votes for of_item in said.values() for one in of_item if one.votes):
        for criterion, (verdict, _) in votes.items():
            if verdict in (Verdict.MET, Verdict.NOT_MET):
                given[criterion] += 1
                failed[criterion] += verdict == Verdict.NOT_MET
    return {criterion: failed[criterion] / count for criterion, count in given.items() if count >= FEWEST}
