"""The bundled suites: every answer stands in its section, nothing is asked twice, and there is room to improve."""

from __future__ import annotations

import re
from collections import Counter
from itertools import combinations
from pathlib import Path

import pytest
from rapidfuzz import fuzz

import monitor
from monitor.domain.case import Case, Suite
from monitor.metrics import build_metric
from monitor.metrics.text import contains
from monitor.suites.health import warnings
from monitor.suites.load import load_suite
from monitor.targets.passages import PassageIndex
from monitor.targets.rag import RagTarget

SAMPLE = Path(monitor.__file__).parent / "sample"
HANDBOOK = SAMPLE / "handbook"
NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")
WORDS = {"one": "1", "two": "2", "three": "3", "half": "50"}  # as the handbook writes some of its numbers
OTHERWISE = {"24 months": "2 years", **{f"{h}:00": f"{h - 12} pm" for h in range(13, 24)}}
KINDS = {"ambiguous", "multi-part", "exception", "not-answerable"}


def sections() -> dict[str, str]:
    """The handbook by section, as `file/heading-in-lower-case`, each with its heading."""
    found: dict[str, str] = {}
    for path in sorted(HANDBOOK.glob("*.md")):
        for part in path.read_text(encoding="utf-8").split("\n## ")[1:]:
            heading, _, body = part.partition("\n")
            found[f"{path.stem}/{re.sub(r'[^a-z0-9]+', '-', heading.lower()).strip('-')}"] = body.strip()
    return found


SECTIONS = sections()
SUPPORT = load_suite("support", SAMPLE / "support.jsonl")
GENERAL = load_suite("general", SAMPLE / "general.jsonl")
ANSWERABLE = [c for c in SUPPORT.cases if "not-answerable" not in c.tags]


def asked(case: Case) -> str:
    return " ".join(m.content for m in case.messages)


def plain(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.lower()))


def numbers(body: str) -> set[str]:
    """The numbers that a section states, in figures, in words and in another unit."""
    found = set(NUMBER.findall(body))
    found |= {figure for word, figure in WORDS.items() if re.search(rf"\b{word}\b", body, re.IGNORECASE)}
    found |= {n.replace(",", "") for n in found}
    return found | {NUMBER.findall(other)[0] for stated, other in OTHERWISE.items() if contains(body, stated)}


def test_the_handbook_is_large_enough_and_no_section_says_the_same_as_another() -> None:
    assert 10 <= len(list(HANDBOOK.glob("*.md"))) <= 14
    assert len(SECTIONS) >= 60
    assert all(len(body.split(". ")) >= 4 for body in SECTIONS.values())
    alike = [(a, b) for a, b in combinations(SECTIONS, 2) if fuzz.ratio(SECTIONS[a], SECTIONS[b]) > 70]
    assert alike == []


def test_the_support_suite_has_the_promised_shape() -> None:
    assert len(SUPPORT.cases) == 200
    edges = [c for c in SUPPORT.cases if c.is_edge]
    assert 40 <= len(edges) <= 60
    assert all(len(c.tags & KINDS) == 1 for c in edges)
    assert not any(c.tags & KINDS for c in SUPPORT.cases if not c.is_edge)
    assert set(Counter(kind for c in edges for kind in c.tags & KINDS)) == KINDS
    assert all(c.tags - KINDS - {"edge"} for c in SUPPORT.cases), "each case has a topic"
    assert sum(isinstance(c.input, tuple) for c in SUPPORT.cases) >= 5, "conversations are asked too"


def test_every_case_rests_on_a_section_and_nearly_every_section_is_asked_about() -> None:
    used = Counter(c.cluster for c in SUPPORT.cases)
    assert set(used) <= set(SECTIONS)
    assert len(used) >= 0.95 * len(SECTIONS)
    assert max(used.values()) <= 6


@pytest.mark.parametrize("case", ANSWERABLE, ids=lambda c: c.id)
def test_the_answer_stands_in_its_section(case: Case) -> None:
    body = SECTIONS[str(case.cluster)]
    assert any(contains(body, e) for e in case.acceptable), "no acceptable answer stands in the section"
    stated = numbers(body)
    for expected in case.acceptable:
        assert set(NUMBER.findall(expected)) <= stated, f"a number of {expected!r} is not in the section"


@pytest.mark.parametrize("case", ANSWERABLE, ids=lambda c: c.id)
def test_the_question_does_not_hold_its_answer(case: Case) -> None:
    last = case.messages[-1].content
    assert not any(contains(last, e) for e in case.acceptable)


@pytest.mark.parametrize("case", [c for c in SUPPORT.cases if "not-answerable" in c.tags], ids=lambda c: c.id)
def test_what_cannot_be_answered_expects_an_admission_that_no_section_makes(case: Case) -> None:
    assert len(case.acceptable) > 5
    assert not [name for name, body in SECTIONS.items() if any(contains(body, e) for e in case.acceptable)]


def test_no_input_is_lifted_from_the_handbook() -> None:
    whole = plain(" ".join(SECTIONS.values()))
    lifted = []
    for case in SUPPORT.cases:
        words = plain(case.messages[-1].content).split()
        runs = (" ".join(words[i : i + 8]) for i in range(len(words) - 7))
        lifted += [case.id for run in runs if f" {run} " in f" {whole} "]
    assert lifted == []


@pytest.mark.parametrize("suite", [SUPPORT, GENERAL], ids=lambda s: s.name)
def test_nothing_is_asked_twice(suite: Suite) -> None:
    texts = {c.id: plain(asked(c)) for c in suite.cases}
    alike = [(a, b) for a, b in combinations(texts, 2) if fuzz.ratio(texts[a], texts[b]) >= 85]
    assert alike == []


def test_the_general_suite_has_one_right_letter_each_in_balance() -> None:
    assert len(GENERAL.cases) == 100
    assert all(len(c.choices) == len({plain(x) or x for x in c.choices}) == 4 for c in GENERAL.cases)
    assert Counter(c.expected for c in GENERAL.cases) == {"A": 25, "B": 25, "C": 25, "D": 25}
    subjects = Counter(tag for c in GENERAL.cases for tag in c.tags - {"edge"})
    assert len(subjects) >= 7
    assert min(subjects.values()) >= 5
    assert sum(subjects.values()) == 100


def test_both_suites_are_healthy() -> None:
    assert warnings(SUPPORT, [build_metric("contains", {})]) == ()
    assert warnings(GENERAL, [build_metric("choice", {})]) == ()


async def test_the_built_in_target_leaves_room_for_better_and_for_worse() -> None:
    target = RagTarget(PassageIndex.from_folder(HANDBOOK), 4)
    metric = build_metric("contains", {})
    try:
        scores = [metric((await target.ask(case)).text, case).value for case in SUPPORT.cases]
        again = [metric((await target.ask(case)).text, case).value for case in SUPPORT.cases]
    finally:
        await target.aclose()
    assert scores == again
    values = [s for s in scores if s is not None]
    assert len(values) == 200
    assert 0.70 <= sum(values) / 200 <= 0.90
