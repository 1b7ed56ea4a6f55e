"""Checks the fields of one case, whatever file they come from, and makes the case of them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from string import ascii_uppercase
from typing import Any

from monitor.config.faults import did_you_mean, listing
from monitor.domain.case import Case, Message

FIELDS = ("id", "input", "expected", "choices", "tags", "cluster", "context")
ROLES = ("system", "user", "assistant")
LONGEST_ID = 200  # characters
LONGEST_TEXT = 1_000_000  # characters
MOST_TAGS = 100
MOST_MESSAGES = 1_000
DEEPEST = 32  # levels of lists and objects in `expected`
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class FieldFault:
    """What is wrong with one field."""

    field: str
    message: str


def case_from(fields: dict[str, Any]) -> tuple[Case | None, list[FieldFault]]:
    """The case, or None with everything that is wrong with it; a field that is null counts as left out."""
    given = {name: value for name, value in fields.items() if value is not None}
    faults = [FieldFault(*_unknown(name)) for name in fields if name not in FIELDS]
    for check in (_id, _input, _expected, _choices, _tags, _plain_texts):
        faults += [FieldFault(field, message) for field, message in check(given)]
    if faults:
        return None, sorted(faults, key=lambda fault: FIELDS.index(fault.field) if fault.field in FIELDS else -1)
    asked = given["input"]
    turns = asked if isinstance(asked, str) else tuple(Message(turn["role"], turn["content"]) for turn in asked)
    return Case(
        id=given["id"],
        input=turns,
        expected=given.get("expected"),
        choices=tuple(given.get("choices", ())),
        tags=frozenset(given.get("tags", ())),
        cluster=given.get("cluster") or None,
        context=given.get("context") or None,
    ), []


Findings = Iterator[tuple[str, str]]


def _unknown(name: str) -> tuple[str, str]:
    shown = name if name.isprintable() and 0 < len(name) <= 80 else f"{name[:80]!a}"
    return shown, f"unknown field{did_you_mean(name, FIELDS) or f'; a case has {listing(FIELDS)}'}"


def _id(given: dict[str, Any]) -> Findings:
    if "id" not in given:
        yield "id", "is missing"
        return
    value = given["id"]
    if not isinstance(value, str):
        yield "id", "must be text in quotes"
    elif not value.strip():
        yield "id", "must not be empty"
    elif len(value) > LONGEST_ID:
        yield "id", f"is longer than {LONGEST_ID} characters"
    elif value != value.strip() or not value.isprintable():
        yield "id", "must be printable, without spaces at its ends"


def _input(given: dict[str, Any]) -> Findings:
    if "input" not in given:
        yield "input", "is missing"
        return
    value = given["input"]
    if isinstance(value, list):
        yield from _messages(value)
        return
    fault = _text_fault(value) if isinstance(value, str) else "must be text in quotes, or a list of messages"
    if fault is not None:
        yield "input", fault


def _messages(turns: list[Any]) -> Findings:
    if not turns:
        yield "input", "must hold at least one message"
    elif len(turns) > MOST_MESSAGES:
        yield "input", f"holds more than {MOST_MESSAGES:,} messages"
    before = len(turns)
    for number, turn in enumerate(turns[:MOST_MESSAGES], 1):
        what = f"message {number}"
        if not (isinstance(turn, dict) and set(turn) == {"role", "content"}):
            yield "input", f'{what}: must be {{"role": "…", "content": "…"}}'
            continue
        before = number
        if turn["role"] not in ROLES:
            yield "input", f"{what}: role must be one of {listing(ROLES)}"
        fault = _text_fault(turn["content"]) if isinstance(turn["content"], str) else "must be text in quotes"
        if fault is not None:
            yield "input", f"{what}: content {fault}"
    last = turns[-1] if turns and before == len(turns) else None
    if isinstance(last, dict) and last.get("role") in ("system", "assistant"):
        yield "input", "the last message must be the user's, because it is the one to answer"


def _text_fault(text: str, *, may_be_empty: bool = False) -> str | None:
    """Why `text` cannot be asked or stored; None if it can."""
    if not text.strip() and not may_be_empty:
        return "must not be empty"
    if len(text) > LONGEST_TEXT:
        return f"is longer than {LONGEST_TEXT:,} characters"
    if "\0" in text:
        return "holds the character NUL, which databases and command lines do not take"
    if _SURROGATE.search(text):
        return "holds half of a surrogate pair, which is not text: write the character itself"
    return None


def _expected(given: dict[str, Any]) -> Findings:
    fault = _json_fault(given.get("expected"), DEEPEST)
    if fault is not None:
        yield "expected", fault


def _json_fault(value: Any, levels: int) -> str | None:
    if isinstance(value, str):
        return _text_fault(value, may_be_empty=True)
    if isinstance(value, float) and not math.isfinite(value):
        return "holds a number that is too large"
    if not isinstance(value, list | dict):
        return None
    if levels == 0:
        return f"is nested more than {DEEPEST} deep"
    parts = [*value, *value.values()] if isinstance(value, dict) else value
    return next((fault for part in parts if (fault := _json_fault(part, levels - 1)) is not None), None)


def _choices(given: dict[str, Any]) -> Findings:
    if "choices" not in given:
        return
    choices = given["choices"]
    if not (isinstance(choices, list) and all(isinstance(choice, str) for choice in choices)):
        yield "choices", "must be a list of strings"
        return
    if not 2 <= len(choices) <= len(ascii_uppercase):
        yield "choices", f"must be 2 to {len(ascii_uppercase)}, and there are {len(choices)}"
        return
    for number, choice in enumerate(choices, 1):
        fault = _text_fault(choice)
        if fault is not None:
            yield "choices", f"choice {number} {fault}"
            return
    plain = [choice.strip() for choice in choices]
    for number, choice in enumerate(plain):
        if choice in plain[:number]:
            yield "choices", f"choices {plain.index(choice) + 1} and {number + 1} are the same"
            return
    expected = given.get("expected")
    for right in expected if isinstance(expected, list) and expected else [expected]:
        fault = None if right is None else _choice_fault(right, plain)
        if fault is not None:
            yield "expected", fault


def _choice_fault(right: Any, choices: list[str]) -> str | None:
    """Why `right` does not name one of `choices` by its letter or its text; None if it does."""
    letters = ascii_uppercase[: len(choices)]
    wanted = f"must be a letter from A to {letters[-1]} or the text of a choice"
    if not isinstance(right, str):
        return wanted
    wanted_letter = right.strip().upper()
    is_letter, is_text = len(wanted_letter) == 1 and wanted_letter in letters, right.strip() in choices
    if is_letter and is_text and choices[letters.index(wanted_letter)] != right.strip():
        return "is the letter of one choice and the text of another: write the letter, and reword that choice"
    if is_letter or is_text:
        return None
    return f"{wanted}{did_you_mean(right, choices)}"


def _tags(given: dict[str, Any]) -> Findings:
    tags = given.get("tags", [])
    if not (isinstance(tags, list) and all(isinstance(tag, str) for tag in tags)):
        yield "tags", "must be a list of strings"
    elif len(tags) > MOST_TAGS:
        yield "tags", f"must be {MOST_TAGS} at most"
    elif any(not tag or tag != tag.strip() or not tag.isprintable() or len(tag) > LONGEST_ID for tag in tags):
        yield "tags", "each must be printable and not empty, without spaces at its ends"


def _plain_texts(given: dict[str, Any]) -> Findings:
    for field in ("cluster", "context"):
        value = given.get(field, "")
        fault = _text_fault(value, may_be_empty=True) if isinstance(value, str) else "must be text in quotes"
        if fault is not None:
            yield field, fault
