"""Calls of Slack's Web API, webhooks, signatures and Socket Mode: the only file that imports slack_sdk."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from alerts.channel import TransportError
from alerts.channels.slack_errors import code_of, refusal
from alerts.channels.slack_wire import (
    Answer,
    direct,
    lowercase,
    named_by_slack,
    read_answer,
    silent,
    unreachable,
)
from alerts.message_blocks import SlackMessage
from alerts.retry_after import http_date, retry_after_seconds

if TYPE_CHECKING:
    from slack_sdk.socket_mode.aiohttp import SocketModeClient
    from slack_sdk.web.async_client import AsyncWebClient
    from slack_sdk.web.async_slack_response import AsyncSlackResponse

SLACK = "https://slack.com/api/"
# parse and link_names off: Slack must not find addresses, channels or people in the text by itself.
_QUIET: dict[str, Any] = {"parse": "none", "link_names": False}
_NO_PREVIEWS: dict[str, Any] = {"unfurl_links": False, "unfurl_media": False, "mrkdwn": False}


def _utc_now() -> datetime:
    return datetime.now(UTC)


class SlackClient:
    """One call is one request; none is made twice. `timeout` is in seconds, for each.

    Every method raises TransportError where no answer came; what Slack refuses is an `Answer` that is not ok.
    """

    def __init__(
        self, token: str | None, base_url: str | None, timeout: int, clock: Callable[[], datetime] = _utc_now
    ) -> None:
        self._token = token
        self._base_url = base_url or SLACK
        self._timeout = timeout
        self._clock = clock

    async def post(
        self,
        channel: str,
        message: SlackMessage,
        *,
        thread: str | None = None,
        broadcast: bool = False,
        metadata: Mapping[str, object] | None = None,
    ) -> Answer:
        """A new message, or a reply in a thread, which `broadcast` shows to the whole channel too."""
        return await self._call(
            lambda client: client.chat_postMessage(
                channel=channel,
                text=message.text,
                blocks=list(message.blocks) or None,
                thread_ts=thread,
                reply_broadcast=True if thread and broadcast else None,
                metadata=dict(metadata) if metadata else None,
                **_QUIET,
                **_NO_PREVIEWS,
            )
        )

    async def update(self, channel: str, stamp: str, message: SlackMessage) -> Answer:
        """Another text for a message; that notifies nobody. Without blocks the old ones go too."""
        return await self._call(
            lambda client: client.chat_update(
                channel=channel, ts=stamp, text=message.text, blocks=list(message.blocks), **_QUIET
            )
        )

    async def whisper(self, channel: str, user: str, text: str, thread: str | None = None) -> Answer:
        """A few escaped words that only one person sees."""
        return await self._call(
            lambda client: client.chat_postEphemeral(
                channel=channel, user=user, text=text, thread_ts=thread, mrkdwn=False, **_QUIET
            )
        )

    async def upload(self, channel: str, thread: str | None, name: str, png: bytes, alt: str) -> Answer:
        """A picture, as a reply. `channel` has to be an id. It is shown a while after Slack has said yes."""
        asked = await self._call(
            lambda client: client.files_getUploadURLExternal(filename=name, length=len(png), alt_txt=alt)
        )
        if not asked.ok:
            return asked
        url, file_id = asked.text("upload_url"), asked.text("file_id")
        if url is None or file_id is None or not named_by_slack(url, self._base_url, "https"):
            said = "the picture was not sent: Slack named no https address to send it to"
            raise TransportError(said, permanent=True, this_message=True)
        sent = await self._put(url, png)
        if not sent.ok:
            return sent
        return await self._call(
            lambda client: client.files_completeUploadExternal(
                files=[{"id": file_id, "title": alt}], channel_id=channel, thread_ts=thread
            )
        )

    async def test(self) -> Answer:
        """Whose token it is; the scopes stand in the header x-oauth-scopes."""
        return await self._call(lambda client: client.auth_test())

    async def open_socket(self, app_token: str) -> Answer:
        """A new address for Socket Mode, under `url`: it is good for one connection, and a secret."""
        return await self._call(lambda client: client.apps_connections_open(app_token=app_token))

    async def post_to_webhook(self, url: str, message: SlackMessage) -> Answer:
        """A message to an incoming webhook, whose address is a secret."""
        from slack_sdk.webhook.async_client import AsyncWebhookClient

        body: dict[str, Any] = {"text": message.text, **_QUIET, **_NO_PREVIEWS}
        if message.blocks:
            body["blocks"] = list(message.blocks)
        client = AsyncWebhookClient(url, timeout=self._timeout, retry_handlers=[], logger=silent())
        client.proxy = None if direct(url) else client.proxy
        try:
            response = await client.send_dict(body)
        except _failures() as error:
            raise unreachable(error, self._timeout) from None
        said = response.body.strip()
        ok = response.status_code == 200 and said == "ok"
        # Slack's codes come with an error status; any other text under 200 is a proxy's page.
        code = code_of(said) if response.status_code != 200 else ""
        return Answer(ok, response.status_code, code, lowercase(response.headers))

    def refusal(self, answer: Answer) -> TransportError:
        """The error that an answer which is not ok means."""
        # The answer's own date is the better reference for a Retry-After date: this machine's clock may be off.
        now = http_date(answer.headers.get("date")) or self._clock()
        return refusal(answer.code, answer.status, retry_after_seconds(answer.headers.get("retry-after"), now))

    def web_client(self) -> AsyncWebClient:
        """The SDK's own client; it holds no connection between two calls."""
        from slack_sdk.web.async_client import AsyncWebClient

        client = AsyncWebClient(
            token=self._token, base_url=self._base_url, timeout=self._timeout, retry_handlers=[], logger=silent()
        )
        client.proxy = None if direct(self._base_url) else client.proxy
        return client

    async def _call(self, call: Callable[[AsyncWebClient], Awaitable[AsyncSlackResponse]]) -> Answer:
        from slack_sdk.errors import SlackApiError

        response: Any
        try:
            response = await call(self.web_client())
        except SlackApiError as error:
            response = error.response
        except _failures() as error:
            raise unreachable(error, self._timeout) from None
        # Where the body is not JSON at all, the SDK hands over aiohttp's response instead of its own.
        status = response.status_code if hasattr(response, "status_code") else response.status
        return read_answer(status, response.headers, getattr(response, "data", None))

    async def _put(self, url: str, content: bytes) -> Answer:
        from aiohttp import ClientError, ClientSession, ClientTimeout

        proxy = self.web_client().proxy
        try:
            async with (
                ClientSession(timeout=ClientTimeout(total=self._timeout)) as session,
                session.post(url, data=content, proxy=proxy, allow_redirects=False) as response,
            ):
                return Answer(response.status == 200, response.status, "", lowercase(response.headers))
        except (ClientError, OSError, ValueError) as error:
            raise unreachable(error, self._timeout) from None


