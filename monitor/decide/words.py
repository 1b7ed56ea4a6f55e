"""The reasons of a decision, in words that someone can act on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from monitor.domain.verdict import Level
from monitor.domain.words import signed
from monitor.stats.baseline import Cap
from monitor.stats.paired import Estimate, interval
from monitor.stats.sequential import Questions
from monitor.stats.spec import INVESTIGATE, ROLLBACK

if TYPE_CHECKING:
    from monitor.decide.looking import Missing
    from monitor.decide.state import WeekPlan

TOMORROW = "It is tried once more tomorrow."
ONCE_MORE = "It is measured once more tomorrow, with more answers, unless the next slot comes first; then that stands."
STANDS = "This was the second and last look of this week."
PENDING = "A separate replay with new answers has to confirm it before it becomes a rollback."
NOT_CONFIRMED_UNMEASURED = "So the pending rollback could not be confirmed; the investigation stands."


def amount(value: float, unit: str) -> str:
    """A drop with its unit, as in `5.6 points` or `6.3%`."""
    text = signed(value)
    return f"{text}%" if unit == "percent" else f"{text} points"


def threshold(value: float, unit: str) -> str:
    """A threshold with its unit, as in `3 points` or `3%`."""
    return f"{value:g}%" if unit == "percent" else f"{value:g} point{'' if value == 1 else 's'}"


def measured(plan: WeekPlan, value: Estimate) -> str:
    """The drop with its interval."""
    bounds = interval(value, scale=plan.spec.scale)
    if not np.isfinite(bounds.estimate):
        return "the drop is unknown, with no case answered both times"
    if not np.isfinite(bounds.low):
        return f"the drop is {amount(float(bounds.estimate), plan.unit)} (too few cases for an interval)"
    low, high = signed(float(bounds.low)), signed(float(bounds.high))
    return f"the drop is {amount(float(bounds.estimate), plan.unit)} (95% interval {low} to {high})"


def sentence(text: str) -> str:
    """`text` with a capital letter."""
    return text[:1].upper() + text[1:]


def going_on(
    plan: WeekPlan, decided: Questions, value: Estimate | None, now: int, then: int, *, confirming: bool
) -> tuple[str, ...]:
    """What is known while a run goes on; `value` is None where too few cases were answered to look."""
    more = _more_answers(now, then)
    if confirming:
        said = f" So far, there, {measured(plan, value)}." if value is not None else ""
        return (f"A rollback is pending, and a separate replay is to confirm it.{said}", more)
    if value is not None and plan.opened is None and bool(decided.fired[INVESTIGATE]):
        return (fired(plan, value, INVESTIGATE), *rollback_question(plan, decided, value), more)
    return (more,)


def _more_answers(now: int, then: int) -> str:
    known = "One answer a case does" if now == 1 else f"{now} answers a case do"
    more = f"it goes on to {then}" if then > now else "cases without an answer are asked again"
    return f"{known} not settle it yet; {more}."


def too_few_scored(lacking: Missing) -> str:
    """An invalid week."""
    who = "judge" if lacking.judges else "provider"
    if not lacking.unjudged:
        what = f"{100 * lacking.unanswered:.0f}% of the cases got no answer at all (5% are allowed)"
    elif not lacking.unanswered:
        what = f"{100 * lacking.unjudged:.0f}% of the cases could not be scored by the judge (5% are allowed)"
    else:
        what = (
            f"{100 * lacking.unanswered:.1f}% of the cases got no answer at all, and {100 * lacking.unjudged:.1f}% "
            f"could not be scored by the judge (5% are allowed in all)"
        )
    return f"{what}, so this week measured the {who}."


def missing_matter(lacking: Missing, value: Estimate) -> str:
    """Missing scores that would change the conclusion."""
    parts = []
    if lacking.unanswered:
        parts.append(f"{100 * lacking.unanswered:.1f}% of the cases got no answer")
    if lacking.unjudged:
        parts.append(f"{100 * lacking.unjudged:.1f}% of the cases could not be scored by the judge")
    if lacking.unscored:
        answers = "1 answer" if lacking.unscored == 1 else f"{lacking.unscored} answers"
        parts.append(f"{answers} {'to other cases ' if parts else ''}could not be scored by the judge")
    return (
        f"{', and '.join(parts)}; counted as wrong or as unchanged they would change the verdict, so the "
        f"{int(value.cases)} {'scored' if lacking.unjudged or lacking.unscored else 'answered'} cases do not settle it."
    )


def barred(plan: WeekPlan, with_metrics: bool) -> str:
    """Why what would be a rollback is only an investigation, and what to do."""
    alone = (
        "the metrics beside it do not show such a drop by themselves"
        if with_metrics
        else "the headline has no metrics beside it"
    )
    return (
        f"That would be a rollback, but {plan.barred}, and {alone}; so it is raised as an investigation. To let the "
        "judge's scores count for a rollback, have people label answers and run `heldout judge calibrate`."
    )


def fired(plan: WeekPlan, value: Estimate, question: int) -> str:
    """What a question that fired has shown."""
    asked = plan.spec.questions[question]
    edge = threshold(round(asked.null_edge, 2), plan.unit)
    return (
        f"{sentence(measured(plan, value))}; noise around a true drop of {edge} or less would look like this in "
        f"at most {100 * asked.alpha:g}% of weeks."
    )


def all_clear(plan: WeekPlan, value: Estimate) -> str:
    """Both questions are clear."""
    low, high = (threshold(q.threshold, plan.unit) for q in plan.spec.questions)
    return f"{sentence(measured(plan, value))}; a drop of {low}, or of {high}, is ruled out."


def closing(plan: WeekPlan) -> tuple[str, ...]:
    """What a clear week means while an alert is open."""
    if plan.opened is None:
        return ()
    if plan.clear_weeks:
        return (f"It is the second clear week in a row, which closes the alert ({plan.opened.value}).",)
    return (f"It is the first clear week; a second in a row closes the alert ({plan.opened.value}).",)


def stays_open(plan: WeekPlan) -> tuple[str, ...]:
    """That a week without a measurement leaves an older alert as it is."""
    return (f"The alert ({plan.opened.value}) from earlier weeks stays open.",) if plan.opened is not None else ()


def still_open(plan: WeekPlan, value: Estimate) -> str:
    """A week under an open alert that did not recover."""
    name = plan.opened.value if plan.opened else ""
    question = plan.spec.questions[INVESTIGATE]
    more = (
        " This run only shows where the score stands: it decides nothing new." if plan.opened is Level.ROLLBACK else ""
    )
    limit = threshold(question.threshold, plan.unit)
    still = float(interval(value, scale=plan.spec.scale).low) > question.threshold
    what = f"still more than {limit}" if still else f"which does not rule out a drop of {limit}"
    return f"The alert ({name}) from earlier weeks stays open: {measured(plan, value)}, {what}.{more}"


def rollback_question(plan: WeekPlan, decided: Questions, value: Estimate) -> tuple[str, ...]:
    """How the rollback question stands beside an investigation."""
    limit = threshold(plan.spec.rollback.threshold, plan.unit)
    if bool(decided.clear[ROLLBACK]):
        return (f"A drop of {limit} is ruled out.",)
    if bool(value.single_baseline):
        return ("The baseline has one answer a case, so no rollback can be decided; collect a larger one.",)
    return (f"Whether it has reached {limit} is still open.",)


def undecided(plan: WeekPlan, decided: Questions, value: Estimate) -> str:
    """What cannot be told apart."""
    names = [
        f"a drop of {threshold(q.threshold, plan.unit)} from one of {threshold(round(q.null_edge, 2), plan.unit)}"
        for i, q in enumerate(plan.spec.questions)
        if not decided.clear[i] and not decided.fired[i]
    ]
    return f"{sentence(measured(plan, value))}; the answers cannot tell {', nor '.join(names)}."


def would_do(cap: Cap, cases: int) -> str:
    """What would settle weeks like these."""
    ways = [f"{cap.baseline_that_would_do} baseline answers a case"] if cap.baseline_that_would_do else []
    ways.append(f"a test set of {cap.cases_that_would_do or 2 * cases} cases")
    return f"Two weeks in a row settled nothing; what would is {' or '.join(ways)}."


def confirmed(plan: WeekPlan, value: Estimate) -> str:
    """The second replay agrees."""
    return f"A separate replay with new answers confirms it: there {measured(plan, value)}."


def not_confirmed(plan: WeekPlan, decided: Questions, value: Estimate) -> str:
    """The second replay does not agree."""
    limit = threshold(plan.spec.rollback.threshold, plan.unit)
    what = (
        f"rules out a drop of {limit}"
        if bool(decided.clear[ROLLBACK])
        else f"does not settle whether it has reached {limit}"
    )
    return f"The separate replay {what}: there {measured(plan, value)}; the investigation stands."
