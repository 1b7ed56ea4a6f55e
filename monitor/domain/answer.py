"""What a target gives back for a case: a reply, or an error that says whether asking again helps."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Reply:
    """One output of a target, with what the provider reports about it; token counts are None where it reports none.

    Of `input_tokens`, which are all that was sent, `cached_input_tokens` were read from the provider's cache and
    `cache_write_tokens` written to it. `calls`: requests that it took.
    """

    text: str
    model: str | None = None
    fingerprint: str | None = None
    finish_reason: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    contexts: tuple[str, ...] = ()
    cached_input_tokens: int | None = None
    cache_write_tokens: int | None = None
    calls: int = 1


class ErrorKind(StrEnum):
    """Why a target gave no answer."""

    RATE_LIMITED = "rate_limited"
    OVERLOADED = "overloaded"
    TIMEOUT = "timeout"
    CONNECTION = "connection"
    MALFORMED = "malformed"
    REFUSED_REQUEST = "refused_request"
    AUTHENTICATION = "authentication"
    NOT_FOUND = "not_found"
    PROGRAM = "program"


class TargetError(Exception):
    """A target gave no answer.

    `permanent`: asking the same again does not help. `fatal`: no case can be answered until someone acts
    (a refused key, a model that does not exist), and the message says what to do.
    `retry_after`: seconds the provider asked to wait, or None. `calls`: requests that were made.
    """

    def __init__(
        self,
        kind: ErrorKind,
        message: str,
        *,
        permanent: bool = False,
        fatal: bool = False,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.permanent = permanent or fatal
        self.fatal = fatal
        self.retry_after = retry_after
        self.calls = 1
