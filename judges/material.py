"""What is judged, with what it is judged by: nothing in it is ever an instruction."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Material:
    """One answer with its case, as text. `references`: acceptable answers; `contexts`: what the answer may rest on."""

    answer: str
    input: str
    references: tuple[str, ...] = ()
    contexts: tuple[str, ...] = ()
