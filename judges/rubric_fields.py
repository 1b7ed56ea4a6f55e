"""What the keys of a rubric's file may hold: values become a `Rubric`, and everything that is wrong is noted."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

import regex  # type: ignore[import-untyped]  # ships no types

from judges.rubric import EVERYTHING, Criterion, Rubric, Sees

MOST_CRITERIA = 12
RESERVED = ("cannot_tell", "criteria", "evidence", "met", "not_applicable", "not_met", "overall", "score", "verdict")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_NAME_RULE = "must be 1 to 40 lower-case letters, digits and underscores, beginning with a letter"
_HEAVIEST, _LIGHTEST = 1e6, 1e-6
_TOP = ("name", "version", "description", "criteria")
_KEYS = ("id", "question", "weight", "required", "applies_when", "sees")
# What nobody sees, and what is not written down the same way by everyone: a rubric is shown and hashed.
_INVISIBLE = regex.compile(r"[[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2800]--[\t\n]]", regex.V1)


@dataclass(slots=True)
class Found:
    """Faults as they are found, each with its place in the file (None: the file as a whole)."""

    faults: list[tuple[str | None, str]] = field(default_factory=list)

    def add(self, place: str | None, message: str) -> None:
        """Notes one fault."""
        self.faults.append((place, message))


@dataclass(frozen=True, slots=True)
class _Table:
    """One table of the file: reads its keys, and notes what is wrong under their places."""

    values: Mapping[str, Any]
    found: Found
    prefix: str = ""
    id: str | None = None

    def fault(self, key: str, message: str) -> None:
        self.found.add(f"{self.prefix}{_shown(key)}{f' ({self.id})' if self.id else ''}", message)

    def unknown(self, known: Iterable[str]) -> None:
        known = tuple(known)
        for key in self.values:
            if key in known:
                continue
            if self.prefix and key in _TOP:
                self.fault(key, "belongs to the whole rubric: write it above the first [[criteria]]")
                continue
            near = get_close_matches(key.lower()[:100], known, n=1)
            guess = f'; did you mean "{near[0]}"?' if near else f": the keys are {', '.join(known)}"
            self.fault(key, f"unknown key{guess}")

    def text(self, key: str, shortest: int, longest: int, remedy: str) -> str | None:
        """The text under `key` on one line, or None where it is missing or wrong."""
        value = self.values.get(key)
        if value is None:
            self.fault(key, f"is missing: {remedy}")
            return None
        if not isinstance(value, str):
            self.fault(key, f"must be text in quotes, not {_kind(value)}")
            return None
        if hidden := _INVISIBLE.search(value):
            what = f"U+{ord(hidden[0]):04X}"
            self.fault(
                key, f"holds a control or invisible character ({what}, character {hidden.start() + 1}): remove it"
            )
            return None
        line = " ".join(value.split())
        if not shortest <= len(line) <= longest:
            self.fault(key, f"has {len(line)} characters, and must have {shortest} to {longest}: {remedy}")
            return None
        return line

    def name(self, key: str, remedy: str) -> str | None:
        """The name under `key`."""
        value = self.values.get(key)
        if isinstance(value, str) and not _NAME.fullmatch(value):
            self.fault(key, f"{_shown(value)} {_NAME_RULE}")
            return None
        return self.text(key, 1, 40, remedy)


def rubric_of(document: Mapping[str, Any], found: Found) -> tuple[Rubric | None, tuple[bool, ...]]:
    """The rubric, and of each criterion whether its weight is written; None where a fault was noted in `found`."""
    table = _Table(document, found)
    table.unknown(_TOP)
    name = table.name("name", 'the scorer\'s name, such as "support_answer"')
    if isinstance(version := document.get("version"), int | float):
        table.fault("version", f'must be text: write version = "{version}"')
        label = None
    else:
        label = table.text("version", 1, 40, 'write version = "1", and raise it whenever a criterion changes')
    description = table.text("description", 1, 1000, "say in a sentence what answers it is for")
    criteria = _criteria(table)
    if found.faults or name is None or label is None or description is None:
        return None, ()
    return Rubric(name, label, description, tuple(criteria)), tuple("weight" in t for t in document["criteria"])


def _criteria(table: _Table) -> list[Criterion]:
    tables = table.values.get("criteria")
    if tables is None or tables == []:
        table.fault("criteria", "is missing: write at least one [[criteria]] with an id and a question")
        return []
    if not isinstance(tables, list) or not all(isinstance(entry, dict) for entry in tables):
        table.fault("criteria", "must be a list of tables: write [[criteria]] above each")
        return []
    if len(tables) > MOST_CRITERIA:
        table.fault(
            "criteria", f"has {len(tables)}, and at most {MOST_CRITERIA} are judged well at once: drop or join some"
        )
        return []
    read = [_criterion(_Table(entry, table.found, f"criteria[{n}].", _id(entry))) for n, entry in enumerate(tables, 1)]
    first: dict[str, int] = {}
    for number, entry in enumerate(tables, 1):
        if (own := _id(entry)) is not None and first.setdefault(own, number) != number:
            table.found.add(
                f"criteria[{number}].id", f'"{own}" is the id of criteria[{first[own]}] too: give it another'
            )
    return [criterion for criterion in read if criterion is not None]


def _id(entry: Mapping[str, Any]) -> str | None:
    value = entry.get("id")
    return value if isinstance(value, str) and _NAME.fullmatch(value) else None


def _criterion(table: _Table) -> Criterion | None:
    table.unknown(_KEYS)
    name = table.name("id", 'a short name, such as "correct"')
    if name in RESERVED:
        table.fault("id", f'"{name}" is a word of the judge\'s reply: give it another')
    question = table.text("question", 10, 500, "one specific question that yes or no answers")
    if question is not None and not question.endswith("?"):
        table.fault("question", 'must end with "?": ask what yes or no answers, as in "Does the answer state …?"')
    applies = table.text("applies_when", 5, 300, "the condition, or no key") if "applies_when" in table.values else None
    weight, required, sees = _weight(table), _required(table), _sees(table)
    if name is None or question is None:
        return None
    return Criterion(name, question, weight, required, applies, sees)


def _weight(table: _Table) -> float:
    value = table.values.get("weight", 1.0)
    if isinstance(value, bool) or not isinstance(value, int | float):
        table.fault("weight", f"must be a number, not {_kind(value)}")
    elif value == 0:
        table.fault("weight", "is 0, so the criterion would count nothing: remove it, or give it a weight above 0")
    elif not _LIGHTEST <= value <= _HEAVIEST:
        table.fault(
            "weight", "must be a number above 0, from 0.000001 to 1000000: weights only say how criteria compare"
        )
    else:
        return float(value)
    return 1.0


def _required(table: _Table) -> bool:
    value = table.values.get("required", False)
    if not isinstance(value, bool):
        table.fault("required", f"must be true or false, not {_kind(value)}")
    return value is True


def _sees(table: _Table) -> frozenset[Sees]:
    value = table.values.get("sees")
    if value is None:
        return EVERYTHING
    if not isinstance(value, list):
        table.fault("sees", f'must be a list, as in sees = ["input", "reference"], not {_kind(value)}')
        return EVERYTHING
    known = [str(one) for one in Sees]
    for entry in value:
        if entry not in known:
            near = get_close_matches(entry.lower()[:100], known, n=1) if isinstance(entry, str) else []
            guess = f'; did you mean "{near[0]}"?' if near else f": there are {', '.join(known)}"
            shown = _shown(entry) if isinstance(entry, str) else _kind(entry)
            table.fault("sees", f"{shown} is nothing that can be seen beside the answer{guess}")
    return frozenset(Sees(entry) for entry in value if entry in known)


def _kind(value: object) -> str:
    """What TOML calls it."""
    kinds = {bool: "true or false", int: "a number", float: "a number", str: "text", list: "a list", dict: "a table"}
    return kinds.get(type(value), "a date or time")


def _shown(text: str) -> str:
    """A key or value fit to be shown: as it is where it is a plain word, else quoted and escaped."""
    return text if re.fullmatch(r"[A-Za-z0-9_-]{1,60}", text) else json.dumps(text[:60], ensure_ascii=True)
