"""What is said about a suite's weaknesses, and that a healthy one gets no warning."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import monitor
from monitor.domain.case import Case, Message, Suite
from monitor.metrics import build_metric
from monitor.suites.health import warnings
from monitor.suites.load import load_suite
from monitor.suites.similar import MOST_COMPARED, duplicates, near_duplicates

SAMPLE = Path(monitor.__file__).parent / "sample"
EXACT = build_metric("exact_match", {})
NUMERIC = build_metric("numeric", {})
SUBJECTS = ["kettles", "invoices", "deliveries abroad", "gift cards", "repairs", "loyalty points", "opening hours"]
VERBS = ["cancel", "change", "compare", "find", "insure", "order", "pay for", "return", "track", "understand"]


def cases(count: int) -> tuple[Case, ...]:
    """Distinct questions, every fifth of them an edge case, each with an answer of its own."""
    tags = [frozenset({"edge"}) if number % 5 == 0 else frozenset[str]() for number in range(count)]
    return tuple(
        Case(f"c{n}", f"{VERBS[n % 10]} {SUBJECTS[n % 7]} {n * n * 7919:x}", f"{n * 7919:x} it is", tags=tags[n])
        for n in range(count)
    )


def said(found: tuple[Case, ...], *metrics) -> tuple[str, ...]:
    return warnings(Suite("s", found), metrics or (EXACT,))


def test_a_healthy_suite_gets_no_warning():
    assert said(cases(100)) == ()


def test_the_bundled_suites_are_healthy():
    assert warnings(load_suite("support", SAMPLE / "support.jsonl"), (build_metric("contains", {}),)) == ()


def test_few_cases():
    expected = "with fewer than 100, small drops cannot be told from chance; add cases"
    assert said(cases(99)) == (f"only 99 cases: {expected}",)
    assert said(cases(1)) == (f"only 1 case: {expected}",)


def test_few_edge_cases():
    plain = tuple(replace(case, tags=frozenset()) for case in cases(100))
    remedy = "which is under 10%: models fail at the edges first; add such cases, or tag those that are there"
    assert said(plain) == (f"0 of 100 cases have the tag edge, {remedy}",)
    assert said((replace(plain[0], tags=frozenset({"edge"})), *plain[1:])) == (
        f"1 of 100 cases has the tag edge, {remedy}",
    )
    assert said((*cases(50)[::5], *plain[50:], *(case for case in plain[:50] if int(case.id[1:]) % 5))) == ()


def test_cases_that_a_metric_cannot_score_are_named_with_a_reason():
    found = [replace(case, expected=str(number)) for number, case in enumerate(cases(100))]
    for number in (3, 4, 5, 6, 7, 8, 9):
        found[number] = replace(found[number], expected=None)
    found[20] = replace(found[20], expected="twelve")
    exact, numeric = said(tuple(found), EXACT, NUMERIC)
    reason = "the case has no expected output; add `expected` to it"
    assert exact == f"7 cases cannot be scored by exact_match: c3, c4, c5, c6, c7, and 2 more; c3: {reason}"
    assert numeric == f"8 cases cannot be scored by numeric: c3, c4, c5, c6, c7, and 3 more; c3: {reason}"
    numbered = [replace(case, expected="twelve" if case.id == "c20" else case.id[1:]) for case in cases(100)]
    (single,) = said(tuple(numbered), NUMERIC)
    assert single.startswith("1 case cannot be scored by numeric: c20; c20: ")


def test_questions_asked_twice():
    found = cases(100)
    again = tuple(replace(case, id=f"again-{case.id}", input=f"  {str(case.input).upper()} ?!") for case in found[:7])
    third = replace(found[0], id="third")
    (warning,) = said((*found, *again, third))
    shown = "c0 = again-c0 = third; c1 = again-c1; c2 = again-c2; c3 = again-c3; c4 = again-c4; and 2 more"
    assert warning == f"8 cases ask the same as another, which counts it twice: {shown}"
    assert said((*found, third)) == ("1 case asks the same as another, which counts it twice: c0 = third",)


def test_a_sign_makes_another_question():
    asked = ("What is 7 + 4?", "What is 7 - 4?", "What is 7 * 4?", "Is 7 < 4?", "Is 7 > 4?")
    assert duplicates([Case(text, text) for text in asked]) == []


def test_choices_and_earlier_turns_belong_to_the_question():
    earlier = (Message("user", "About kettles."), Message("assistant", "Yes?"), Message("user", "How long?"))
    found = [
        Case("a", "Which?", "A", ("Elbe", "Rhine")),
        Case("b", "Which?", "A", ("Oder", "Danube")),
        Case("c", "How long?"),
        Case("d", earlier),
        Case("e", earlier),
    ]
    assert duplicates(found) == [("d", "e")]


def test_questions_that_are_nearly_the_same_are_found_among_others():
    pairs = [
        ("Which river runs through Vienna in Austria?", "Which river runs trough Vienna in Austria?"),
        ("Can I return a gift card that I have not used yet?", "Can I return a gift card I have not used yet?"),
        ("My parcel is late, what can I do?", "My parcel's late; what can I do?"),
    ]
    different = [
        ("How long is the warranty on a kettle?", "How long is the warranty on a toaster?"),
        ("What are your opening hours on Sunday?", "What are your opening hours on Saturday?"),
        ("Do you ship to Norway?", "Do you ship to Sweden?"),
    ]
    support = load_suite("support", SAMPLE / "support.jsonl").cases
    near = [Case(f"near-{n}-{side}", text) for n, pair in enumerate(pairs) for side, text in enumerate(pair)]
    far = [Case(f"far-{n}-{side}", text) for n, pair in enumerate(different) for side, text in enumerate(pair)]
    assert near_duplicates([*support, *near, *far]) == [(f"near-{n}-0", f"near-{n}-1") for n in range(len(pairs))]
    (warning,) = said((*cases(100), *(replace(case, expected=case.id) for case in near)))
    assert warning == (
        "3 cases ask nearly the same as an earlier one: near-0-1 ~ near-0-0; near-1-1 ~ near-1-0; near-2-1 ~ near-2-0"
    )


def test_an_instruction_that_all_cases_share_does_not_make_them_alike():
    shared = "You are the customer service of a shop. Answer the question below briefly and name the rule. Question: "
    assert near_duplicates([replace(case, input=shared + str(case.input)) for case in cases(100)]) == []


def test_what_is_compared_is_bounded():
    long = "a long question " * 100
    assert near_duplicates([Case("a", long + "one"), Case("b", long + "two")]) == []
    twins = [Case("a", "Where do I find my invoice?"), Case("b", "Where do I find my invoices?")]
    fillers = [Case(f"f{n}", f"{n:x}") for n in range(MOST_COMPARED)]
    assert near_duplicates([*twins, *fillers[:200]]) == [("a", "b")]
    assert ("a", "b") not in near_duplicates([*fillers, *twins])


def test_one_answer_that_is_right_too_often():
    found = tuple(
        replace(case, expected="No." if number < 61 else case.expected) for number, case in enumerate(cases(100))
    )
    assert said(found) == ('61 of 100 cases expect "no.": a model that always says so would score 61%; balance them',)
    assert said((replace(found[0], expected="Yes"), *found[1:])) == ()


def test_letters_and_texts_of_choices_are_counted_together():
    found = tuple(
        replace(case, choices=("one", f"two {number}"), expected="A" if number % 2 else "one")
        for number, case in enumerate(cases(100))
    )
    assert said(found)[-1].startswith('100 of 100 cases expect "A": ')
