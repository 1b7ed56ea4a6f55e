"""Wordings that can be judged, to be proposed in place of those that cannot; each of them passes lint."""

from __future__ import annotations

import re

from judges.rubric import Criterion, Sees

COURTEOUS = "Could a courteous clerk say every sentence of the answer to a customer's face?"
SUPPORTED = "Is every statement in the answer supported by the context?"
SAME = "Does the answer say the same as the reference on what the input asks?"
COVERS = "Does the answer cover each thing that the reference covers?"
ASKED = "Does the answer state what the input asks for?"
EACH_ASKED = "Does the answer respond to each thing that the input asks?"
UPFRONT = "Does the reply to what the input asks stand within the first three sentences of the answer?"
ON_SUBJECT = "Is every sentence of the answer about what the input asks?"
READABLE = "Can a person who reads only the language of the input read the answer?"
STEP = "Does the answer name a step that the person who asked can take?"
LINES = "Does each step in the answer stand on a line of its own?"
TERMS = "Is each technical term in the answer either used in the input or explained in the answer?"
ADDS = "Does each sentence of the answer add a point to the sentences before it?"
SKELETON = "Does the answer state …?"

# The first that is found in a question decides; None stands for "right", whose wording depends on what is seen.
_QUALITIES: tuple[tuple[str, str | None], ...] = (
    (r"tone|polite|friendl|profession|courte|respectful|kind|warm|empath|rude", COURTEOUS),
    (r"struct|organi[sz]|\bformat", LINES),
    (r"well[- ]written|fluen|natural|readab|grammar|language|style|writing|wording", READABLE),
    (r"relevan|focus|concise|brief|short|to the point|length", ON_SUBJECT),
    (r"complete|comprehens|thorough|adequate|sufficien|detail|enough|cover", EACH_ASKED),
    (r"help|useful|actionable|effective|practical|satisf", STEP),
    (r"clear|clarity|understand|coheren|direct|simple|easy", UPFRONT),
    (r"", None),
)

# What a fault is called, and how its absence is asked for.
_FAULTS: tuple[tuple[str, str | None], ...] = (
    (r"jargon|technical (?:term|word)|abbreviation|acronym", TERMS),
    (
        r"hallucinat|made[- ]up|invent|confabulat|unsupported|fabricat|speculat|assumption|false|incorrect|wrong"
        r"|inaccura",
        None,
    ),
    (r"repeat|repetit|redundan", ADDS),
    (r"rude|insult|offensive|toxic|profan|condescend|blame|sarcas|hostile", COURTEOUS),
    (r"irrelevan|off[- ]topic|digress|filler|unrelated", ON_SUBJECT),
    (r"^too (?:long|wordy|verbose)", ON_SUBJECT),
    (r"^too (?:short|brief|vague|general)|incomplete|vague|omission", EACH_ASKED),
    (r"^too (?:technical|complex|difficult|hard)|confusing$", TERMS),
    (r"misleading|misstate|mislead|misinform|factual|untrue|misquote", None),
    (r"impolite|dismissive|harsh|curt", COURTEOUS),
    (r"contradict|inconsisten", "Is every statement in the answer compatible with the others?"),
)
_GERUND = re.compile(
    r"^(?:making|using|giving|adding|mentioning|including|containing|revealing|stating|showing|offering|having"
    r"|being|providing|quoting|naming|disclosing)\s+",
    re.I,
)
_NO_NOUN = re.compile(r"\w+ing\b|(?:them|him|her|it|someone|anyone|people|the \w+ feel)\b", re.I)
_ARTICLE = re.compile(r"^(?:any|all|the|an?|its|some|other)\s+", re.I)


def quoted(*questions: str) -> str:
    """One or more questions as they are shown: `"…" and "…"`."""
    return " and ".join(f'"{question}"' for question in questions)


def concrete(text: str, criterion: Criterion) -> str:
    """A question that can be judged in place of the quality that `text` speaks of."""
    for pattern, question in _QUALITIES:
        if re.search(pattern, text.lower()):
            return _right(criterion) if question is None else _seen(question, criterion)
    return SKELETON


def given(thing: str, criterion: Criterion) -> str:
    """A question that is answered yes where `thing`, which should not be left out, is there."""
    thing = thing.strip(" ?.")
    if re.match(r"(?:important|key|relevant|main|necessary|essential|critical)\b", _ARTICLE.sub("", thing.lower())):
        return _seen(EACH_ASKED, criterion)
    return f"Does the answer give {thing}?"


def absent(fault: str, criterion: Criterion, *, only_known: bool = False) -> str:
    """A positive question that is answered yes where `fault` (a noun phrase, as in "links") does not occur.

    `only_known`: `fault` may be no noun, so that without a wording of its own there is only the beginning of one.
    """
    fault = fault.strip(" ?.")
    lowered = fault.lower()
    for pattern, question in _FAULTS:
        if re.search(pattern, lowered):
            return _right(criterion, every=True) if question is None else _seen(question, criterion)
    thing = _ARTICLE.sub("", _GERUND.sub("", fault))
    if only_known or lowered.startswith("too ") or not thing or len(thing.split()) > 6 or _NO_NOUN.match(thing):
        return "Does every sentence of the answer …?"
    return f"Would the answer stay the same with all {thing} taken out?"


def _right(criterion: Criterion, *, every: bool = False) -> str:
    if every and Sees.CONTEXT in criterion.sees:
        return SUPPORTED
    if Sees.REFERENCE in criterion.sees:
        return SAME
    if Sees.CONTEXT in criterion.sees:
        return SUPPORTED
    return ASKED


def _seen(question: str, criterion: Criterion) -> str:
    """The question about the reference's parts instead of the input's, where the criterion sees a reference."""
    return COVERS if question == EACH_ASKED and Sees.REFERENCE in criterion.sees else question
