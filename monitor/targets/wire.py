"""What the kinds of target that speak HTTP share: faults off the wire as errors, waits, and text made safe."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from monitor.domain.answer import ErrorKind, TargetError
from monitor.domain.text import storable

SHOWN = 300  # characters of a provider's own words in a message
LARGEST = 10 * 2**20  # bytes of a reply; beyond it something else than an answer is being sent
MOST_TOKENS = 10**9  # of one answer; what claims more would overflow a database's sums one day
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]+")
_KEY_LIKE = re.compile(r"\b(?:sk|pk|key|xox[a-z])-[\w*.-]{6,}|(?<=Bearer )\S+")

_NO_MONEY = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "billing_error"})
_REFUSED_KEY = frozenset({"invalid_api_key", "account_deactivated"})
# What providers name their errors by, where the status is lost: inside a 200, or behind a gateway.
_STATUS_OF_TYPE = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "permission_denied": 403,
    "not_found_error": 404,
    "model_not_found": 404,
    "request_too_large": 413,
    "timeout_error": 504,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "api_error": 500,
    "server_error": 500,
    "internal_error": 500,
    "overloaded": 529,
    "overloaded_error": 529,
    "service_unavailable": 503,
}


@dataclass(frozen=True)
class Endpoint:
    """Who is asked, in words fit for a message: no key, no query string; `secrets` are cut out of what it says."""

    url: str
    model: str | None = None
    key_name: str | None = None  # where the key comes from, as in "$OPENAI_API_KEY"; None where none is configured
    secrets: tuple[str, ...] = ()

    @property
    def place(self) -> str:
        """The URL without user information, query and fragment."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"

    def quote(self, text: object) -> str:
        """At most 300 characters of what the provider said, on one line, without secrets and control characters."""
        shown = str(text)[: 20 * SHOWN]
        for secret in self.secrets:
            for part in {secret, *secret.split()}:
                if len(part) >= 4 and part != "Bearer":
                    shown = shown.replace(part, "[secret]")
        shown = _CONTROL.sub(" ", _KEY_LIKE.sub("[secret]", shown)).strip()
        shown = shown.encode("utf-8", "replace").decode("utf-8")
        # What is left of invisible characters: tags, marks of direction, what Unicode has not assigned.
        shown = "".join(char if char.isprintable() else " " for char in shown[: SHOWN + 1])
        return shown if len(shown) <= SHOWN else shown[: SHOWN - 1] + "…"


def status_error(endpoint: Endpoint, status: int, headers: Mapping[str, str], body: object) -> TargetError:
    """The error for an HTTP `status` outside 2xx; `body` is the parsed JSON, or the text where it is none."""
    code, words = _code_and_words(body)
    said = f" ({status}): {endpoint.quote(words)}" if words else f" ({status})"
    at = endpoint.place
    if status == 402 or code in _NO_MONEY or "credit balance is too low" in words:
        message = f"the account at {at} has no credit left{said}. Add credit or raise its limit."
        return TargetError(ErrorKind.RATE_LIMITED, message, fatal=True)
    if status in (401, 403) or code in _REFUSED_KEY or (status == 400 and "API key not valid" in words):
        return TargetError(ErrorKind.AUTHENTICATION, _refused_key(endpoint, said), fatal=True)
    if status in (404, 410) or code == "model_not_found":
        return TargetError(ErrorKind.NOT_FOUND, _not_found(endpoint, said), fatal=True)
    wait = retry_after(headers, time.time())
    if status == 429:
        return TargetError(ErrorKind.RATE_LIMITED, f"{at} limits the rate{said}", retry_after=wait)
    if status == 408:
        return TargetError(ErrorKind.TIMEOUT, f"{at} gave up waiting{said}", retry_after=wait)
    if status >= 500 or status in (409, 425):
        return TargetError(ErrorKind.OVERLOADED, f"{at} could not answer{said}", retry_after=wait)
    if 300 <= status < 400:
        message = (
            f"{at} redirects to {_redirected_to(endpoint, headers)}{said}, and redirects are not followed: they would "
            "carry cases and keys there. If that address is right, put it into the configuration."
        )
        return TargetError(ErrorKind.REFUSED_REQUEST, message, fatal=True)
    return TargetError(ErrorKind.REFUSED_REQUEST, f"{at} refused the request{said}", permanent=True)


def too_large(endpoint: Endpoint) -> TargetError:
    """The error for a reply of more than LARGEST bytes."""
    message = f"{endpoint.place} answered more than {LARGEST // 2**20} MB"
    return TargetError(ErrorKind.MALFORMED, message, permanent=True)


