"""What `heldout judge calibrate` does: sets people's labels beside the judges' verdicts, and keeps what that tells."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from judges import calibration as agreement
from judges.agreement import Calibration
from judges.labels import Label, read
from judges.vote import Verdict
from monitor.app import App
from monitor.domain.judgement import Juror
from monitor.domain.run import Run
from monitor.domain.text import storable
from monitor.judge_run import (
    Agree,
    JudgeOffer,
    agreed,
    begun,
    convened,
    finish,
    judging_of,
    left_open,
    refuse_halted,
)
from monitor.judge_verdicts import Said, labelled, refuse_strange
from monitor.judging.forecast import Cost, expected_usd
from monitor.judging.people import answer_hash
from monitor.judging.scorer import RubricScorer
from monitor.judging.seat import Sitting
from monitor.judging.setup import Judging
from monitor.setting import barred
from monitor.site import Site
from monitor.store import answers, audit, calibrations

PURPOSE = "calibrate"
SEED = 20  # of the resamples: the same labels give the same intervals


@dataclass(frozen=True, slots=True)
class Labels:
    """A file of labels. `rubric`: the one they are about, where the file does not say.

    `target`: whose stored answers they are; None: anybody's.
    """

    path: Path
    rubric: str | None = None
    target: str | None = None


@dataclass(frozen=True, slots=True)
class OfPanel:
    """One rubric: how the panel and, where there are several, each of its judges agree with people.

    `unknown` labelled answers are stored nowhere. `in_headline`: whether a rollback can rest on it at all. `stands`:
    when the calibration was made that this one, which has too few labels, does not replace.
    """

    rubric: str
    scorer: str
    panel: Calibration
    judges: dict[str, Calibration]
    unknown: int
    in_headline: bool
    stands: datetime | None = None


@dataclass(frozen=True, slots=True)
class Calibrated:
    """What came of it. `barred`: why no rollback may rest on the headline's judges now; None where one may."""

    suite: str
    rubrics: tuple[OfPanel, ...]
    barred: str | None
    min_kappa: float
    calls: int = 0
    usd: float | None = None


async def calibrate(app: App, site: Site, given: Labels, agree: Agree, by: str) -> Calibrated:
    """Read labels, have judged what no judge has judged yet, and store what both sides say.

    `agree` hears the cost first. Raises LabelError, JudgeError and DeclinedError.
    """
    judging = judging_of(site)
    scorers = [judging.scorers[given.rubric]] if given.rubric is not None else list(judging.scorers.values())
    labels = read(given.path, [scorer.rubric for scorer in scorers])
    cases = {case.id: case for case in site.suite.cases}
    refuse_strange(str(given.path), labels, cases, site.suite.name)
    used = [scorer for scorer in scorers if any(label.rubric == scorer.name for label in labels)]
    found = {s.name: labelled(app.place.database, site.suite.name, cases, s, labels, given.target) for s in used}
    said = [Said.load(app.place.database, scorer, found[scorer.name]) for scorer in used]
    run = await _judged(app, site, judging, said, agree)
    rubrics = tuple(_of_panel(site, judging, one, labels, found[one.scorer.name].unknown) for one in said)
    rubrics = tuple(_standing(app, site, one) for one in rubrics)
    _store(app, site, labels, rubrics, by)
    with app.place.database.read() as connection:
        spend = answers.spend(connection, run.id if run is not None else "")
    return Calibrated(site.suite.name, rubrics, barred(app, site), judging.min_kappa, spend.calls, spend.usd)


async def _judged(app: App, site: Site, judging: Judging, said: Sequence[Said], agree: Agree) -> Run | None:
    """Have judged what is missing; the run that paid for it, None where nothing was."""
    parts = tuple(
        (f"{one.scorer.name}: labelled answers not judged yet", _cost(app, site, judging, one)) for one in said
    )
    offer = JudgeOffer(f"Setting the judges of {site.suite.name} beside people", parts)
    if offer.free:
        return None
    run = left_open(app, site, PURPOSE)
    budget = agreed(app, run, offer, agree)
    run = run or begun(app, site, PURPOSE)
    async with convened(app, judging, run, budget) as jury:
        for one in said:
            refuse_halted(site, await one.ask(app.place, Sitting(run.id, run.id, site.name), jury))
    return finish(app, run)


def _cost(app: App, site: Site, judging: Judging, said: Said) -> Cost:
    items: set[str] = set()
    calls, usd = 0, 0.0
    known = True
    for juror, missing in said.missing().items():
        items |= {item.key for item in missing}
        calls += len(missing)
        alone = RubricScorer(said.scorer.rubric, (juror,))
        each = expected_usd(app.place.database, alone, judging, len(missing), site.suite.cases)
        known = known and each is not None
        usd += each or 0.0
    return Cost(len(items), calls, usd if known else None)


def _of_panel(site: Site, judging: Judging, said: Said, labels: Sequence[Label], unknown: int) -> OfPanel:
    scorer = said.scorer

    def of(judge: Juror | None) -> Calibration:
        judged = said.of_panel() if judge is None else said.of_judge(judge)
        return agreement.calibrate(labels, judged, scorer.rubric, SEED)

    several = scorer.panel if len(scorer.panel) > 1 else ()
    each = {juror.name: of(juror) for juror in several}
    return OfPanel(scorer.name, scorer.key, of(None), each, unknown, scorer.name in judging.headline)


def _standing(app: App, site: Site, one: OfPanel) -> OfPanel:
    """With the time of an earlier calibration that stands, because this one has too few labels to be any."""
    with app.place.database.read() as connection:
        known = calibrations.newest(connection, site.suite.name, one.scorer)
    kept = one.panel.kappa is None and known is not None and known.kappa is not None
    return replace(one, stands=known.calibrated_at) if kept and known is not None else one


def _store(app: App, site: Site, labels: Sequence[Label], rubrics: Sequence[OfPanel], by: str) -> None:
    now, suite = app.place.now(), site.suite.name
    stored = [
        calibrations.StoredLabel(
            suite=suite,
            rubric=label.rubric,
            case_id=label.case,
            answer_hash=answer_hash(label.answer),
            criterion=label.criterion or "",
            verdict=label.value.value if isinstance(label.value, Verdict) else None,
            value=None if isinstance(label.value, Verdict) else float(label.value),
            labelled_by=label.by or "",
            labelled_at=now,
        )
        for label in labels
    ]
    with app.place.database.write() as connection:
        calibrations.add_labels(connection, stored)
        calibrations.add(
            connection,
            [
                calibrations.Calibration(
                    suite=suite,
                    scorer=one.scorer,
                    rubric=one.rubric,
                    judge=judge,
                    labels=found.overall.labels,
                    kappa=found.kappa,
                    payload=found.as_json(),
                    calibrated_by=storable(by),
                    calibrated_at=now,
                )
                for one in rubrics
                if one.stands is None
                for judge, found in _each(one)
            ],
        )
        detail = {one.rubric: sum(label.rubric == one.rubric for label in labels) for one in rubrics}
        audit.append(
            connection,
            who=by,
            via="command",
            action="judge calibrate",
            subject=suite,
            detail={"labels": detail},
            now=now,
        )


def _each(one: OfPanel) -> Iterator[tuple[str, Calibration]]:
    yield calibrations.PANEL, one.panel
    yield from one.judges.items()
