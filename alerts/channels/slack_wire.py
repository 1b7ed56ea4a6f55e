"""What lies between Slack's SDK and us: an answer as plain values, and each failure of the network in our own words."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit
from urllib.request import proxy_bypass

from alerts.channel import TransportError
from alerts.channels.slack_errors import code_of

CHANNEL_ID = re.compile(r"[CGD][A-Z0-9]{1,40}")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a message stands: the channel's id, as Slack calls it, and the message's `ts`; as a text `CHANNEL/TS`."""

    channel: str
    stamp: str

    @classmethod
    def of(cls, reference: str, channel: str) -> Place:
        """The place that `reference` names; a bare `ts` is one in `channel`."""
        head, _, stamp = reference.rpartition("/")
        return cls(head or channel, stamp)

    def __str__(self) -> str:
        return f"{self.channel}/{self.stamp}"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: the HTTP status, the error code (`ok` has none), the headers and the body where it was JSON."""

    ok: bool
    status: int
    code: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, object] = field(default_factory=dict)

    def text(self, key: str) -> str | None:
        """A text of the body; None where there is none."""
        value = self.body.get(key)
        return value if isinstance(value, str) else None


def read_answer(status: int, headers: Mapping[str, str], data: object) -> Answer:
    """The answer of a method of the Web API. Only Slack's own JSON says that it went well."""
    body = data if isinstance(data, dict) else {}
    ok = status == 200 and body.get("ok") is True
    return Answer(ok, status, "" if ok else code_of(body.get("error")), lowercase(headers), body)


def lowercase(headers: Mapping[str, str]) -> dict[str, str]:
    """`headers` with their names in lower case."""
    return {name.lower(): value for name, value in headers.items()}


def silent() -> logging.Logger:
    """A logger for the SDK that says nothing: it would write a webhook's address, or what people wrote."""
    return logging.Logger("slack_sdk", level=logging.CRITICAL + 1)


def direct(url: str) -> bool:
    """Whether to go past the environment's proxy, which the SDK takes for every host, whatever NO_PROXY says."""
    host = urlsplit(url).hostname or ""
    return host in ("localhost", "127.0.0.1", "::1") or bool(proxy_bypass(host))


def named_by_slack(url: str | None, base_url: str, safe: str) -> bool:
    """Whether an address out of an answer may be used: by the scheme `safe`, or where the Web API itself is."""
    parts, own = urlsplit(url or ""), urlsplit(base_url)
    return bool(parts.hostname) and (parts.scheme == safe or parts.netloc == own.netloc)


def unreachable(error: BaseException, timeout: int) -> TransportError:
    """The error in our words alone: the library's own texts may hold the address of a webhook."""
    from aiohttp import ClientConnectorError, ClientError, InvalidURL

    if isinstance(error, InvalidURL):
        return TransportError("Slack's address is not a valid URL: check the configuration", permanent=True)
    if isinstance(error, TimeoutError):
        said = f"Slack did not answer within {timeout} s"
    elif isinstance(error, ClientConnectorError):
        reason = error.os_error.strerror or type(error.os_error).__name__
        said = f"{error.host} cannot be reached ({reason})"
    elif isinstance(error, ClientError | OSError):
        said = f"the connection to Slack broke ({type(error).__name__})"
    else:
        said = "what answered in Slack's place sent something unreadable"
    return TransportError(f"{said}; it will be tried again", permanent=False)
