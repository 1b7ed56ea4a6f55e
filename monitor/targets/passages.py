"""A folder of Markdown and text as passages and sentences, ranked by BM25 in an SQLite index in memory."""

from __future__ import annotations

import hashlib
import re
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

SUFFIXES = frozenset({".md", ".markdown", ".txt"})
# A section longer than this (UTF-8) is cut, so that what a few passages cost in a prompt has a bound.
PASSAGE_BYTES = 1_600
HEADING_BYTES = 300
QUERY_WORDS = 64  # words of a question that are searched for; a hostile one could hold millions
HEADING_WEIGHT = 2.0  # a word of the heading says more about what a passage is about than one of its body

_WORD = re.compile(r"[^\W_]+")
_HEADING = re.compile(r" {0,3}(#{1,6})(?=[ \t]|$)(.*)")
_FENCE = re.compile(r" {0,3}(```|~~~)")
_ITEM = re.compile(r"\s*(?:[-*+]|\d{1,3}[.)])[ \t]+|\s*\|")
_LINK = re.compile(r"!?\[([^\]]{0,500})\]\([^)]{0,2000}\)")
_EMPHASIS = re.compile(r"\*\*|__|`")
_STOP = re.compile(r"(?:(?<=[.!?])|(?<=[.!?][\"'”’)]))\s+(?![a-zà-ÿ])")
_ABBREVIATION = re.compile(r"\b(?:e\.g|i\.e|cf|vs|etc|approx|incl|Mr|Mrs|Ms|Dr|St)\.$")

_COMMON = """
a about am an and any are as at be been being but by can could did do does doing don for from get give go going
got had has have having he her here hi him his how i if in into is isn it its just ll m me my no not of on or our
please re s she should so some t than thanks that the their them then there these they this those to too us ve
very was we well were what when where which who whom whose why will with would you your
"""
STOP_WORDS = frozenset(_COMMON.split())


