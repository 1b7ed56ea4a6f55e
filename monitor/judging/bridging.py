"""A new epoch: another judge, panel or rubric judges the stored baseline answers, so that they can be compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from monitor.domain.case import Case
from monitor.domain.run import Baseline, Halt, Phase
from monitor.judging import watching
from monitor.judging.forecast import Cost, outstanding
from monitor.judging.marking import score_answers
from monitor.judging.scorer import RubricScorer
from monitor.judging.seat import Jury, Sitting
from monitor.judging.setup import Judging
from monitor.replay.budget import Budget
from monitor.replay.stage import Workplace
from monitor.store import judgements


@dataclass(frozen=True, slots=True)
class Bridged:
    """That a baseline was judged anew by a rubric; `answers`: the distinct ones that one judge was asked about."""

    rubric: str
    answers: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it: nothing to do (all empty), done, not to be paid for without a yes, or a judge that is away."""

    bridged: Bridged | None = None
    blocked: str | None = None
    halt: Halt | None = None


async def bridge(
    place: Workplace,
    sitting: Sitting,
    jury: Jury,
    scorer: RubricScorer,
    judging: Judging,
    budget: Budget | None,
    baseline: Baseline,
    cases: Sequence[Case],
) -> Outcome:
    """Judge the baseline's answers by this scorer, where it never has; with a `budget`, only within what it has left.

    The answers keep the occasion of the baseline; `sitting`'s run pays. Asked again by the same run it says the same.
    """
    cost = outstanding(place.database, scorer, judging, baseline.run_id, cases)
    if cost.answers == 0:
        return Outcome(bridged=_bridged(place, sitting, scorer, baseline))
    if budget is not None:
        too_much = over(cost, budget)
        if too_much is not None:
            command = f"`heldout judge bridge {baseline.target} {baseline.suite}`"
            return Outcome(
                blocked=f"The judges of {scorer.name} (or the rubric itself) are others than those of the baseline, "
                f"which has to be judged again before anything can be compared; {too_much} Agree to it with {command}."
            )
    with place.database.write() as connection:
        watching.pin(connection, baseline.run_id, cases, judging.canaries)
    then = Sitting(sitting.run_id, baseline.run_id, sitting.label)
    by_id = {case.id: case for case in cases}
    halt = await score_answers(place, then, jury, scorer, (baseline.run_id, Phase.MAIN), by_id)
    return Outcome(halt=halt) if halt is not None else Outcome(bridged=_bridged(place, sitting, scorer, baseline))


def _bridged(place: Workplace, sitting: Sitting, scorer: RubricScorer, baseline: Baseline) -> Bridged | None:
    """What this run has paid for of a new epoch; None where it only asked again what got no reply at deployment."""
    with place.database.read() as connection:
        paid = [judgements.payers(connection, baseline.run_id, scorer.fingerprint, juror) for juror in scorer.panel]
    new = [by_run.get(sitting.run_id, 0) for by_run in paid if baseline.run_id not in by_run]
    return Bridged(scorer.name, max(new)) if any(new) else None


def over(cost: Cost, budget: Budget) -> str | None:
    """Why a cost is more than what a run may still spend; None where it is not."""
    calls = budget.caps.calls - budget.calls - budget.reserved_calls
    if cost.calls > calls:
        return f"that takes up to {cost.calls:,} calls, and [budget] calls_per_run leaves {max(0, calls):,}."
    month = budget.month
    left = {
        budget.caps.usd_key: budget.caps.usd - budget.usd - budget.reserved_usd,
        "usd_per_month": month.cap - month.spent - month.reserved,
    }
    for key, usd in left.items():
        if cost.usd is not None and cost.usd > usd:
            return f"that costs about {cost.usd:.2f} USD, and [budget] {key} leaves {max(0.0, usd):.2f}."
    return None