def _failures() -> tuple[type[Exception], ...]:
    """What the SDK raises for a call that brought no answer of Slack's.

    ValueError is a body in another encoding than it says; AttributeError is the SDK's own on a body of plain text.
    """
    from aiohttp import ClientError
    from slack_sdk.errors import SlackClientError

    return (SlackClientError, ClientError, OSError, ValueError, AttributeError)


def verify(secret: str, timestamp: str, signature: str, body: bytes, now: datetime) -> str | None:
    """Why a request is not one that Slack signed within the last five minutes; None where it is. Raises nothing."""
    from slack_sdk.signature import Clock, SignatureVerifier

    class Now(Clock):
        def now(self) -> float:
            return now.timestamp()

    try:
        # The SDK compares texts, and in constant time only ASCII ones; a body that is not UTF-8 was never signed.
        if signature.isascii() and SignatureVerifier(secret, Now()).is_valid(body, timestamp, signature):
            return None
    except (ValueError, TypeError, OverflowError):
        return "the timestamp or the body is not what Slack sends"
    return "the signature is not Slack's, or older than five minutes: check signing_secret, and this machine's clock"


def socket_line(web: AsyncWebClient, app_token: str, url: str, ping: float, over: asyncio.Event) -> SocketModeClient:
    """A line of Socket Mode to `url`, not connected yet; made in an event loop. `over` is set where it has ended.

    The SDK would connect anew by itself, sleep as long as it is told to, and now and then go deaf in doing so; here a
    line that has ended stays so, and whoever owns it opens another.
    """
    from slack_sdk.socket_mode.aiohttp import SocketModeClient

    class Line(SocketModeClient):
        async def connect_to_new_endpoint(self, force: bool = False) -> None:
            over.set()

    line = Line(app_token, logger=silent(), web_client=web, ping_interval=ping)
    line.wss_uri = url
    line.proxy = None if direct(url.replace("ws", "http", 1)) else line.proxy
    return line
