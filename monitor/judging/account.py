"""What a run says of its judges: whether they changed, can be trusted, agree with people, and what has no score."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from monitor.decide.state import Evidence
from monitor.domain.judging import Away, Corrected, Judged, JudgeSeen
from monitor.domain.run import Phase
from monitor.judging.anchors import Anchor
from monitor.judging.bridging import Bridged
from monitor.judging.people import judged_scores, of_run
from monitor.judging.session import Session
from monitor.store import answers, calibrations
from monitor.store.database import Database


def account(
    database: Database,
    session: Session,
    bridged: Sequence[Bridged] = (),
    found: Evidence | None = None,
    phase: Phase = Phase.MAIN,
    barred: str | None = None,
) -> Judged:
    """Everything that is known of the judges after a look; `found` is what was looked at, in `phase`."""
    with database.read() as connection:
        spend = answers.spend(connection, session.run.id)
    left, reasons = unscored(database, session, phase)
    moments = session.anchors
    return Judged(
        judges=tuple(_judges(database, session)),
        usable=session.usable,
        anchors=sum(_scored(session, one) for one in session.look.judged_again),
        anchors_of=len(moments.answers) if moments is not None else 0,
        unscored=left,
        unscored_reasons=reasons,
        baseline_then=_baseline_then(session, found),
        bridged=tuple(one.rubric for one in bridged),
        away=_away(session),
        barred=barred,
        corrected=tuple(_corrected(database, session)),
        calls=spend.judgements,
        usd=spend.judged_usd,
        watched=session.look.watched,
    )


def _away(session: Session) -> tuple[Away, ...]:
    """Those whom the others decide without; where they cannot, that is why the run ended, and it says so itself."""
    if session.halt is not None:
        return ()
    return tuple({name: Away(name, why.message) for (name, _), why in session.away.items()}.values())


def _scored(session: Session, anchor: Anchor) -> bool:
    """Whether today's judges gave an anchor a score by every rubric that decides."""
    return all(of_scorer[anchor.key].value is not None for of_scorer in session.look.today.values())


def unscored(database: Database, session: Session, phase: Phase) -> tuple[float | None, tuple[tuple[str, int], ...]]:
    """The share of a phase's judged answers that a rubric gave no score, and why, commonest first; None without any.

    A judge that gave no reply has not judged: that is a failed call, which is asked again.
    """
    total = missing = 0
    reasons: Counter[str] = Counter()
    if not session.usable:
        return None, ()
    distrusted = {one.rubric for one in session.distrusted}
    keys = [scorer.key for scorer in session.judging.scorers.values() if scorer.name not in distrusted]
    with database.read() as connection:
        for row in answers.scored(connection, session.run.id, phase, keys):
            for key in keys:
                score = row.scores.get(key)
                if score is None:
                    continue
                total += 1
                if score.value is None:
                    missing += 1
                    reasons[score.reason or "no reason is known"] += 1
    return (missing / total if total else None), tuple(reasons.most_common(3))


def _judges(database: Database, session: Session) -> list[JudgeSeen]:
    moved = {(one.judge, one.rubric): one for one in session.look.drift}
    failed = {(one.judge, one.rubric): one.reason for one in session.distrusted}
    found = []
    for scorer in session.judging.scorers.values():
        for juror in scorer.panel:
            seen = moved.get((juror.name, scorer.name)) or JudgeSeen(juror.name, scorer.name)
            with database.read() as connection:
                name = juror.name if len(scorer.panel) > 1 else calibrations.PANEL
                known = calibrations.newest(connection, session.run.suite, scorer.key, name)
            reason = failed.get((juror.name, scorer.name))
            found.append(replace(seen, untrusted=reason, kappa=known.kappa if known is not None else None))
    return found


def _baseline_then(session: Session, found: Evidence | None) -> float | None:
    """The baseline's score as its judges saw it, over the cases that are compared now."""
    if session.anchors is None or found is None or session.baseline is None:
        return None
    sums: dict[int, list[float]] = {}
    for one in session.anchors.answers:
        value = session.grader.headline(one.scores)
        if value is not None:
            sums.setdefault(one.case, []).append(value)
    compared = [values for case, values in sums.items() if found.main.n[case] > 0]
    means = [sum(values) / len(values) for values in compared]
    return sum(means) / len(means) if means else None


def _corrected(database: Database, session: Session) -> list[Corrected]:
    """Scores that people's labels on this run's own answers correct, whatever the share of each verdict among them."""
    from judges.correction import by_verdict, stratified

    found = []
    for scorer in session.judging.scorers.values():
        both = of_run(database, session, session.look, scorer, session.phase)
        judged = judged_scores(database, session, session.look, scorer, session.phase)
        if not both or not judged:
            continue
        better = stratified(by_verdict(judged, [(one.judge, one.human) for one in both]))
        if better.score is not None and better.low is not None and better.high is not None:
            found.append(Corrected(scorer.name, better.score, better.low, better.high, better.labels))
    return found
