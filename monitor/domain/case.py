"""A case: one input with its expected output, as it stands in a suite's file."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from functools import cached_property
from string import ascii_uppercase

Json = object  # any JSON value: None, bool, int, float, str, list or dict
EDGE_TAG = "edge"


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation; `role` is `system`, `user` or `assistant`."""

    role: str
    content: str


@dataclass(frozen=True)
class Case:
    """One input with its expected output.

    `expected` is a string, a list of acceptable strings, any other JSON value, or None where there is none.
    With `choices`, it is the letter or the text of the right choice.
    """

    id: str
    input: str | tuple[Message, ...]
    expected: Json = None
    choices: tuple[str, ...] = ()
    tags: frozenset[str] = field(default_factory=frozenset)
    cluster: str | None = None
    context: str | None = None

    @property
    def messages(self) -> tuple[Message, ...]:
        """What a chat model is asked: the turns of the input, with the lettered choices after the last one."""
        turns = (Message("user", self.input),) if isinstance(self.input, str) else self.input
        if not self.choices:
            return turns
        last = turns[-1]
        return (*turns[:-1], Message(last.role, f"{last.content}\n\n{self.lettered_choices}"))

    @property
    def question(self) -> str:
        """The input as one text: the last turn, with the lettered choices, for targets that take no conversation."""
        return self.messages[-1].content

    @property
    def lettered_choices(self) -> str:
        """The choices, one a line, as `A. text`."""
        return "\n".join(f"{ascii_uppercase[i]}. {text}" for i, text in enumerate(self.choices))

    @property
    def acceptable(self) -> tuple[str, ...]:
        """The acceptable outputs as strings; empty where nothing is expected; other JSON values as compact JSON."""
        if self.expected is None:
            return ()
        if isinstance(self.expected, str):
            return (self.expected,)
        if isinstance(self.expected, list) and self.expected and all(isinstance(e, str) for e in self.expected):
            return tuple(self.expected)
        return (json.dumps(self.expected, ensure_ascii=False, sort_keys=True, separators=(",", ":")),)

    @property
    def is_edge(self) -> bool:
        """Whether the case is tagged as an edge case."""
        return EDGE_TAG in self.tags

    def as_json(self) -> dict[str, object]:
        """The case as it would stand in a JSON Lines file, without empty fields; tags sorted."""
        turns = (
            self.input if isinstance(self.input, str) else [{"role": m.role, "content": m.content} for m in self.input]
        )
        fields: dict[str, object] = {"id": self.id, "input": turns}
        if self.expected is not None:
            fields["expected"] = self.expected
        if self.choices:
            fields["choices"] = list(self.choices)
        if self.tags:
            fields["tags"] = sorted(self.tags)
        if self.cluster is not None:
            fields["cluster"] = self.cluster
        if self.context is not None:
            fields["context"] = self.context
        return fields

    @cached_property
    def fingerprint(self) -> str:
        """Hash of what is asked and expected (hex, 16 digits); tags and cluster may change without changing it."""
        asked = {k: v for k, v in self.as_json().items() if k not in ("tags", "cluster")}
        text = json.dumps(asked, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


@dataclass(frozen=True)
class Suite:
    """A held-out test set: its cases in the order of the file."""

    name: str
    cases: tuple[Case, ...]

    @cached_property
    def fingerprint(self) -> str:
        """Hash of the cases' fingerprints, whatever their order (hex, 16 digits)."""
        parts = "\n".join(sorted(f"{c.id}\t{c.fingerprint}" for c in self.cases))
        return hashlib.sha256(parts.encode("utf-8", "surrogatepass")).hexdigest()[:16]
