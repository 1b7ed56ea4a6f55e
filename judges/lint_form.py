"""Lint of a question's form: grades, questions that yes or no does not answer, two questions in one."""

from __future__ import annotations

import re

from judges.finding import Level
from judges.lint_better import SKELETON, concrete, quoted
from judges.lint_words import AUXILIARY, HEAD, SUBJECT, TASTE, TASTE_ADVERB, THIN, VERB, Said, Wording, capital

_BEGIN = r"(?:^|[,;:.?] )"
_SCALES = (
    re.compile(r"^(?:please )?(?:rate|score|grade|rank)\b"),
    re.compile(r"^on an? [\w -]*\bscale\b|\bscale (?:of|from) (?:\d|one|zero)|(?:\d|three|five|ten)[- ]point scale\b"),
    re.compile(rf"{_BEGIN}(?:how (?:well|good|much|far|close)|to what (?:extent|degree))\b"),
    re.compile(rf"{_BEGIN}how (?!many\b)\w+ {AUXILIARY}\b(?<! would)(?<! do)"),
    re.compile(rf"{_BEGIN}how would you (?:rate|grade|score|judge|rank)\b"),
    re.compile(rf"{_BEGIN}what (?:percent(?:age)?|share|fraction|proportion|score|rating|grade)\b"),
    re.compile(r"\b(?:deserve|earn|merit|receive)s? [^?]*\b(?:out of|points|stars|marks)\b"),
    re.compile(rf"^{AUXILIARY} {SUBJECT} at least \w+ (?:out )?of \w+"),
    re.compile(r"\b\d+ ?(?:%|percent) (?:correct|accurate|complete|right|relevant|faithful|clear)\b"),
)
_DEGREE = re.compile(rf"(?:how (?:well|much|far)|to what (?:extent|degree)) ({AUXILIARY} .+)$")


def scale(wording: Wording) -> Said:
    """Grades and degrees."""
    if not any(pattern.search(wording.plain) for pattern in _SCALES):
        return None
    reason = "it asks for a grade, which judges give differently from day to day: ask for what is there or is not"
    degree = _DEGREE.search(wording.plain)
    if degree and not re.search(rf"\b(?:{TASTE}|{TASTE_ADVERB})\b", degree[1]):
        return Level.REFUSE, reason, quoted(capital(wording.text[degree.start(1) :]))
    return Level.REFUSE, reason, quoted(concrete(wording.plain, wording.criterion))


_OPEN = re.compile(r"^(?:please )?(?:what|why|how|which|who|whom|whose|where|when)\b")
_ORDER = re.compile(
    r"^(?:please )?(?:describe|list|explain|evaluate|assess|check|identify|judge|name|find|give|count|compare|consider"
    r"|decide|determine|ensure|make sure|tell|say|state|verify)\b"
)
_CHECK = re.compile(
    r"(?:please )?(?:check|verify|ensure|make sure|decide|determine) (?:that|whether|if) (.+?) (is|are) (.+)$", re.I
)
_YES_NO = re.compile(rf"{_BEGIN}{AUXILIARY}(?:n't)?\b")


def not_yes_no(wording: Wording) -> Said:
    """What yes or no does not answer."""
    if _YES_NO.search(wording.plain):
        return None
    check = _CHECK.match(wording.text)
    better = quoted(f"{capital(check[2])} {check[1]} {check[3]}" if check else SKELETON)
    if _OPEN.match(wording.plain):
        return Level.REFUSE, "yes or no does not answer it", better
    if _ORDER.match(wording.plain):
        return Level.REFUSE, "it is an order, and yes or no does not answer it", better
    if re.search(r"\b(?:the|answer)\b", wording.plain):
        return Level.WARN, 'it does not begin as a question that yes or no answers ("Does …", "Is …")', better
    return None  # another language, perhaps


