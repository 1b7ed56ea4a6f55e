"""From a verdict to an alert: who is told, what it means, and what to do."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from datetime import datetime

from alerts import words
from alerts.alert import Action, Alert, Cause, Drop, Example, Kind, Thresholds
from monitor.decide.transition import BAD, Decided, Opened, Tell, Told
from monitor.domain.run import Run
from monitor.domain.verdict import CauseKind, Interval, Level, Stage, Verdict, instant
from monitor.domain.words import counted
from monitor.particulars import particulars


def alert(
    alert_id: str,
    said: Verdict,
    told: Told,
    opened: Opened | None,
    previous: Level | None,
    goes_on: datetime | None,
    examples: Sequence[Example] = (),
) -> Alert:
    """The alert for a verdict that people are told of. `goes_on`: when the run is taken up again, if it is."""
    bad_since = opened.since if opened else (said.slot if said.level in BAD else None)
    return Alert(
        id=alert_id,
        kind=Kind(told.kind.value),
        target=said.target,
        suite=said.suite,
        verdict=said.level.value,
        stage=said.stage.value,
        previous_verdict=previous.value if previous else None,
        score=said.score,
        baseline_score=said.baseline_score,
        drop=drop_of(said.drop),
        confirmation=drop_of(said.confirmation),
        thresholds=Thresholds(said.thresholds.investigate, said.thresholds.rollback, said.thresholds.unit),
        since=bad_since,
        slot=said.slot,
        finished_at=said.finished_at,
        reasons=said.reasons,
        causes=tuple(Cause(cause.cause.value, cause.evidence) for cause in said.causes),
        meaning=_meaning(said, told, goes_on),
        actions=_actions(said, told),
        model_requested=said.model.requested,
        model_reported=said.model.reported,
        cases=said.cases,
        answers=said.answers,
        examples=tuple(examples),
        details=particulars(said),
        run=said.run,
    )


def missed(alert_id: str, slots: Mapping[tuple[str, str], Sequence[datetime]], now: datetime) -> Alert:
    """The one alert for all slots that were found missed at `now`, by (target, suite)."""
    targets, suites = (list(dict.fromkeys(names)) for names in zip(*slots, strict=True))
    since = min(one for when in slots.values() for one in when)
    reasons = [
        f"{target} · {suite}: {counted(len(when), 'slot')} missed, {_spanned(when)}"
        for (target, suite), when in slots.items()
    ]
    return Alert(
        id=alert_id,
        kind=Kind.MISSED,
        target=_several(targets),
        suite=_several(suites),
        verdict=Level.INCONCLUSIVE.value,
        finished_at=now,
        reasons=tuple(reasons),
        meaning="heldout was not running then, or could not begin. What happened to the model meanwhile, nobody saw.",
        actions=(
            Action("See that heldout runs now: `heldout serve`, or the hourly timer", "systemctl status heldout"),
            Action(
                "See in its log why it did not; that of the systemd service is",
                f"journalctl -u heldout -u heldout-run --since {since:%Y-%m-%d}",
            ),
            Action(
                "Measure now, where the next slot is too far off (raises no alert)",
                " ".join(["heldout run", *(f"--target {shlex.quote(target)}" for target in targets)]),
            ),
        ),
    )


def unstarted(alert_id: str, run: Run, why: str, now: datetime) -> Alert:
    """The alert for a due run that cannot be begun or gone on with, and why."""
    return Alert(
        id=alert_id,
        kind=Kind.UNMEASURED,
        target=run.target,
        suite=run.suite,
        verdict=Level.INCONCLUSIVE.value,
        slot=run.slot,
        finished_at=now,
        reasons=(why,),
        meaning="It is due and cannot be measured until that is mended; then it goes on by itself.",
        actions=(Action("Mend it, and see whether everything is right now", "heldout check"),),
        run=run.id,
    )


def _several(names: Sequence[str]) -> str:
    shown = ", ".join(names[:2])
    return shown if len(names) <= 2 else f"{shown} and {len(names) - 2} more"


def _spanned(when: Sequence[datetime]) -> str:
    first, last = words.instant(min(when)), words.instant(max(when))
    return first if len(when) == 1 else f"from {first} to {last}"


def drop_of(interval: Interval | None) -> Drop | None:
    """An interval as alerts and events have it."""
    return None if interval is None else Drop(interval.points, interval.low, interval.high, interval.confidence)


def _meaning(said: Verdict, told: Told, goes_on: datetime | None) -> str:
    then = f" The run goes on by itself on {words.instant(goes_on)}." if goes_on else ""
    if told.kind is Tell.RECOVERED:
        return "It is as good as at deployment, as far as this test set can tell; the alert is closed."
    if told.kind is Tell.RECOVERING:
        return "This week shows no drop; the alert closes if the next week shows none either."
    if said.level in BAD and said.causes:
        return (
            f"This run was cut short; that its answers are worse than at deployment was found before, and stands.{then}"
        )
    if told.kind is Tell.UNMEASURED and not said.causes:
        return "Two weeks in a row the answers could not tell a drop from noise: a drop may stay unseen like this."
    if said.causes:
        return f"Nothing is known about the quality of its answers now: neither good nor bad.{then}"
    if told.kind is Tell.AGAIN and not _surely_down(said):
        return f"The alert ({said.level.value}) stays open: this week's answers neither show a drop nor rule one out."
    if told.kind is Tell.AGAIN:
        return f"It is still down; the alert ({said.level.value}) stays open."
    if said.level is Level.ROLLBACK:
        return "Its answers are clearly worse than at deployment, and a second replay has confirmed it."
    if said.stage is Stage.PENDING:
        return (
            f"Its answers are worse than at deployment, by enough for a rollback if a second replay confirms it.{then}"
        )
    if said.barred:
        return (
            "Its answers are worse than at deployment, by enough for a rollback as its judges see it. But nobody has "
            "shown that these agree with people, so a person has to decide."
        )
    if said.level is Level.INVESTIGATE:
        return (
            "Its answers are worse than at deployment, by more than noise explains; "
            "that it is enough for a rollback is not shown."
        )
    return f"The answers so far cannot tell a drop from noise; nobody has to act.{then}"


def _actions(said: Verdict, told: Told) -> tuple[Action, ...]:
    target, suite = shlex.quote(said.target), shlex.quote(said.suite)
    again = Action("Measure once more now (raises no alert)", f"heldout run --target {target} --suite {suite}")
    if told.kind in (Tell.RECOVERED, Tell.RECOVERING):
        return ()
    causes = {cause.cause for cause in said.causes}
    if CauseKind.NO_BASELINE in causes or CauseKind.TEST_SET in causes:
        return (Action("Collect a baseline", f"heldout baseline collect {target} {suite}"),)
    if CauseKind.BUDGET in causes:
        return (Action("Raise the cap under [budget], or ask for fewer answers under [decision]"), again)
    if CauseKind.JUDGE in causes:
        return (Action("See what the judge makes of answers whose verdict is known", "heldout judge check"), again)
    if CauseKind.PROVIDER in causes:
        return (Action("See whether the provider answers", "heldout check"), _once_it_answers(said) or again)
    if told.kind is Tell.AGAIN and not _surely_down(said):
        return (Action("If something was mended, wait for two clear weeks in a row: they close the alert"), again)
    if said.stage is Stage.PENDING:
        return (
            Action("See what changed: the model, its prompt, its documents, its provider; the replay comes by itself"),
        )
    if said.level is Level.ROLLBACK:
        return (
            Action(f"Roll {said.target} back to what was served before, or retrain it"),
            Action("After that, pin what is served then", f"heldout baseline collect {target} {suite}"),
            again,
        )
    if said.barred:
        return (
            Action("Read some of its answers; if they are as bad, roll it back to what was served before"),
            Action(
                "Have people label answers, so that the next rollback can rest on the judges",
                "heldout judge calibrate --help",
            ),
            again,
        )
    if said.level is Level.INVESTIGATE:
        return (Action("See what changed: the model, its prompt, its documents, its provider"), again)
    if told.kind is Tell.UNMEASURED:
        return (Action("Add cases, or collect a larger baseline; the reasons say how many", "heldout check"),)
    return (Action("Nothing now; a larger test set or baseline tells more", "heldout check"),)


def _surely_down(said: Verdict) -> bool:
    """Whether the interval of this week's drop lies above zero."""
    return said.drop is not None and said.drop.low > 0


def _once_it_answers(said: Verdict) -> Action | None:
    """Not to wait for the next day's try, where there will be one."""
    if said.slot is None or said.stage not in (Stage.WAITING, Stage.PENDING):
        return None
    return Action("Once it does, go on with this run at once", f"heldout run --slot {instant(said.slot)}")


def previous_level(past: Sequence[Decided], earlier: Sequence[Decided]) -> Level | None:
    """The verdict before this one: of the same run, else of the week before."""
    known = [*past, *(decision for decision in earlier if decision.stage is not Stage.WAITING)]
    return known[-1].level if known else None
