"""The metric `regex`: whether a pattern is found in the answer, with a guard against answers that make it explode.

A pattern means what Python's `re` says it means. It is run by the `regex` engine, because a search of `re` cannot be
stopped: one answer that makes a pattern backtrack for hours would hang the run every week. A search that takes longer
than SECONDS, or an answer longer than LONGEST, is unscored with the reason; it is not a wrong answer.
"""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

from monitor.domain.case import Case
from monitor.metrics.metric import Plan, UnscorableError, texts

LONGEST = 200_000  # characters of an answer
SECONDS = 2.0  # for one search; a sound pattern takes milliseconds

# `regex` reads {e}, {i}, {s} and {d} as fuzzy matching where `re` reads them as themselves, as in LaTeX's \frac{d}{e}.
_LITERAL_BRACE = re.compile(r"(?P<keep>\\N\{[^}]*\}|\\.|\{(?=\d*,?\d*\})(?!\}))|\{", re.DOTALL)


@dataclass(frozen=True)
class Pattern:
    """A pattern that `re` accepts, ready to search; ValueError says what is wrong with it."""

    source: str
    ignore_case: bool

    def __post_init__(self) -> None:
        _compiled(self.source, self.ignore_case)


@lru_cache(maxsize=4096)
def _compiled(source: str, ignore_case: bool) -> Any:
    import regex  # type: ignore[import-untyped]  # ships no types

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            re.compile(source)
            twin = _LITERAL_BRACE.sub(lambda m: m["keep"] or r"\{", source)
            return regex.compile(twin, regex.VERSION0 | (regex.IGNORECASE if ignore_case else 0))
    except (re.error, regex.error, Warning, RecursionError, OverflowError) as error:
        raise ValueError(f"is not a valid pattern: {error} (in {source[:80]!r})") from None


def regex_search(answer: str, pattern: Pattern) -> float:
    """1 where `pattern` is found anywhere in `answer`, else 0; UnscorableError where looking would take too long."""
    if len(answer) > LONGEST:
        raise UnscorableError(f"the answer has {len(answer)} characters; patterns are searched in up to {LONGEST}")
    try:
        return float(_compiled(pattern.source, pattern.ignore_case).search(answer, timeout=SECONDS) is not None)
    except TimeoutError:
        raise UnscorableError(
            f"the pattern {pattern.source[:80]!r} took over {SECONDS:g} s on this answer; repeats inside repeats,"
            " as in (a|aa)+, are the usual cause"
        ) from None


def parse_pattern(value: Any) -> str:
    """The option `pattern`: a pattern that `re` accepts."""
    if not isinstance(value, str) or not value:
        raise ValueError("must be a pattern in quotes")
    _compiled(value, False)
    return value


def _patterns(case: Case, ignore_case: bool) -> tuple[Pattern, ...]:
    try:
        return tuple(Pattern(source, ignore_case) for source in texts(case))
    except ValueError as error:
        raise UnscorableError(f"`expected` {error}") from None


def _fixed(_case: Case, pattern: Pattern) -> tuple[Pattern, ...]:
    return (pattern,)


def regex_plan(pattern: str | None, ignore_case: bool) -> Plan:
    """The plan of `regex`: one `pattern` for all cases or, without it, each case's expected outputs as patterns."""
    if pattern is None:
        return Plan(partial(_patterns, ignore_case=ignore_case), regex_search)
    return Plan(partial(_fixed, pattern=Pattern(pattern, ignore_case)), regex_search)
