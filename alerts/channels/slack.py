"""Slack: by a bot's token to a channel, or by an incoming webhook; the only file that imports slack_sdk."""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import proxy_bypass

from alerts.channel import Health, Outgoing, Receipt, TransportError
from alerts.channels.slack_errors import FORM, code_of, refusal
from alerts.message import SlackMessage, render
from alerts.retry_after import http_date, retry_after_seconds
from alerts.text import clean

if TYPE_CHECKING:
    from slack_sdk.web.async_client import AsyncWebClient
    from slack_sdk.web.async_slack_response import AsyncSlackResponse
    from slack_sdk.webhook.async_client import AsyncWebhookClient

EVENT = "heldout_alert"
NAME = "slack"
# parse and link_names off: Slack must not find addresses, channels or people in the text by itself.
_QUIET: dict[str, Any] = {
    "parse": "none",
    "link_names": False,
    "unfurl_links": False,
    "unfurl_media": False,
    "mrkdwn": False,
}


@dataclass(frozen=True, slots=True)
class SlackSettings:
    """Where to post: `token` and `channel`, or `webhook_url` alone; anything else raises ValueError.

    `mention` is put before a rollback; `base_url` is for servers that speak Slack's Web API. `timeout` is in seconds,
    for one request; a message takes two at most. The address of a webhook is a secret like the token: neither is part
    of the representation.
    """

    token: str | None = field(default=None, repr=False)
    channel: str | None = None
    webhook_url: str | None = field(default=None, repr=False)
    base_url: str | None = None
    show_cases: bool = False
    mention: str | None = None
    timeout: int = 15

    def __post_init__(self) -> None:
        if bool(self.token) == bool(self.webhook_url):
            raise ValueError("alerts.slack needs either token and channel, or webhook_url")
        if self.token and not self.channel:
            raise ValueError("alerts.slack.channel is missing: a token does not say where to post")
        if self.token and not re.fullmatch(r"[!-~]+", self.token.strip()):
            raise ValueError("alerts.slack.token holds a space, a line break or another character no token has")
        address = self.webhook_url or self.base_url
        if address is not None and (urlsplit(address).scheme not in ("http", "https") or not urlsplit(address).netloc):
            raise ValueError("alerts.slack: webhook_url and base_url must be http or https addresses")


@dataclass(frozen=True, slots=True)
class _Answer:
    """What came back: the HTTP status, the error code (`ok` has none), the headers and the body where it was JSON."""

    ok: bool
    status: int
    code: str
    headers: Mapping[str, str]
    body: Mapping[str, object]


def _utc_now() -> datetime:
    return datetime.now(UTC)


