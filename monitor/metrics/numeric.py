r"""The metric `numeric`: finds the number that an answer in free text settles on and compares it with the expected one.

Which number counts, of several: the first one after the last `####`, `\boxed{` or "answer is"; else the last one that
begins a passage in bold; else the last one. Digits inside a word ("H2O", "GPT-4"), versions, dates and times are no
numbers, and a citation such as [3] is one only where there is nothing else. An expected output holds one number, or
marks its own in the same way.

How a number reads: thousands stand in groups of three set off by commas, points, apostrophes or spaces; decimals
after a comma or a point. One separator before exactly three digits leaves both readings open: "1,234" is then 1234,
"1.234" is 1.234, and the option `decimal = ","` turns that round. Signs, currencies, fractions ("3/4"), "1.5e-3" and
"1.5 × 10^-3" are understood. A percentage is its number and its share (25% is 25, and 0.25), but two percentages are
compared as such. "3.5 million" is 3,500,000, and in an answer also 3.5, where the expected output names no unit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache, partial

from monitor.domain.case import Case
from monitor.metrics.metric import Plan, UnscorableError, texts
from monitor.metrics.text import ends

_LONGEST = 120  # characters of one number; a longer run of digits is an identifier or an attack
_EXPONENT_AT_MOST = 400
_SCALES = {"thousand": 3, "k": 3, "million": 6, "m": 6, "billion": 9, "bn": 9, "b": 9, "trillion": 12}
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺−–", "0123456789-+--")
_THIN = "\u00a0\u2007\u2009\u202f"  # the spaces that typesetters put between thousands

# Every repeat is possessive or bounded: the time is linear in the text, whatever is in it.
_TOKEN = re.compile(
    rf"""
    (?<!\w) (?<!\d[.,'’:/]) (?<![^\W\d][-−–])       # not inside a word, a name or a longer token
    (?: (?P<other> \d++(?:/\d++){{2,}}+ | \d{{4}}-\d\d?-\d\d?(?!\d) | \d++(?::\d++)++ )     # dates and times
    | (?P<sign>[-+−–])? (?:[$€£¥₹]\s?(?P<inner>[-−])?)?
      (?:(?P<whole>\d{{1,6}})\ (?=\d++/\d))?
      (?P<body> \d{{1,3}}(?:[ {_THIN}]\d{{3}}){{1,9}}(?!\d)(?:[.,]\d++)?+ | \d++(?:[.,'’]\d++)*+ | (?<!\.)\.\d++ )
      (?: /(?P<bottom>\d++)
        | [eE](?P<e>[-+−]?\d++)(?!\w)
        | \s?(?:×|x|\*|·|\\times|\\cdot)\s?10(?:\^\{{?(?P<ten>[-+−–]?\d++)\}}?|(?P<up>[⁻⁺]?[⁰¹²³⁴⁵⁶⁷⁸⁹]++))
      )?+
      (?: \s?(?P<percent>%|per\ ?cent\b)
        | (?: \s(?P<scale>thousand|million|billion|trillion) | (?P<short>k|K|M|B|bn) )\b )?+
    )
    """,
    re.VERBOSE,
)
_MARK = re.compile(r"####|\\boxed\s?\{|\banswer\b[^.:=\n]{0,60}?(?:\bis\b|\bequals\b|\bwould be\b|[:=])", re.IGNORECASE)
_AFTER_MARK = 200  # characters in which the number must stand
_BOLD = re.compile(r"\*\*([^*\n]{1,80})\*\*")
_CITATION = re.compile(r"\[\d{1,3}(?:, ?\d{1,3}){0,20}\]")
_LATEX = re.compile(r"\\[dt]?frac\{(\d{1,20})\}\{(\d{1,20})\}|\\([$%])|\{(,)\}|\\([,;!]) ?(?=\d)")


@dataclass(frozen=True, slots=True)
class Number:
    """A number as written; `scaled` is what it comes to with its percent sign or its "million", None without one."""

    plain: Fraction
    scaled: Fraction | None = None
    percent: bool = False


def numeric(answer: str, expected: Number, *, tolerance: float, absolute: float, decimal: str) -> float:
    """1 where the answer's number is no further from `expected` than max(tolerance × |expected|, absolute), else 0.

    Computed in exact fractions; an answer without a number is 0.
    """
    said = settled(answer, decimal)
    if said is None:
        return 0.0
    relative, floor = Fraction(str(tolerance)), Fraction(str(absolute))
    return float(any(abs(a - e) <= max(relative * abs(e), floor) for a, e in _readings(said, expected)))


def _readings(said: Number, expected: Number) -> Iterator[tuple[Fraction, Fraction]]:
    """The pairs of values by which an answer may equal the expected number."""
    if said.scaled is not None and expected.scaled is not None:
        yield said.scaled, expected.scaled
        return
    wanted = [expected.plain] if expected.scaled is None or expected.percent else []
    wanted += [] if expected.scaled is None else [expected.scaled]
    for value in wanted:
        yield said.plain, value
        if said.scaled is not None:
            yield said.scaled, value


def settled(text: str, decimal: str = ".") -> Number | None:
    """The number that `text` settles on, or None where it holds none."""
    text = _LATEX.sub(_without_latex, ends(text))
    marked = _marked(text, decimal)
    return marked or next(reversed(_all(text, decimal)), None)


def _marked(text: str, decimal: str) -> Number | None:
    """The number after the last mark of a result, or in the last passage in bold that begins with one."""
    plain = text.replace("**", "").replace("`", "")
    for mark in reversed(list(_MARK.finditer(plain))):
        found = next(_numbers(plain[mark.end() : mark.end() + _AFTER_MARK], decimal), None)
        if found is not None:
            return found
    for bold in reversed(list(_BOLD.finditer(text))):
        passage = bold[1].strip(" =≈~")
        token = _TOKEN.match(passage)
        if token and not passage.startswith((". ", ")", ":"), token.end()):
            found = _number(token, decimal)
            if found is not None:
                return found
    return None


def _all(text: str, decimal: str) -> list[Number]:
    plain = text.replace("**", "").replace("`", "")
    return list(_numbers(_CITATION.sub(" ", plain), decimal)) or list(_numbers(plain, decimal))


def _numbers(text: str, decimal: str) -> Iterator[Number]:
    for token in _TOKEN.finditer(text):
        number = _number(token, decimal)
        if number is not None:
            yield number


def _number(token: re.Match[str], decimal: str) -> Number | None:
    if token["other"] or len(token[0]) > _LONGEST:
        return None
    value = _plain(token["body"], decimal)
    exponent = int((token["e"] or token["ten"] or token["up"] or "0").translate(_SUPERSCRIPTS))
    if value is None or abs(exponent) > _EXPONENT_AT_MOST:
        return None
    value *= Fraction(10) ** exponent
    if token["bottom"]:
        if not int(token["bottom"]):
            return None
        value = value / int(token["bottom"]) + int(token["whole"] or 0)
    if (token["sign"] or token["inner"] or "+") != "+":
        value = -value
    if token["percent"]:
        return Number(value, value / 100, percent=True)
    scale = token["scale"] or token["short"]
    return Number(value, value * 10 ** _SCALES[scale.lower()] if scale else None)


def _plain(body: str, decimal: str) -> Fraction | None:
    """The value of digits with separators, or None where they do not make a number, as in a version."""
    separators = re.sub(r"\d", "", re.sub(f"[ ’{_THIN}]", "'", body))
    groups = re.split(r"\D", body)
    last = separators[-1:]
    if not last or separators == "'" or (len(set(separators)) == 1 and len(separators) > 1):
        return _grouped(groups)
    if len(separators) == 1:
        thousands = last != decimal and len(groups[1]) == 3 and 1 <= len(groups[0]) <= 3 and groups[0][0] != "0"
        return _grouped(groups) if thousands else Fraction(f"{groups[0] or '0'}.{groups[1]}")
    if last in separators[:-1] or last == "'" or len(set(separators)) > 2:
        return None
    whole = _grouped(groups[:-1])
    return None if whole is None else whole + Fraction(f"0.{groups[-1]}")


def _grouped(groups: list[str]) -> Fraction | None:
    """The integer whose digits stand in `groups`: one group of any length, or up to three digits and then threes."""
    if len(groups) > 1 and not (1 <= len(groups[0]) <= 3 and all(len(g) == 3 for g in groups[1:])):
        return None
    return Fraction(int("".join(groups)))


def _without_latex(found: re.Match[str]) -> str:
    if found[1]:
        return f"{found[1]}/{found[2]}"
    return found[3] or found[4] or ""


@lru_cache(maxsize=4096)
def _expected(text: str, decimal: str) -> Number | str:
    """The number of an expected output, or what is wrong with it."""
    latex_free = _LATEX.sub(_without_latex, text)
    marked = _marked(latex_free, decimal)
    found = [marked] if marked else _all(latex_free, decimal)
    if not found:
        return f"no number in the expected output {text[:60]!r}"
    if len(found) > 1:
        return f"{len(found)} numbers in the expected output {text[:60]!r}; leave the one that answers must give"
    return found[0]


def _read(case: Case, decimal: str) -> tuple[Number, ...]:
    read = [_expected(text, decimal) for text in texts(case)]
    numbers = tuple(n for n in read if isinstance(n, Number))
    if not numbers:
        raise UnscorableError(str(read[0]))
    return numbers


def numeric_plan(tolerance: float, absolute: float, decimal: str) -> Plan:
    """The plan of `numeric`: `tolerance` is relative to the expected number, `absolute` a floor for those near zero."""
    return Plan(
        partial(_read, decimal=decimal),
        partial(numeric, tolerance=tolerance, absolute=absolute, decimal=decimal),
    )
