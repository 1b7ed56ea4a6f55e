"""Several judges become one verdict a criterion; pure."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from judges.judge import Opinion
from judges.rubric import Mark, Rubric
from judges.vote import Verdict


@dataclass(frozen=True, slots=True)
class Decision:
    """What a panel decided. `split`: ids of the criteria on which the judges who were asked gave different verdicts."""

    mark: Mark
    verdicts: Mapping[str, Verdict]
    split: tuple[str, ...] = ()


def order(names: Sequence[str], seed: str) -> tuple[str, ...]:
    """The order in which judges are asked: `names` turned by a hash of `seed`, so that positions even out."""
    if not names:
        return ()
    first = int.from_bytes(hashlib.sha256(seed.encode("utf-8", "surrogatepass")).digest()[:8]) % len(names)
    return (*names[first:], *names[:first])


def certain(rubric: Rubric, opinions: Sequence[Opinion], size: int) -> bool:
    """Whether nothing that the judges not asked yet could say would change a verdict, and so the score."""
    _check(opinions, size)
    need, left = size // 2 + 1, size - len(opinions)
    return all(_settled(_count(opinions, one.id), need, left) for one in rubric.criteria)


def decide(rubric: Rubric, opinions: Sequence[Opinion], size: int) -> Decision:
    """The verdict that more than half of the `size` judges gave on each criterion, and the score of these verdicts.

    Where there is no such verdict it is `cannot_tell`. `opinions` may be fewer than `size`: of those who were asked.
    Raises ValueError where `size` is even or there are more opinions.
    """
    _check(opinions, size)
    need = size // 2 + 1
    counts = {one.id: _count(opinions, one.id) for one in rubric.criteria}
    verdicts = {name: _majority(count, need) or Verdict.CANNOT_TELL for name, count in counts.items()}
    mark = rubric.mark(verdicts)
    reason = _reason(opinions, counts, need, size) if mark.score is None else None
    return Decision(
        replace(mark, reason=reason) if reason else mark,
        verdicts,
        tuple(name for name, count in counts.items() if len(count) > 1),
    )


def _check(opinions: Sequence[Opinion], size: int) -> None:
    if size < 1 or size % 2 == 0 or len(opinions) > size:
        raise ValueError(f"a panel is an odd number of judges with at most one opinion each: {len(opinions)} of {size}")


def _count(opinions: Sequence[Opinion], name: str) -> Counter[Verdict]:
    return Counter(one.votes[name].verdict for one in opinions if name in one.votes)


def _majority(count: Counter[Verdict], need: int) -> Verdict | None:
    return next((verdict for verdict, votes in count.items() if votes >= need), None)


def _settled(count: Counter[Verdict], need: int, left: int) -> bool:
    """No majority is `cannot_tell` as well: it is settled as soon as no other verdict can reach one."""
    others = [votes for verdict, votes in count.items() if verdict is not Verdict.CANNOT_TELL]
    most = max(others, default=0)
    return most >= need or most + left < need


def _reason(opinions: Sequence[Opinion], counts: Mapping[str, Counter[Verdict]], need: int, size: int) -> str | None:
    """Why verdicts are missing, in the judges' own words where they gave none; None where the mark says it better."""
    given = sum(bool(one.votes) for one in opinions)
    if given < need:
        reasons = dict.fromkeys(one.reason for one in opinions if one.reason)
        why = "; ".join(reasons) or "the others were not asked"
        return why if size == 1 else f"only {given} of {size} judges gave a verdict: {why}"
    divided = [name for name, count in counts.items() if _majority(count, need) is None]
    if divided:
        return f"the panel was divided on {', '.join(divided)}"
    unclear = [name for name, count in counts.items() if _majority(count, need) is Verdict.CANNOT_TELL]
    who = "the judge" if size == 1 else "most judges"
    return f"{who} could not tell on {', '.join(unclear)}" if unclear else None
