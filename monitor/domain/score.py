"""A score: a number in [0, 1], or unscored with its reason; what cannot be scored is never 0."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Score:
    """`value` in [0, 1], or None with the `reason` why there is none."""

    value: float | None
    reason: str | None = None

    def __post_init__(self) -> None:
        if self.value is None:
            if not self.reason:
                raise ValueError("an unscored answer needs its reason")
        elif not (math.isfinite(self.value) and 0.0 <= self.value <= 1.0):
            raise ValueError(f"a score must lie in [0, 1], got {self.value!r}")

    @classmethod
    def unscored(cls, reason: str) -> Score:
        """No score, because of `reason`."""
        return cls(None, reason)