def error_inside(endpoint: Endpoint, headers: Mapping[str, str], body: Mapping[str, Any]) -> TargetError | None:
    """The error that stands inside a body sent with status 200, or None where there is none."""
    error = body.get("error")
    if not error and body.get("type") != "error":
        return None
    return status_error(endpoint, _status_inside(error), headers, body)


def _status_inside(error: object) -> int:
    if not isinstance(error, dict):
        return 500
    for name in (error.get("status"), error.get("code"), error.get("type")):
        if isinstance(name, int) and 400 <= name < 600:
            return name
        if not isinstance(name, str):
            continue
        if len(name) == 3 and name.isdecimal() and 400 <= int(name) < 600:
            return int(name)
        if name.lower() in _STATUS_OF_TYPE:
            return _STATUS_OF_TYPE[name.lower()]
        if name in _NO_MONEY:
            return 429
    return 500


def _code_and_words(body: object) -> tuple[str | None, str]:
    """The provider's name for the error, and what it says about it."""
    error = body.get("error", body) if isinstance(body, dict) else body
    if not isinstance(error, dict):
        return None, _text(error)
    names = [error.get("code"), error.get("type")]
    known = [name for name in names if isinstance(name, str)]
    special = [name for name in known if name in _NO_MONEY | _REFUSED_KEY or name == "model_not_found"]
    words = error.get("message") or error.get("detail") or ", ".join(known)
    return next(iter(special or known), None), _text(words)


def _text(words: object) -> str:
    try:
        return str(words or "")
    except RecursionError:  # JSON may nest as deeply as it could just be read
        return ""


def _redirected_to(endpoint: Endpoint, headers: Mapping[str, str]) -> str:
    """The host alone: the rest of such an address may hold a session or a key."""
    location = next((value for name, value in headers.items() if name.lower() == "location"), "")
    try:
        host = urlsplit(location).netloc.rpartition("@")[2]
    except ValueError:
        host = ""
    return endpoint.quote(host) or "another path of the same host"


def _refused_key(endpoint: Endpoint, said: str) -> str:
    if endpoint.key_name is None:
        return f"{endpoint.place} wants a key and none is configured{said}. Give it one by api_key."
    return f"the key in {endpoint.key_name} was refused by {endpoint.place}{said}. Renew it or give another."


def _not_found(endpoint: Endpoint, said: str) -> str:
    if endpoint.model is None:
        return f"nothing answers at {endpoint.place}{said}. Check the address."
    model = endpoint.quote(endpoint.model)
    return f"the model {model} does not exist at {endpoint.place}{said}; was it retired, or is the address wrong?"


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds that the provider asks to wait, or None; `now` is in seconds since the epoch.

    Understands `retry-after-ms`, and `Retry-After` in seconds (also with decimals) and as an HTTP date. A date is
    measured from the response's own `Date` where it has one: two hosts' clocks need not agree.
    """
    low = {name.lower(): value for name, value in headers.items()}
    for name, scale in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        try:
            wait = float(low.get(name, "")) / scale
        except ValueError:
            continue
        if math.isfinite(wait):
            return max(0.0, wait)
    until = _http_date(low.get("retry-after"))
    if until is None:
        return None
    return max(0.0, until - (_http_date(low.get("date")) or now))


def _http_date(value: str | None) -> float | None:
    if value is None:
        return None
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def parse_object(endpoint: Endpoint, content: bytes) -> dict[str, Any]:
    """The JSON object in `content`; `TargetError` MALFORMED, which may be tried again, where there is none."""
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        words = endpoint.quote(content[:2000].decode("utf-8", "replace"))
        raise TargetError(ErrorKind.MALFORMED, f"{endpoint.place} answered what is not JSON: {words}") from None
    if not isinstance(body, dict):
        raise TargetError(ErrorKind.MALFORMED, f"{endpoint.place} answered JSON that is not an object")
    return body


def json_or_text(content: bytes) -> object:
    """The JSON value in `content`, or its text."""
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return content.decode("utf-8", "replace")


def count_or_none(value: object) -> int | None:
    """`value` where it is a whole number of tokens that an answer can have (at most 1e9), else None."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_TOKENS else None


def text_or_none(value: object) -> str | None:
    """`value` where it is a string fit for storing (at most 300 characters of it), else None."""
    return storable(value[:SHOWN]) if isinstance(value, str) else None


def text_of_parts(parts: Iterable[object]) -> str:
    """The texts of a content list joined, whatever else it holds left out."""
    texts = (part.get("text") for part in parts if isinstance(part, dict) and part.get("type", "text") == "text")
    return "".join(text for text in texts if isinstance(text, str))


def object_or_empty(value: object) -> dict[str, Any]:
    """`value` where it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else {}
