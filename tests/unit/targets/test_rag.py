"""The built-in retrieval: what is indexed, what is found, what is extracted, and what a generator is asked."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.domain.answer import ErrorKind, Reply, TargetError
from monitor.domain.case import Case, Message
from monitor.targets.passages import HEADING_BYTES, PASSAGE_BYTES, PassageIndex, query, split_sentences
from monitor.targets.port import Account
from monitor.targets.rag import NOTHING_FOUND, RagTarget, extract

HOUSE = """Above any heading.

# House rules
## Bicycles
Bicycles stand in the yard. The cellar is closed to bicycles after 21:00.

## Laundry
The washing machine costs 2 euros a load. Laundry may hang in the attic for 3 days.

### Dryer
The dryer costs 1.50 euros. Do not dry wool.
"""
PETS = """## Pets
Cats are welcome. Dogs need the landlord's permission, which takes 5 days.
"""
DOCUMENTS = [("house.md", HOUSE), ("pets.md", PETS)]


class Generator:
    """A target that answers from a script and remembers what it was asked."""

    account = Account("openai:somewhere", requests_per_minute=7.0)

    def __init__(self, answer: Reply | TargetError) -> None:
        self.answer = answer
        self.asked: list[Case] = []
        self.closed = 0

    async def ask(self, case: Case) -> Reply:
        self.asked.append(case)
        if isinstance(self.answer, TargetError):
            raise self.answer
        return self.answer

    async def aclose(self) -> None:
        self.closed += 1


@pytest.fixture
def index() -> PassageIndex:
    return PassageIndex(DOCUMENTS)


def answer(question: str, index: PassageIndex, passages: int = 4) -> str:
    return extract(question, index.search(question, passages), index)


def test_sections_become_passages_under_all_their_headings(index: PassageIndex) -> None:
    assert [(p.source, p.heading) for p in index.passages] == [
        ("house.md", "house"),
        ("house.md", "House rules › Bicycles"),
        ("house.md", "House rules › Laundry"),
        ("house.md", "House rules › Laundry › Dryer"),
        ("pets.md", "Pets"),
    ]
    assert index.passages[3].headed == ("House rules › Laundry › Dryer\nThe dryer costs 1.50 euros. Do not dry wool.")


def test_a_hash_inside_a_fence_or_in_plain_text_or_without_a_space_is_no_heading() -> None:
    fenced = "# Setup\n```\n# a comment\n```\n#hashtag\n## Closed ##\nText about C#\n"
    index = PassageIndex([("a.md", fenced), ("b.txt", "# not a heading\n")])
    assert [p.heading for p in index.passages] == ["Setup", "Setup › Closed", "b"]
    assert "# a comment" in index.passages[0].text
    assert "#hashtag" in index.passages[0].text


def test_words_meet_in_other_forms_and_the_heading_counts(index: PassageIndex) -> None:
    assert index.search("washing my laundries", 1)[0].heading == "House rules › Laundry"
    assert index.search("PETS?", 1)[0].heading == "Pets"
    assert [p.heading for p in index.search("dryers", 5)] == ["House rules › Laundry › Dryer"]


def test_no_more_passages_than_asked_for(index: PassageIndex) -> None:
    question = "bicycles laundry dryer pets"
    assert len(index.search(question, 50)) == 4
    assert index.search(question, 2) == index.search(question, 50)[:2]


def test_stop_words_do_not_count_unless_they_are_all_there_is() -> None:
    assert query("What is the price of it?") == '"price"'
    assert query("Who are you?") == '"who" OR "are" OR "you"'


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("One thing. Another, e.g. a third! 2 more?", ["One thing.", "Another, e.g. a third!", "2 more?"]),
        ("It is open\nuntil 18:00. Then it shuts.", ["It is open until 18:00.", "Then it shuts."]),
        ("It costs 4.90 euros, approx. Half of it is tax.", ["It costs 4.90 euros, approx. Half of it is tax."]),
        ('He said "No." She left.', ['He said "No."', "She left."]),
        ("Bring:\n- a pass\n- two photos\n\nAnd money", ["Bring:", "a pass", "two photos", "And money"]),
        ("1. **First** do [this](https://x.example).\n2) Then `that`.", ["First do this.", "Then that."]),
        (" \n\n", []),
    ],
)
def test_sentences(text: str, found: list[str]) -> None:
    assert split_sentences(text) == found


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("what does the washing machine cost?", "The washing machine costs 2 euros a load."),
        ("For how long may laundry hang in the attic?", "Laundry may hang in the attic for 3 days."),
        ("Can I dry wool?", "Do not dry wool."),
        ("how late may I take bicycles to the cellar", "The cellar is closed to bicycles after 21:00."),
        ("What is the meaning of life?", NOTHING_FOUND),
        ("", NOTHING_FOUND),
    ],
)
def test_the_sentence_that_fits_best_is_the_answer(index: PassageIndex, question: str, expected: str) -> None:
    assert answer(question, index) == expected


def test_a_question_for_an_amount_prefers_a_sentence_with_a_figure() -> None:
    text = "# Lift\nA low fee is paid for the lift. The fee for moving house with the lift comes to 12 euros.\n"
    filler = "# Other\nNothing to see. Nothing to hear. Nothing to taste. Nothing to smell. Nothing to feel.\n"
    index = PassageIndex([("a.md", text), ("b.md", filler), ("c.md", filler)])
    assert answer("Tell me about the lift", index) == "A low fee is paid for the lift."
    assert answer("How much is the lift?", index).endswith("12 euros.")


def test_only_the_passages_handed_over_are_read(index: PassageIndex) -> None:
    pets = [p for p in index.passages if p.heading == "Pets"]
    assert extract("Are dogs or bicycles welcome?", pets, index) in split_sentences(pets[0].text)
    assert extract("bicycles", pets, index) == NOTHING_FOUND
    assert extract("bicycles", [], index) == NOTHING_FOUND


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.text(st.characters(), max_size=200))
def test_no_question_breaks_the_search(question: str) -> None:
    index = PassageIndex(DOCUMENTS)
    try:
        assert answer(question, index)
    finally:
        index.close()


@pytest.mark.parametrize(
    "hostile",
    [
        '" OR dogs',
        "dogs NEAR(cats)",
        "body : dogs",
        "dogs*",
        "NOT dogs",
        "dogs\x00cats",
        "'; DROP TABLE passages; --dogs",
    ],
)
def test_operators_in_a_question_are_words_like_others(index: PassageIndex, hostile: str) -> None:
    assert index.search(hostile, 1)[0].heading == "Pets"
    assert len(index.passages) == len(PassageIndex(DOCUMENTS).passages)


def test_a_question_of_a_million_words_is_cut() -> None:
    assert query(" ".join(f"w{i}" for i in range(1_000_000))).count(" OR ") == 63


def test_long_sections_are_cut_between_paragraphs_and_no_passage_passes_its_bound() -> None:
    paragraph = "Every sentence says a little something here. " * 12
    endless = "ü" * 5_000
    text = "# " + "long heading " * 60 + "\n" + "\n\n".join([paragraph] * 9) + "\n\n" + endless + "\n"
    index = PassageIndex([("long.md", text)])
    assert len(index.passages) >= 9 * len(paragraph) // PASSAGE_BYTES + 6
    assert all(
        len(p.text.encode()) <= PASSAGE_BYTES and len(p.heading.encode()) <= HEADING_BYTES for p in index.passages
    )
    joined = "".join(p.text for p in index.passages)
    assert joined.count("ü") == 5_000
    assert joined.count("little something") == 9 * 12


def test_a_folder_is_read_recursively_in_order_and_hidden_and_foreign_files_are_not(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / ".git").mkdir()
    for name in ("b.md", "sub/a.txt", "c.Markdown", ".git/x.md", ".hidden.md", "d.html", "sub/e.json"):
        (tmp_path / name).write_text(f"Text of {name}", encoding="utf-8")
    (tmp_path / "a.md").write_bytes(b"\xef\xbb\xbf# Mark\nText after a byte order mark")
    index = PassageIndex.from_folder(tmp_path)
    assert [p.source for p in index.passages] == ["a.md", "b.md", "c.Markdown", "sub/a.txt"]
    assert index.passages[0].heading == "Mark"


def test_a_file_name_that_is_not_utf_8_does_not_stop_the_index(tmp_path: Path) -> None:
    (Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.txt"))).write_text("Coffee is served.", encoding="utf-8")
    assert PassageIndex.from_folder(tmp_path).passages[0].source == "caf?.txt"


def test_faults_of_a_folder_name_each_file_and_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "good.md").write_text("Fine.", encoding="utf-8")
    (tmp_path / "one.md").write_bytes("Grüße".encode("latin-1"))
    (tmp_path / "two.txt").write_bytes(b"abc\xff")
    with pytest.raises(ValueError, match="save the file as UTF-8") as raised:
        PassageIndex.from_folder(tmp_path)
    lines = str(raised.value).splitlines()
    assert [line.split(":")[0] for line in lines] == [str(tmp_path / "one.md"), str(tmp_path / "two.txt")]
    assert "byte 2" in lines[0]


def test_a_missing_or_empty_folder_or_a_file_in_its_place_is_refused(tmp_path: Path) -> None:
    missing = tmp_path / "nowhere"
    with pytest.raises(ValueError, match=r"nowhere: not a folder; name the folder"):
        PassageIndex.from_folder(missing)
    with pytest.raises(ValueError, match=r"holds no text; put \.md"):
        PassageIndex.from_folder(tmp_path)
    (tmp_path / "blank.md").write_text(" \n", encoding="utf-8")
    with pytest.raises(ValueError, match="holds no text"):
        PassageIndex.from_folder(tmp_path)
    (tmp_path / "blank.md").write_text("# A heading alone\n", encoding="utf-8")
    with pytest.raises(ValueError, match="no document holds any text"):
        PassageIndex.from_folder(tmp_path)
    with pytest.raises(ValueError, match="not a folder"):
        PassageIndex.from_folder(tmp_path / "blank.md")


def test_the_fingerprint_changes_with_the_documents_alone(index: PassageIndex) -> None:
    assert index.fingerprint == PassageIndex(list(DOCUMENTS)).fingerprint
    changed = [("house.md", HOUSE.replace("3 days", "4 days")), ("pets.md", PETS)]
    moved = [("house.md", HOUSE), ("animals.md", PETS)]
    joined = [("house.md", HOUSE + "pets.md" + PETS)]
    fingerprints = {PassageIndex(d).fingerprint for d in (DOCUMENTS, changed, moved, joined)}
    assert len(fingerprints) == 4


async def test_extraction_reports_its_passages_and_the_state_of_the_index(index: PassageIndex) -> None:
    target = RagTarget(index, passages=2)
    case = Case("c", "What does the dryer cost?", expected="SECRET")
    reply = await target.ask(case)
    assert reply.text == "The dryer costs 1.50 euros."
    assert (reply.model, reply.fingerprint, reply.finish_reason) == ("extract", index.fingerprint, "stop")
    assert reply.contexts[0] == "House rules › Laundry › Dryer\nThe dryer costs 1.50 euros. Do not dry wool."
    assert len(reply.contexts) == 2
    assert await target.ask(case) == reply
    assert target.account == Account("rag:extract")
    await target.aclose()
    await target.aclose()


async def test_a_follow_up_is_searched_for_with_what_the_user_said_before(index: PassageIndex) -> None:
    turns = (
        Message("system", "You talk about dogs."),
        Message("user", "I have questions about the dryer."),
        Message("assistant", "Dogs, cats and bicycles?"),
        Message("user", "What does it cost?"),
    )
    reply = await RagTarget(index).ask(Case("c", turns))
    assert reply.text == "The dryer costs 1.50 euros."
    assert not any(context.startswith("Pets") for context in reply.contexts)


async def test_wrong_choices_are_not_searched_for(index: PassageIndex) -> None:
    reply = await RagTarget(index, 1).ask(
        Case("c", "What about the dryer?", choices=("Dogs", "Cats", "Bicycles"), expected="A")
    )
    assert reply.contexts[0].startswith("House rules › Laundry › Dryer")


async def test_a_generator_is_asked_with_the_passages_and_never_with_what_is_expected(index: PassageIndex) -> None:
    written = Reply("It is 2 euros.", model="m-1", fingerprint="fp_1", input_tokens=90, output_tokens=6)
    generator = Generator(written)
    target = RagTarget(index, passages=1, generator=generator)
    turns = (Message("system", "Be brief."), Message("user", "What does the washing machine cost?"))
    case = Case("c", turns, expected="SECRET", choices=("1", "2"), context="SECRET", cluster="k", tags=frozenset({"t"}))
    reply = await target.ask(case)
    (asked,) = generator.asked
    assert asked.messages[0] == turns[0]
    assert asked.messages[-1].role == "user"
    prompt = asked.messages[-1].content
    assert "[1] House rules › Laundry\nThe washing machine costs 2 euros a load." in prompt
    assert "[2]" not in prompt
    assert prompt.endswith("Question: What does the washing machine cost?\n\nA. 1\nB. 2")
    assert (asked.id, asked.expected, asked.context, asked.cluster, asked.tags) == ("c", None, None, None, frozenset())
    seen = f"fp_1 {index.fingerprint}"
    assert reply == replace(written, fingerprint=seen, contexts=(index.passages[2].headed,))
    assert target.account is generator.account
    await target.aclose()
    assert generator.closed == 1


async def test_a_generator_is_asked_too_when_nothing_is_found(index: PassageIndex) -> None:
    generator = Generator(Reply("They do not say."))
    reply = await RagTarget(index, generator=generator).ask(Case("c", "zzz"))
    assert "Passages:\n\n(none found)\n\nQuestion: zzz" in generator.asked[0].question
    assert (reply.contexts, reply.fingerprint) == ((), index.fingerprint)


async def test_a_generators_failure_stays_what_it_is(index: PassageIndex) -> None:
    error = TargetError(ErrorKind.RATE_LIMITED, "slow down", retry_after=3.0)
    with pytest.raises(TargetError) as raised:
        await RagTarget(index, generator=Generator(error)).ask(Case("c", "dogs"))
    assert raised.value is error


def test_no_passages_at_all_is_refused(index: PassageIndex) -> None:
    with pytest.raises(ValueError, match="at least 1, got 0"):
        RagTarget(index, passages=0)