@dataclass(frozen=True, slots=True)
class Passage:
    """A part of a document: its number in the index (from 1), its file (relative), its headings, outermost first."""

    number: int
    source: str
    heading: str
    text: str

    @property
    def headed(self) -> str:
        """The text under its heading, as a reader or a model is shown it."""
        return f"{self.heading}\n{self.text}"


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence that shares words with a question; `score` is its BM25 (higher is better), `place` its number."""

    passage: int
    place: int
    text: str
    score: float


class PassageIndex:
    """Passages of documents given as (name, text), searchable; `fingerprint` is a hash of the documents (16 digits).

    Ranking is BM25 (Robertson and Zaragoza 2009, "The Probabilistic Relevance Framework") as SQLite's FTS5 has it
    (k1 = 1.2, b = 0.75), over words reduced by Porter's stemmer (1980), which is made for English; scripts that put no
    space between words are not cut into them. Raises ValueError where no document holds any text.
    """

    def __init__(self, documents: Sequence[tuple[str, str]]) -> None:
        cut = [part for name, text in documents for part in _passages(name, text)]
        if not cut:
            raise ValueError("there is nothing to search: no document holds any text; add Markdown or text files")
        self.passages = tuple(Passage(i, *part) for i, part in enumerate(cut, start=1))
        self.fingerprint = _fingerprint(documents)
        # Only ever read once it is built, so it may be used from a thread other than the one that built it.
        self._database = sqlite3.connect(":memory:", check_same_thread=False)
        self._fill()

    @classmethod
    def from_folder(cls, folder: Path) -> PassageIndex:
        """Index every `.md`, `.markdown` and `.txt` below `folder` (UTF-8; hidden files are left out), sorted by path.

        Raises ValueError, which names the folder or each file at fault and what to do.
        """
        if not folder.is_dir():
            raise ValueError(f"{folder}: not a folder; name the folder that holds the documents (.md, .markdown, .txt)")
        documents: list[tuple[str, str]] = []
        faults: list[str] = []
        for path in sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file()):
            name = path.relative_to(folder)
            if any(part.startswith(".") for part in name.parts):
                continue
            try:
                documents.append((_printable(name), path.read_bytes().decode("utf-8-sig")))
            except UnicodeDecodeError as error:
                faults.append(f"{path}: byte {error.start} is not UTF-8; save the file as UTF-8")
            except OSError as error:
                faults.append(f"{path}: cannot be read ({error.strerror}); make it readable or move it away")
        if faults:
            raise ValueError("\n".join(faults))
        if not any(text.strip() for _, text in documents):
            raise ValueError(f"{folder}: holds no text; put .md, .markdown or .txt files with text into it")
        return cls(documents)

    def search(self, question: str, limit: int) -> list[Passage]:
        """The at most `limit` passages that fit `question` best, best first; none where they share no word with it."""
        rows = self._database.execute(
            "SELECT rowid FROM passages WHERE passages MATCH ? ORDER BY bm25(passages, ?, 1.0), rowid LIMIT ?",
            (query(question), HEADING_WEIGHT, limit),
        )
        return [self.passages[number - 1] for (number,) in rows]

    def sentences(self, question: str, passages: Sequence[Passage]) -> list[Sentence]:
        """The sentences of `passages` that share a word with `question` themselves or by their heading, best first."""
        marks = ",".join("?" * len(passages))
        rows = self._database.execute(
            f"SELECT passage, rowid, body, -bm25(sentences, 1.0, 1.0) AS score FROM sentences"  # noqa: S608 - marks alone
            f" WHERE sentences MATCH ? AND passage IN ({marks}) ORDER BY score DESC, rowid",
            (query(question), *(p.number for p in passages)),
        )
        return [Sentence(*row) for row in rows]

    def close(self) -> None:
        """Free the index; safe to call twice."""
        self._database.close()

    def _fill(self) -> None:
        table = "CREATE VIRTUAL TABLE {} USING fts5(heading, body, passage UNINDEXED, tokenize = 'porter unicode61')"
        with self._database as database:
            for name in ("passages", "sentences"):
                database.execute(table.format(name))
            database.executemany(
                "INSERT INTO passages (rowid, heading, body, passage) VALUES (?, ?, ?, ?)",
                ((p.number, p.heading, p.text, p.number) for p in self.passages),
            )
            database.executemany(
                "INSERT INTO sentences (heading, body, passage) VALUES (?, ?, ?)",
                ((p.heading, text, p.number) for p in self.passages for text in split_sentences(p.text)),
            )


def words(text: str) -> list[str]:
    """The words of `text` that are worth searching for, in order and once each: lower case, without stop words.

    A text of stop words alone ("Who are you?") keeps them: a weak search is better than none.
    """
    every = dict.fromkeys(_WORD.findall(text.lower()))
    return [w for w in every if w not in STOP_WORDS] or list(every)


def query(text: str) -> str:
    """`text` as an FTS5 query for any of its words; each is quoted, so nothing in `text` acts as an operator."""
    return " OR ".join(f'"{w}"' for w in words(text)[:QUERY_WORDS]) or '""'


def split_sentences(text: str) -> list[str]:
    """The sentences of a Markdown or plain text, in order, without marks of emphasis; an item of a list is one too."""
    found: list[str] = []
    for block in _blocks(text):
        plain = _EMPHASIS.sub("", _LINK.sub(r"\1", block))
        pending = ""
        for piece in _STOP.split(plain):
            pending = f"{pending} {piece}".strip()
            if pending and not _ABBREVIATION.search(pending):
                found.append(pending)
                pending = ""
        if pending:
            found.append(pending)
    return found


def _blocks(text: str) -> Iterator[str]:
    """Paragraphs with their lines joined, and each item of a list or row of a table by itself."""
    lines: list[str] = []
    for line in [*text.splitlines(), ""]:
        item = _ITEM.match(line)
        if (item or not line.strip()) and lines:
            yield " ".join(lines)
            lines = []
        if line.strip():
            lines.append(line[item.end() :].strip() if item else line.strip())


def _passages(name: str, text: str) -> Iterator[tuple[str, str, str]]:
    """(name, heading, text) of each passage of one document; a section that is too long is cut between paragraphs."""
    for heading, body in _sections(name, text):
        parts: list[str] = []
        size = 0
        for part in _paragraphs(body):
            count = len(part.encode()) + 2
            if parts and size + count > PASSAGE_BYTES:
                yield name, heading, "\n\n".join(parts)
                parts, size = [], 0
            parts.append(part)
            size += count
        if parts:
            yield name, heading, "\n\n".join(parts)


def _paragraphs(body: str) -> Iterator[str]:
    """The paragraphs of a section; one that is too long for a passage falls apart into sentences, or into pieces."""
    for paragraph in re.split(r"\n[ \t]*\n", body):
        if len(paragraph.encode()) <= PASSAGE_BYTES:
            yield from filter(None, [paragraph.strip()])
            continue
        for sentence in split_sentences(paragraph):
            yield from _pieces(sentence, PASSAGE_BYTES)


def _pieces(text: str, limit: int) -> Iterator[str]:
    """`text` in pieces of at most `limit` bytes, between words where it can be."""
    start = 0
    while start < len(text):
        piece = text[start : start + limit].encode()[:limit].decode(errors="ignore")
        space = piece.rfind(" ")
        if start + len(piece) < len(text) and space > 0:
            piece = piece[: space + 1]
        start += len(piece)
        if piece.strip():
            yield piece.strip()


def _sections(name: str, text: str) -> Iterator[tuple[str, str]]:
    """(heading, body) of each section; plain text, and what stands above all headings, go under the file's name."""
    markdown = not name.lower().endswith(".txt")
    above: dict[int, str] = {}
    body: list[str] = []
    fenced = False
    title = Path(name).stem.replace("-", " ").replace("_", " ")
    heading = title
    for line in text.splitlines():
        fenced ^= bool(markdown and _FENCE.match(line))
        match = _HEADING.match(line) if markdown and not fenced else None
        if match is None:
            body.append(line)
            continue
        yield heading, "\n".join(body)
        body = []
        level = len(match[1])
        above = {k: v for k, v in above.items() if k < level} | {level: match[2].strip().rstrip("#").rstrip()}
        heading = next(_pieces(" › ".join(filter(None, above.values())), HEADING_BYTES), title)
    yield heading, "\n".join(body)


def _printable(name: Path) -> str:
    """The path as text that can be stored; a byte of a file's name that is not UTF-8 becomes a question mark."""
    return name.as_posix().encode("utf-8", "replace").decode()


def _fingerprint(documents: Sequence[tuple[str, str]]) -> str:
    digest = hashlib.sha256()
    for part in (part for document in documents for part in document):
        data = part.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "big") + data)  # with lengths, so that no two folders read the same
    return digest.hexdigest()[:16]
