"""Says what is weak about a suite: its size, its edge cases, repeated questions, lopsided or unscorable answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from string import ascii_uppercase
from typing import Protocol

from monitor.domain.case import Case, Suite
from monitor.suites.similar import duplicates, near_duplicates

FEWEST_CASES = 100
SMALLEST_EDGE_SHARE = 0.10
LARGEST_ANSWER_SHARE = 0.60
_FEWEST_FOR_SHARES = 10
_SHOWN = 5


class Scorer(Protocol):
    """What this file needs of a metric."""

    @property
    def name(self) -> str:
        """The metric's name."""
        ...

    def fault(self, case: Case) -> str | None:
        """Why the case can never be scored, or None."""
        ...


def warnings(suite: Suite, metrics: Sequence[Scorer]) -> tuple[str, ...]:
    """What is weak about `suite` when `metrics` score it, one sentence each, weightiest first; none when healthy."""
    return (
        *_size(suite),
        *_unscorable(suite, metrics),
        *_edges(suite),
        *_same(suite),
        *_alike(suite),
        *_lopsided(suite),
    )


def _size(suite: Suite) -> Iterator[str]:
    if len(suite.cases) < FEWEST_CASES:
        yield (
            f"only {_cases(len(suite.cases))}: with fewer than {FEWEST_CASES}, small drops cannot be told from chance; "
            "add cases"
        )


def _unscorable(suite: Suite, metrics: Sequence[Scorer]) -> Iterator[str]:
    for metric in metrics:
        faults = [(case.id, fault) for case in suite.cases if (fault := metric.fault(case)) is not None]
        if faults:
            first, reason = faults[0]
            ids = _some([case for case, _ in faults])
            # A reason may quote its case, so it is told for one case and not counted.
            reason = reason.removeprefix(f"{metric.name}: ")
            yield f"{_cases(len(faults))} cannot be scored by {metric.name}: {ids}; {first}: {reason}"


def _edges(suite: Suite) -> Iterator[str]:
    edges = sum(case.is_edge for case in suite.cases)
    if edges < SMALLEST_EDGE_SHARE * len(suite.cases):
        yield (
            f"{edges} of {_cases(len(suite.cases))} {'has' if edges == 1 else 'have'} the tag edge, which is under "
            f"{SMALLEST_EDGE_SHARE:.0%}: models fail at the edges first; add such cases, or tag those that are there"
        )


def _same(suite: Suite) -> Iterator[str]:
    groups = duplicates(suite.cases)
    if groups:
        shown = _some([" = ".join(group[:_SHOWN]) for group in groups], separator="; ")
        extra = sum(len(group) - 1 for group in groups)
        yield f"{_cases(extra)} {'asks' if extra == 1 else 'ask'} the same as another, which counts it twice: {shown}"


def _alike(suite: Suite) -> Iterator[str]:
    pairs = near_duplicates(suite.cases)
    if pairs:
        shown = _some([f"{case} ~ {earlier}" for earlier, case in pairs], separator="; ")
        yield f"{_cases(len(pairs))} {'asks' if len(pairs) == 1 else 'ask'} nearly the same as an earlier one: {shown}"


def _lopsided(suite: Suite) -> Iterator[str]:
    answers = [answer for case in suite.cases if (answer := _answer(case)) is not None]
    if len(answers) < _FEWEST_FOR_SHARES:
        return
    answer, count = Counter(answers).most_common(1)[0]
    if count > LARGEST_ANSWER_SHARE * len(answers):
        yield (
            f'{count} of {_cases(len(answers))} expect "{answer:.60}": a model that always says so would score '
            f"{count / len(answers):.0%}; balance them"
        )


def _answer(case: Case) -> str | None:
    """What is expected, in a form that can be counted: the letter where there are choices, else the first answer."""
    if not case.acceptable:
        return None
    answer = case.acceptable[0].strip()
    if case.choices:
        texts = [choice.strip() for choice in case.choices]
        return ascii_uppercase[texts.index(answer)] if answer in texts else answer.upper()
    return answer.casefold()


def _cases(count: int) -> str:
    return "1 case" if count == 1 else f"{count:,} cases"


def _some(items: Sequence[str], separator: str = ", ") -> str:
    """The first few of `items`, and how many more there are."""
    more = f"{separator}and {len(items) - _SHOWN:,} more" if len(items) > _SHOWN else ""
    return separator.join(items[:_SHOWN]) + more
