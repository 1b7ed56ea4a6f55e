"""What people are told of judges by an alert of its own: each change once, whatever the verdict is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from alerts.alert import Action, Alert, Kind
from monitor.decide import judge_words
from monitor.domain.judging import Judged, JudgeSeen
from monitor.domain.verdict import Verdict

Payload = Mapping[str, Any]

COMPARABLE = (
    "Scores from before it and from now are not comparable as they stand. The drop is: today's judges have judged the "
    "answers of deployment as well, and it lies between scores of theirs. Nobody has to get up for it."
)
LEFT_OUT = (
    "What a judge leaves out is not left out by chance: the score of the other answers may be wrong. Where it would "
    "matter, the verdict is inconclusive. Nobody has to get up for it."
)
WITHOUT_IT = (
    "The other judges of the panel agree often enough to go on without it. But a panel of fewer errs more often, and "
    "once another one is missing it is none. Nobody has to get up for it."
)
ASK = Action("See whether it answers now; a key that was refused has to be given anew", "heldout check")
LOOK = Action("See what they make of the stored answers, and of answers whose verdict is known", "heldout judge check")
PIN = Action("Where its provider has exchanged the model, name a dated version under [judges]: that one stays")
LABEL = Action(
    "Have people label answers, and compare: how far it agrees with them now, nobody knows",
    "heldout judge calibrate --help",
)
REPAIR = Action(
    "Replies cut off or not to be read want a larger max_tokens or another model under [judges], refusals another judge"
)


def of_judges(
    new_id: Callable[[datetime], str], said: Verdict, judged: Judged, before: Sequence[Payload], now: datetime
) -> list[Alert]:
    """The alert about the judges of a run, where they have changed, or leave out answers, in a way not yet told.

    `before`: the verdicts of weeks before this one as they were stored, newest first. One that could not look at a
    judge neither told of a change nor took it back.
    """
    changed = [one for one in judged.judges if _is_news(one, _last_look(one, before))]
    bridged = [rubric for rubric in judged.bridged if not _bridged_before(said.run, rubric, before)]
    left_out = _leaves_out(judged.unscored) and not _leaves_out(_last_share(before))
    reasons = [reason for one in changed for reason in judge_words.changes(one)]
    reasons += [judge_words.bridged(rubric) for rubric in bridged]
    reasons += [judge_words.unscored(judged)] if left_out else []
    away = [one for one in judged.away if judged.usable and one.judge not in _away_before(before)]
    reasons += [judge_words.away(one) for one in away]
    if not reasons:
        return []
    new_models = any(one.models is not None for one in changed)
    of_change = [LOOK, *([PIN] if new_models else []), LABEL] if changed or bridged else []
    lesser = "ANSWERS WITHOUT A SCORE" if left_out else "A JUDGE IS AWAY"
    event = "JUDGE CHANGED" if changed else "NEW JUDGES" if bridged else lesser
    return [
        Alert(
            id=new_id(now),
            kind=Kind.JUDGE,
            event=event,
            target=said.target,
            suite=said.suite,
            verdict=said.level.value,
            stage=said.stage.value,
            slot=said.slot,
            finished_at=now,
            reasons=tuple(reasons),
            meaning=COMPARABLE if changed or bridged else LEFT_OUT if left_out else WITHOUT_IT,
            actions=(*of_change, *([REPAIR] if left_out else []), *([ASK] if away else [])),
            run=said.run,
        )
    ]


def _is_news(one: JudgeSeen, earlier: Payload | None) -> bool:
    """Whether a judge says other things than at deployment, or is another model, and nobody was told yet."""
    if earlier is None or not one.changed:
        return one.changed
    same_way = ((earlier["shift"] or {}).get("points") or 0.0) * (one.points or 0.0) >= 0
    moved = one.moved and not (earlier["moved"] and same_way)
    return moved or (one.models is not None and earlier["models"] != list(one.models))


def _last_look(one: JudgeSeen, before: Sequence[Payload]) -> Payload | None:
    """What the newest verdict that looked at this judge said of it."""
    for payload in before:
        for earlier in (payload.get("judge") or {}).get("judges", ()):
            looked = earlier["shift"] is not None or earlier["changed"]
            if looked and (earlier["judge"], earlier["rubric"]) == (one.judge, one.rubric):
                found: Payload = earlier
                return found
        if one.rubric in (payload.get("judge") or {}).get("bridged", ()):
            # A new epoch began: what was said before is about other judges.
            return None
    return None


def _bridged_before(run: str | None, rubric: str, before: Sequence[Payload]) -> bool:
    """Whether an earlier look of the same run said so."""
    return any(
        payload.get("run") == run and rubric in (payload.get("judge") or {}).get("bridged", ()) for payload in before
    )


def _last_share(before: Sequence[Payload]) -> float | None:
    shares = ((payload.get("judge") or {}).get("unscored") for payload in before)
    return next((share for share in shares if share is not None), None)


def _away_before(before: Sequence[Payload]) -> set[str]:
    """Who was away the last time that judges were asked."""
    last: Payload = next((payload["judge"] for payload in before if payload.get("judge")), {})
    return {one["judge"] for one in last.get("away", ())}


def _leaves_out(share: float | None) -> bool:
    return share is not None and share > judge_words.UNSCORED_SHARE
