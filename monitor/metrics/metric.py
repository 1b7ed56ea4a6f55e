"""What a metric is: how its options are checked, a case is read, and several acceptable outputs become one score."""

from __future__ import annotations

import difflib
import hashlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from monitor.domain.case import Case
from monitor.domain.score import Score

# Beyond so many characters a key tells the options by their digest: a key has to fit the column that keeps it.
_LONGEST_OPTIONS = 120


class MetricError(ValueError):
    """A metric cannot be built as configured; asking again does not help, and the message says what to change."""

    permanent = True


class UnscorableError(Exception):
    """A metric cannot say anything about a case or an answer; the message is the reason that is shown."""


@dataclass(frozen=True, slots=True)
class Option:
    """One option of a metric: its default, and what checks and converts a configured value (ValueError)."""

    default: Any
    parse: Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Plan:
    """How a metric scores.

    `read` gives the acceptable outputs of a case in the form that `compare` wants, at least one, or raises
    UnscorableError with the reason; `compare(answer, acceptable)` gives a number in [0, 1].
    """

    read: Callable[[Case], tuple[Any, ...]]
    compare: Callable[[str, Any], float]


@dataclass(frozen=True, slots=True)
class Recipe:
    """A metric by name: what makes its plan from its options. `version` goes up when its scores change."""

    plan: Callable[..., Plan]
    options: Mapping[str, Option] = field(default_factory=dict)
    version: int = 1


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric with its options.

    `key` tells the name, the options that differ from the defaults, and the version of the implementation: two metrics
    with the same key give every answer the same score.
    """

    name: str
    key: str
    plan: Plan = field(repr=False, compare=False)

    def __call__(self, answer: str, case: Case) -> Score:
        """The best score in [0, 1] over the acceptable outputs of `case`, or unscored where the case allows none."""
        try:
            best = max([self.plan.compare(answer, expected) for expected in self.plan.read(case)])
        except UnscorableError as reason:
            return Score.unscored(f"{self.name}: {reason}")
        return Score(min(1.0, max(0.0, best)))

    def fault(self, case: Case) -> str | None:
        """Why no answer to `case` can be scored, or None where answers can be."""
        try:
            self.plan.read(case)
        except UnscorableError as reason:
            return f"{self.name}: {reason}"
        return None


def make(name: str, recipe: Recipe, given: Mapping[str, Any]) -> Metric:
    """The metric `name` by its recipe, with the options `given`; MetricError for an unknown or wrong option."""
    values = {option: spec.default for option, spec in recipe.options.items()}
    for option, value in given.items():
        if option not in recipe.options:
            raise MetricError(f'metric "{name}": unknown option "{option}"{_suggest(option, recipe.options)}')
        try:
            values[option] = recipe.options[option].parse(value)
        except ValueError as error:
            raise MetricError(f'metric "{name}": option "{option}" {error}') from None
    changed = {o: v for o, v in sorted(values.items()) if v != recipe.options[o].default}
    try:
        return Metric(name, _key(name, changed, recipe.version), recipe.plan(**values))
    except ValueError as error:
        raise MetricError(f'metric "{name}": {error}') from None


def unknown(name: str, known: Mapping[str, Recipe]) -> MetricError:
    """The error for a metric that does not exist, with the nearest ones that do."""
    near = difflib.get_close_matches(name.lower().replace("-", "_"), known, n=1)
    hint = f'; did you mean "{near[0]}"?' if near else ""
    return MetricError(f'unknown metric "{name}"{hint} The metrics are: {", ".join(sorted(known))}')


def texts(case: Case) -> tuple[str, ...]:
    """The acceptable outputs of `case` as strings; UnscorableError where it expects nothing."""
    acceptable = case.acceptable
    if not acceptable:
        raise UnscorableError("the case has no expected output; add `expected` to it")
    return acceptable


def switch(value: Any) -> bool:
    """An option that is true or false."""
    if not isinstance(value, bool):
        raise ValueError(f"must be true or false, not {_shown(value)}")
    return value


def not_negative(value: Any) -> float:
    """An option that is a finite number, 0 or more."""
    number = not isinstance(value, bool) and isinstance(value, int | float)
    if not number or not math.isfinite(value) or value < 0:
        raise ValueError(f"must be a number, 0 or more, not {_shown(value)}")
    return float(value)


def one_of(*allowed: str) -> Callable[[Any], str]:
    """An option that is one of the strings `allowed`."""

    def parse(value: Any) -> str:
        if not isinstance(value, str) or value not in allowed:
            raise ValueError(f"must be one of {', '.join(json.dumps(a) for a in allowed)}, not {_shown(value)}")
        return value

    return parse


def _key(name: str, changed: Mapping[str, Any], version: int) -> str:
    options = f"({','.join(f'{o}={json.dumps(v)}' for o, v in changed.items())})" if changed else ""
    if len(options) > _LONGEST_OPTIONS:
        options = f"(sha256:{hashlib.sha256(options.encode()).hexdigest()})"
    return f"{name}{options}{f'@{version}' if version > 1 else ''}"


def _suggest(option: str, known: Mapping[str, Option]) -> str:
    if not known:
        return "; it takes no options"
    near = difflib.get_close_matches(option, known, n=1)
    hint = f'; did you mean "{near[0]}"?' if near else ";"
    return f"{hint} It takes: {', '.join(sorted(known))}"


def _shown(value: Any) -> str:
    return f"{value!r:.60}"