_AND = r"(?:and|or|but|while|as well as)"
_DETERMINER = (
    r"(?:the|an?|its|their|that|which|what|how|why|where|when|who|each|every|all|any|no|one|at|only|for|to|with|it"
    r"|them|another|in)"
)
_SECOND_VERB = re.compile(
    rf"[ ,]{_AND}(?: also| then| to| never| not)* (?:(?:{VERB}(?:ing)?|avoid|be) {_DETERMINER}\b"
    r"|(?:explain|provide|include|contain|mention|describe|suggest|apologi[sz]e|avoid|recommend|greet)(?:s|ing)?\b)"
)
_SECOND_CLAUSE = re.compile(
    r"[ ,;](?:and|or|but)(?: also| if so,?)? ((?:is|are|does|do|has|have|can|could|would)"
    r" (?:it|the|this|that|they|every|each|all|there|not)\b.*)"
)
_PAIR = re.compile(
    rf"^(?:is|are|does|do) {SUBJECT} (?:(?:sound|seem|read|look|feel|remain|stay|be) )?(?:both )?"
    r"((?:[\w-]+, )*)([\w-]+),? (?:and|or|but|yet) (?:also )?(?:is )?(?:not )?(?:\w+ly |too |very )?([\w-]+)\?$"
)
_DONE_TWICE = re.compile(r"^(?:is|are|was|were|has|have) .*?\b(\w+ed) and (?:then |also )?(\w+ed)\?$")
_TWO = "it asks two questions, and one verdict cannot answer both"


def two(wording: Wording) -> Said:
    """Two questions in one: certain where each has its own verb and subject, likely where a second verb follows."""
    plain, text = wording.plain, wording.text
    asked = [text[found.start() : found.end()].strip() for found in re.finditer(r"[^?]+\?", plain)]
    if len(asked) > 1:
        return Level.REFUSE, _TWO, _criteria(*asked[:3])
    if match := _SECOND_CLAUSE.search(plain):
        second = re.sub(r"^(\w+) it\b", r"\1 the answer", text[match.start(1) :])
        return Level.REFUSE, _TWO, _criteria(text[: match.start()].rstrip(" ,") + "?", second)
    if "either " not in plain and (match := _SECOND_VERB.search(wording.main)):
        word = re.search(_AND, match[0])
        reason = f'"{word[0] if word else "and"}" seems to join two questions: where only one holds, verdicts differ'
        return Level.WARN, reason, _split(wording, match.start())
    if (match := _PAIR.match(plain)) and _joins(match):
        words = [*re.findall(r"[\w-]+(?=,)", match[1]), match[2], match[3]]
        questions = [f"{text[: match.start(1)]}{word}?" for word in words]
        if " not " in match[0]:
            questions[-1] = concrete(match[3], wording.criterion)
        reason = f"it asks for {len(words)} things at once, of which one may hold without the other"
        return Level.WARN, reason, _criteria(*questions)
    if match := _DONE_TWICE.search(plain):
        first, second = text[: match.start(1)], text[match.start(2) :]
        return Level.WARN, "it asks whether two things were done", _criteria(f"{first}{match[1]}?", f"{first}{second}")
    return None


def _joins(match: re.Match[str]) -> bool:
    return _quality(match[2]) or _quality(match[3]) or re.fullmatch(VERB, match[2]) is not None


def _quality(word: str) -> bool:
    return re.fullmatch(rf"{TASTE}|{THIN}|\w+(?:ful|ous|ive|able|ible|less)", word) is not None


def _split(wording: Wording, at: int) -> str:
    """The question up to `at`, where its second verb is joined, and the rest under the same beginning."""
    rest = re.sub(rf"^[ ,]+{_AND}(?: also| then| to)*\s+", "", wording.text[at:])
    head = HEAD.match(wording.text)
    second = f"{head[0]} {rest}" if head and not re.match(r"\w+ing\b", rest) else SKELETON
    return _criteria(wording.text[:at].rstrip(" ,") + "?", second)


def _criteria(*questions: str) -> str:
    return f"{len(questions)} criteria, {quoted(*map(capital, questions))}"
