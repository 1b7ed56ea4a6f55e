"""What a judge says of one criterion."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """The answer to a criterion's question; `cannot_tell` is an honest one, and never counted as a failure."""

    MET = "met"
    NOT_MET = "not_met"
    NOT_APPLICABLE = "not_applicable"
    CANNOT_TELL = "cannot_tell"


@dataclass(frozen=True, slots=True)
class Vote:
    """A verdict with the words it rests on, quoted from what was judged; a model wrote the evidence."""

    verdict: Verdict
    evidence: str = ""