class SlackChannel:
    """Posts alerts to Slack. `clock` reads Retry-After dates where the answer itself has no date."""

    def __init__(self, settings: SlackSettings, clock: Callable[[], datetime] = _utc_now) -> None:
        self._settings = settings
        self._clock = clock

    @property
    def name(self) -> str:
        """`slack`."""
        return NAME

    @property
    def pace(self) -> timedelta:
        """Slack takes about one message a second in a channel."""
        return timedelta(seconds=1)

    @property
    def at_once(self) -> int:
        """One after the other, so that they stand in their order."""
        return 1

    @property
    def longest(self) -> timedelta:
        """A message takes two requests at the most."""
        return timedelta(seconds=60)

    async def aclose(self) -> None:
        """Nothing is held between two messages."""

    async def send(self, outgoing: Outgoing) -> Receipt:
        """Post one alert: with blocks, and once more as plain text where Slack refuses their form.

        The receipt is the message's `ts`; a webhook gives none. Raises TransportError.
        """
        alert = outgoing.alert
        message = render(alert, show_cases=self._settings.show_cases, mention=self._settings.mention)
        answer = await self._post(message, alert.id)
        if answer.code in FORM:
            answer = await self._post(SlackMessage(message.text, ()), None)
        if not answer.ok:
            raise self._refusal(answer)
        reference = answer.body.get("ts")
        return Receipt(reference if isinstance(reference, str) else None)

    async def verify(self) -> Health:
        """Ask Slack about the token, without posting; a webhook cannot be asked anything."""
        if self._settings.webhook_url:
            return Health(None, "a webhook shows whether it works only when a message is posted to it")
        try:
            answer = await self._call(lambda client: client.auth_test())
            if not answer.ok:
                raise self._refusal(answer)
        except TransportError as error:
            return Health(False, error.message)
        scopes = answer.headers.get("x-oauth-scopes")
        if scopes is not None and "chat:write" not in [scope.strip() for scope in scopes.split(",")]:
            return Health(
                False, "the token is valid but has no scope chat:write: add it to the app and install it again"
            )
        workspace = " ".join(clean(str(answer.body.get("team", "?"))[:80]).split())
        where = f"whether it may post in {self._settings.channel} shows with the first message"
        return Health(True, f"the token is valid in the workspace {workspace}; {where}")

    async def _post(self, message: SlackMessage, alert_id: str | None) -> _Answer:
        if self._settings.webhook_url:
            return await self._post_to_webhook(message)
        metadata = {"event_type": EVENT, "event_payload": {"alert": alert_id}} if alert_id is not None else None
        return await self._call(
            lambda client: client.chat_postMessage(
                channel=self._settings.channel or "",
                text=message.text,
                blocks=list(message.blocks) or None,
                metadata=metadata,
                **_QUIET,
            )
        )

    async def _post_to_webhook(self, message: SlackMessage) -> _Answer:
        body: dict[str, Any] = {"text": message.text, **_QUIET}
        if message.blocks:
            body["blocks"] = list(message.blocks)
        client = self._webhook_client()
        try:
            response = await client.send_dict(body)
        except _failures() as error:
            raise _unreachable(error, self._settings.timeout) from None
        said = response.body.strip()
        ok = response.status_code == 200 and said == "ok"
        # Slack's codes come with an error status; any other text under 200 is a proxy's page.
        code = code_of(said) if response.status_code != 200 else ""
        return _Answer(ok, response.status_code, code, _lowercase(response.headers), {})

    async def _call(self, call: Callable[[AsyncWebClient], Awaitable[AsyncSlackResponse]]) -> _Answer:
        from slack_sdk.errors import SlackApiError

        client = self._web_client()
        response: Any
        try:
            response = await call(client)
        except SlackApiError as error:
            response = error.response
        except _failures() as error:
            raise _unreachable(error, self._settings.timeout) from None
        # Where the body is not JSON at all, the SDK hands over aiohttp's response instead of its own.
        status = response.status_code if hasattr(response, "status_code") else response.status
        data = getattr(response, "data", None)
        body = data if isinstance(data, dict) else {}
        ok = status == 200 and body.get("ok") is True
        return _Answer(ok, status, "" if ok else code_of(body.get("error")), _lowercase(response.headers), body)

    def _refusal(self, answer: _Answer) -> TransportError:
        # The answer's own date is the better reference for a Retry-After date: this machine's clock may be off.
        now = http_date(answer.headers.get("date")) or self._clock()
        return refusal(answer.code, answer.status, retry_after_seconds(answer.headers.get("retry-after"), now))

    def _web_client(self) -> AsyncWebClient:
        from slack_sdk.web.async_client import AsyncWebClient

        base_url = self._settings.base_url or AsyncWebClient.BASE_URL
        client = AsyncWebClient(
            token=self._settings.token,
            base_url=base_url,
            timeout=self._settings.timeout,
            retry_handlers=[],
            logger=_silent(),
        )
        client.proxy = None if _direct(base_url) else client.proxy
        return client

    def _webhook_client(self) -> AsyncWebhookClient:
        from slack_sdk.webhook.async_client import AsyncWebhookClient

        url = self._settings.webhook_url or ""
        client = AsyncWebhookClient(url, timeout=self._settings.timeout, retry_handlers=[], logger=_silent())
        client.proxy = None if _direct(url) else client.proxy
        return client


def _silent() -> logging.Logger:
    """A logger of the SDK's own that says nothing: at the debug level the SDK writes a webhook's address."""
    return logging.Logger("slack_sdk", level=logging.CRITICAL)


def _direct(url: str) -> bool:
    """Whether to go past the environment's proxy, which the SDK takes for every host, whatever NO_PROXY says."""
    host = urlsplit(url).hostname or ""
    return host in ("localhost", "127.0.0.1", "::1") or bool(proxy_bypass(host))


def _lowercase(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _failures() -> tuple[type[Exception], ...]:
    """What the SDK raises for a call that brought no answer of Slack's.

    ValueError is a body in another encoding than it says; AttributeError is the SDK's own on a body of plain text.
    """
    from aiohttp import ClientError
    from slack_sdk.errors import SlackClientError

    return (SlackClientError, ClientError, OSError, ValueError, AttributeError)


def _unreachable(error: Exception, timeout: int) -> TransportError:
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
