"""One line of Slack's Socket Mode, from its opening to its end; who listens for months opens one after the other."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from alerts.channel import TransportError
from alerts.channels.slack_client import SLACK, SlackClient, socket_line
from alerts.channels.slack_errors import of_socket
from alerts.channels.slack_wire import named_by_slack, unreachable

if TYPE_CHECKING:
    from slack_sdk.socket_mode.aiohttp import SocketModeClient

# Seconds for a farewell that nobody has to answer, and for what was heard just before.
_HANG_UP = 0.4


@dataclass(frozen=True, slots=True)
class SocketSettings:
    """How to listen; all times are in seconds.

    `ping`: between two pings. `deaf`: how long Slack may take to greet. A line is given up after `longest`, however
    well it seems: some have gone deaf while pings were still answered. `timeout`: for opening one.
    """

    app_token: str = field(repr=False)
    base_url: str | None = None
    timeout: int = 15
    ping: float = 5.0
    deaf: float = 20.0
    longest: float = 6 * 3600.0


async def listen(
    settings: SocketSettings, heard: Callable[[Mapping[str, Any]], Awaitable[None]], opened: Callable[[], None]
) -> str:
    """Hand every interactive payload to `heard` until the line ends; returns why it did, in a few words.

    Each envelope is acknowledged before it is handed on. `opened` is called when Slack has greeted. `heard` must not
    raise. Raises TransportError where no line can be had. Cancelled, it hangs up within a second.
    """
    over, greeted = asyncio.Event(), asyncio.Event()
    work: set[asyncio.Task[None]] = set()
    line = await _dial(settings, over)

    async def message(_: object, content: Mapping[str, Any], __: object) -> None:
        if content.get("type") == "hello":
            greeted.set()

    async def envelope(_: object, request: Any) -> None:
        # Slack sends again what is not acknowledged in time, and may do so on another line.
        with suppress(Exception):
            await line.send_socket_mode_response({"envelope_id": request.envelope_id})
        if request.type == "interactive":
            task = asyncio.create_task(_awaited(heard(request.payload)))
            work.add(task)
            task.add_done_callback(work.discard)

    line.message_listeners.append(message)
    line.socket_mode_request_listeners.append(envelope)
    try:
        await _connect(line, settings)
        return await _until_over(settings, over, greeted, opened)
    finally:
        await _hang_up(line, work)


async def _dial(settings: SocketSettings, over: asyncio.Event) -> SocketModeClient:
    """A line to an address that Slack has just given out."""
    client = SlackClient(None, settings.base_url, settings.timeout)
    answer = await client.open_socket(settings.app_token)
    if not answer.ok:
        raise of_socket(answer.code, client.refusal(answer))
    url = answer.text("url")
    if url is None or not named_by_slack(url, settings.base_url or SLACK, "wss"):
        raise TransportError("Slack named no wss address to listen at; it will be tried again", permanent=False)
    return socket_line(client.web_client(), settings.app_token, url, settings.ping, over)


async def _connect(line: SocketModeClient, settings: SocketSettings) -> None:
    # The SDK tries again and again, at an address that is good for one time.
    try:
        async with asyncio.timeout(settings.timeout):
            await line.connect()  # type: ignore[no-untyped-call]  # the SDK's own
    except TimeoutError as error:
        raise unreachable(error, settings.timeout) from None


async def _until_over(
    settings: SocketSettings, over: asyncio.Event, greeted: asyncio.Event, opened: Callable[[], None]
) -> str:
    waiting = {asyncio.create_task(event.wait()) for event in (over, greeted)}
    try:
        await asyncio.wait(waiting, timeout=settings.deaf, return_when=asyncio.FIRST_COMPLETED)
        if not greeted.is_set():
            return "it ended before Slack greeted" if over.is_set() else f"Slack did not greet in {settings.deaf:g} s"
        opened()
        with suppress(TimeoutError):
            await asyncio.wait_for(over.wait(), settings.longest)
            return "Slack asked for a new one, or it broke"
        return "it was old, and is replaced to be sure that it hears"
    finally:
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


async def _hang_up(line: SocketModeClient, work: set[asyncio.Task[None]]) -> None:
    line.closed = True
    line.auto_reconnect_enabled = False
    parts = [part for part in (line.message_processor, line.current_session_monitor, line.message_receiver) if part]
    for part in parts:
        part.cancel()
    # A side that is gone would let its farewell be waited for, for ten seconds.
    with suppress(Exception):
        async with asyncio.timeout(_HANG_UP):
            await line.disconnect()  # type: ignore[no-untyped-call]  # the SDK's own
    if work:
        # What was heard last is worth its end: it is one transaction.
        await asyncio.wait(work, timeout=_HANG_UP)
    for task in work:
        task.cancel()
    await asyncio.gather(*parts, *work, return_exceptions=True)
    await line.aiohttp_client_session.close()


async def _awaited(work: Awaitable[None]) -> None:
    await work
