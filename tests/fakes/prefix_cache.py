"""A provider's cache of prompts' beginnings, and the usage that it reports: as OpenAI's, and as Anthropic's.

OpenAI finds by itself the longest beginning that an earlier request had too, from 1,024 tokens in steps of 128; the
form of the answer counts as its very beginning. Anthropic keeps what `cache_control` marks, from 1,024 tokens. With
both, what a request writes is there for others once its answer has begun. A token is four bytes here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

LEAST = 1024
STEP = 128
BYTES = 4


def tokens(text: bytes) -> int:
    return -(-len(text) // BYTES)


@dataclass(frozen=True)
class Reading:
    """One request: its tokens of input, those that were read and written, and what is kept once it is answered."""

    total: int
    read: int
    written: int
    kept: tuple[bytes, ...]

    def openai(self) -> dict[str, Any]:
        """The usage, without output, as chat completions have it."""
        return {"prompt_tokens": self.total, "prompt_tokens_details": {"cached_tokens": self.read, "audio_tokens": 0}}

    def anthropic(self) -> dict[str, Any]:
        """The usage, without output, as messages have it: the three counts add up to the whole."""
        rest = self.total - self.read - self.written
        return {
            "input_tokens": rest,
            "cache_read_input_tokens": self.read,
            "cache_creation_input_tokens": self.written,
        }


@dataclass
class PrefixCache:
    """What is kept, and the tokens of all answered requests: `input` in all, `cached` of them from here.

    `least` tokens are kept at the least; some models want more of them than others.
    """

    least: int = LEAST
    input: int = 0
    cached: int = 0
    _kept: set[bytes] = field(default_factory=set)

    def openai(self, body: Mapping[str, Any]) -> Reading:
        """How a chat completion meets the cache."""
        parts = [body["model"], body.get("response_format"), *body["messages"]]
        prompt = b"\n".join(json.dumps(part, sort_keys=True).encode() for part in parts)
        steps = [prompt[: n * BYTES] for n in range(self.least, len(prompt) // BYTES + 1, STEP)]
        found = [prefix for prefix in steps if prefix in self._kept]
        return Reading(tokens(prompt), tokens(found[-1]) if found else 0, 0, tuple(steps))

    def anthropic(self, body: Mapping[str, Any]) -> Reading:
        """How a message meets the cache."""
        system = body.get("system") or []
        blocks = [{"type": "text", "text": system}] if isinstance(system, str) else system
        total = sum(tokens(_text(part)) for part in [*blocks, *body["messages"]])
        marked = [i for i, block in enumerate(blocks) if block.get("cache_control")]
        if not marked:
            return Reading(total, 0, 0, ())
        kept = blocks[: marked[-1] + 1]
        size = sum(tokens(_text(block)) for block in kept)
        key = json.dumps([body["model"], body.get("output_config"), kept], sort_keys=True).encode()
        if size < self.least:
            return Reading(total, 0, 0, ())
        return Reading(total, size, 0, ()) if key in self._kept else Reading(total, 0, size, (key,))

    def answered(self, reading: Reading) -> None:
        """The answer to that request has begun."""
        self._kept.update(reading.kept)
        self.input += reading.total
        self.cached += reading.read


def _text(part: Mapping[str, Any]) -> bytes:
    content = part.get("text", part.get("content"))
    return content.encode() if isinstance(content, str) else json.dumps(content).encode()
