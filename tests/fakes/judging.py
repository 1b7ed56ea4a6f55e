"""A judge for the provider on loopback: fills in the form that a request asks for, by a function of the question."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from typing import Any


def schema_of(body: dict[str, Any]) -> dict[str, Any] | None:
    """The JSON schema in a request of either protocol, None where it has none."""
    chat = body.get("response_format") or {}
    if chat:
        return chat["json_schema"]["schema"]  # type: ignore[no-any-return]
    return ((body.get("output_config") or {}).get("format") or {}).get("schema")  # type: ignore[no-any-return]


def blocks(question: str, name: str) -> list[str]:
    """The texts that a judge is shown under a name: ANSWER, INPUT, REFERENCE or CONTEXT."""
    fence = rf"^<<<{name}(?: \d+)? (?P<nonce>[0-9a-f]+)>>>\n(?P<text>.*?)^<<<END {name}(?: \d+)? (?P=nonce)>>>"
    found = re.finditer(fence, question, re.DOTALL | re.MULTILINE)
    return ["\n".join(line.removeprefix("| ") for line in one["text"].splitlines()) for one in found]


def by_reference(strict: float = 0.0) -> Callable[[str, tuple[str, ...]], str]:
    """What `judging` takes: an answer is right where it is one of its references, but for a share of `strict` of these.

    Which ones these are follows from the answer and its case alone.
    """

    def decide(question: str, path: tuple[str, ...]) -> str:
        (answer,), asked = blocks(question, "ANSWER"), blocks(question, "INPUT")
        draw = int.from_bytes(hashlib.sha256(json.dumps([answer, asked]).encode()).digest()[:8], "big") / 2**64
        return "met" if answer in blocks(question, "REFERENCE") and draw >= strict else "not_met"

    return decide


def judging(decide: Callable[[str, tuple[str, ...]], str]) -> Callable[[dict[str, Any]], str]:
    """A `judge` for `ProviderServer`: `decide(question, path of keys)` gives each value that is one of several."""

    def judge(body: dict[str, Any]) -> str:
        schema, question = schema_of(body), str(body["messages"][-1]["content"])
        if schema is None:
            return "I would rather talk about it."
        return json.dumps(_filled(schema, lambda path: decide(question, path), ()))

    return judge


def _filled(schema: dict[str, Any], decide: Callable[[tuple[str, ...]], str], path: tuple[str, ...]) -> Any:
    if "enum" in schema:
        value = decide(path)
        assert value in schema["enum"], (value, path)
        return value
    if schema["type"] == "object":
        assert list(schema["properties"]) == schema["required"]
        assert schema["additionalProperties"] is False
        return {key: _filled(inner, decide, (*path, key)) for key, inner in schema["properties"].items()}
    return [] if schema["type"] == "array" else ""
