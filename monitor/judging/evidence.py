"""What judges add to a week's evidence: the baseline as they see it today, their noise, and what people corrected."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from monitor import grading
from monitor.decide.state import Evidence
from monitor.domain.case import Case
from monitor.domain.run import Phase
from monitor.grading import Grader, Summed
from monitor.judging.anchors import Anchor, Filled, Flips, as_of, flips
from monitor.judging.people import correction
from monitor.judging.scorer import material_key
from monitor.judging.session import Look, Session
from monitor.store import answers, judgements
from monitor.store.answers import Scored
from monitor.store.database import Database

if TYPE_CHECKING:
    from monitor.stats.moments import Moments
    from monitor.stats.paired import Correction
    from monitor.stats.quantiles import FloatArray


def nothing(cases: int) -> Moments:
    """No answer to any of `cases`."""
    import numpy as np

    from monitor.stats.moments import Moments

    return Moments(*(np.zeros(cases) for _ in range(3)))


def plain(database: Database, grader: Grader, run_id: str, baseline: Moments, cases: Sequence[Case]) -> Evidence:
    """The evidence of answers alone, without any judge in the headline."""
    main, confirm = (grading.load_summed(database, grader, run_id, phase, cases) for phase in Phase)
    return Evidence(
        baseline=baseline,
        main=main.moments,
        confirm=confirm.moments,
        unscored_main=main.unscored,
        unscored_confirm=confirm.unscored,
    )


def judged(database: Database, session: Session, baseline: Moments) -> Evidence:
    """The evidence of a run with a judge in its headline, as of what `session` has judged so far.

    Each phase is compared as the judges of its own sitting see both periods.
    """
    run_id, cases, grader = session.run.id, session.cases, session.grader
    found = plain(database, grader, run_id, baseline, cases)
    alone = grader.metrics_alone
    if alone is not None and session.baseline is not None:
        by_run = (session.baseline.run_id, run_id)
        then, now = (grading.load_moments(database, alone, run, Phase.MAIN, cases) for run in by_run)
        found = replace(found, metrics_only=(then, now))
    session.recall()
    main, confirm = (session.looks.get(phase) for phase in Phase)
    if main is not None and main.judged_again:
        mine = _compared(database, session, Phase.MAIN, main, baseline)
        found = replace(
            found,
            baseline=mine.baseline,
            main=mine.current.moments,
            correction=mine.correction,
            noise_main=mine.noise,
            fills_main=mine.fills,
            unscored_main=mine.current.unscored,
        )
    if confirm is not None and confirm.judged_again:
        mine = _compared(database, session, Phase.CONFIRM, confirm, baseline)
        found = replace(
            found,
            baseline_confirm=mine.baseline,
            confirm=mine.current.moments,
            correction_confirm=mine.correction,
            noise_confirm=mine.noise,
            fills_confirm=mine.fills,
            unscored_confirm=mine.current.unscored,
        )
    return found


def alone(database: Database, session: Session) -> Moments:
    """The main phase of a run that is compared with no baseline, as the judges of its newest sitting see it."""
    return _current(database, session, Phase.MAIN, session.heard(Phase.MAIN)).summed.moments


@dataclass(frozen=True)
class _Compared:
    """Both periods as the judges of one sitting see them; see `Evidence`."""

    current: Summed
    baseline: Moments
    correction: Correction | None
    noise: FloatArray | None
    fills: tuple[Moments, ...]


@dataclass(frozen=True)
class _Current:
    """A phase's answers as the judges of one sitting see them, and the answers' keys by case."""

    summed: Summed
    keys: list[list[str]]


def _compared(database: Database, session: Session, phase: Phase, look: Look, baseline: Moments) -> _Compared:
    """Both periods by the judges of one sitting."""
    from monitor.stats.contrast import combine

    cases, grader = len(session.cases), session.grader
    current = _current(database, session, phase, look)
    again = flips(grader, look.chosen, look.today, cases)
    people = correction(database, session, look, phase)
    seen, error = _baseline(baseline, again, people)
    fills: tuple[Moments, ...] = ()
    if again.refused:
        # What today's judges refuse is not refused by chance: the look has to come out the same however it is counted.
        filled = (flips(grader, look.chosen, look.today, cases, how) for how in Filled)
        fills = tuple(_baseline(baseline, one, people)[0] for one in filled)
    noise = _noise(session, look, current, again.distinct, baseline)
    return _Compared(current.summed, seen, combine(error, _unshifted(people)), noise, fills)


def _baseline(baseline: Moments, again: Flips, people: Correction | None) -> tuple[Moments, Correction | None]:
    """The baseline as today's judges see it: answers that they score and those of then did not count as well."""
    import numpy as np

    from monitor.stats.contrast import contrast
    from monitor.stats.moments import Moments, pooled
    from monitor.stats.paired import Correction

    seen, error = contrast(baseline, again.rejudged)
    if again.late.n.any():
        share = seen.n / np.maximum(seen.n + again.late.n, 1.0)
        seen = pooled(seen, again.late)
        if error is not None:
            error = Correction(error.shift, error.variance * share**2, error.repeats)
    if people is not None:
        seen = Moments(seen.n, seen.mean + people.shift, seen.var)
    return seen, error


def _unshifted(people: Correction | None) -> Correction | None:
    """People's correction without its shift, which is in the baseline's means."""
    import numpy as np

    return None if people is None else replace(people, shift=np.zeros_like(people.variance))


def _current(database: Database, session: Session, phase: Phase, look: Look) -> _Current:
    places = {case.id: i for i, case in enumerate(session.cases)}
    keys: dict[int, str] = {}
    by_case: list[list[str]] = [[] for _ in session.cases]
    with database.read() as connection:
        rows = judgements.answers_with_contexts(connection, session.run.id, phase)
        for answer_id, case_id, fingerprint, _, text, contexts in rows:
            i = places.get(case_id)
            if i is not None and session.cases[i].fingerprint == fingerprint:
                keys[answer_id] = material_key(session.cases[i], text, contexts)
                by_case[i].append(keys[answer_id])

        def scored() -> Iterator[Scored]:
            for one in answers.scored(connection, session.run.id, phase, list(session.grader.keys)):
                if one.answer_id in keys:
                    yield replace(one, scores=as_of(one.scores, look.today, keys[one.answer_id]))

        return _Current(grading.summed(session.grader, scored(), session.cases), by_case)


def _noise(
    session: Session, look: Look, current: _Current, flips: Sequence[float], baseline: Moments
) -> FloatArray | None:
    """What equal answers, judged once, hide of the judge's own noise."""
    import numpy as np

    from monitor.stats.contrast import Texts, judge_noise, shared_noise

    if session.anchors is None:
        return None
    before, again = (_keys(answers, len(session.cases)) for answers in (session.anchors.answers, look.judged_again))
    sigma2 = judge_noise(sum(flip * flip for flip in flips), len(flips))
    # As `paired.estimate` has it: with one answer everywhere the variance is that of the differences themselves.
    single = bool(np.where(np.isfinite(baseline.n), baseline.n, 0.0).max(initial=0.0) == 1.0)
    repeats = current.summed.moments.n
    return shared_noise(Texts.of(before, again, current.keys), repeats, sigma2, single_baseline=single)


def _keys(anchors: Sequence[Anchor], cases: int) -> list[list[str]]:
    found: list[list[str]] = [[] for _ in range(cases)]
    for one in anchors:
        found[one.case].append(one.key)
    return found
