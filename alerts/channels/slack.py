"""Slack: by a bot's token to a channel, an incident a thread; or by an incoming webhook, which knows no threads."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from alerts.alert import Alert, Kind
from alerts.channel import POST, Health, Outgoing, Receipt, TransportError, WithdrawnError
from alerts.channels.slack_client import SlackClient
from alerts.channels.slack_errors import FORM, GONE, of_picture
from alerts.channels.slack_wire import CHANNEL_ID, Answer, Place
from alerts.message import details, render, reply, root
from alerts.message_blocks import SlackMessage
from alerts.message_buttons import NO_BUTTONS, Powers
from alerts.text import clean, prose

EVENT = "heldout_alert"
NAME, FALLBACK = "slack", "slack-fallback"
# The parts of a message beside its first: what a thread holds, and the first message as it is now.
DETAILS, PICTURE, ROOT = "details", "picture", "root"


@dataclass(frozen=True, slots=True)
class SlackSettings:
    """Where to post: `token` and `channel`, or `webhook_url` alone; anything else raises ValueError.

    `mention` is put where an alert's route wants somebody called. `powers`: whether buttons work, and for whom.
    `stands_in`: the channel that this one is read instead of: it then gets messages that are complete by themselves.
    `base_url` is for servers that speak Slack's Web API. `timeout` is in seconds, for one request; a message takes two
    at most, a picture three. The address of a webhook is a secret like the token: neither is part of the
    representation.
    """

    token: str | None = field(default=None, repr=False)
    channel: str | None = None
    webhook_url: str | None = field(default=None, repr=False)
    base_url: str | None = None
    show_cases: bool = False
    mention: str | None = None
    powers: Powers = NO_BUTTONS
    stands_in: str | None = None
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


def _utc_now() -> datetime:
    return datetime.now(UTC)


class SlackChannel:
    """Posts alerts to Slack. `clock` reads Retry-After dates where the answer itself has no date."""

    def __init__(self, settings: SlackSettings, clock: Callable[[], datetime] = _utc_now) -> None:
        self._settings = settings
        self._channel = settings.channel or ""
        self._client = SlackClient(settings.token, settings.base_url, settings.timeout, clock)
        self._threads = settings.token is not None and settings.stands_in is None

    @property
    def name(self) -> str:
        """`slack`, or `slack-fallback`."""
        return NAME if self._settings.stands_in is None else FALLBACK

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
        """A picture takes three requests, and a message two at the most."""
        return timedelta(seconds=60)

    async def aclose(self) -> None:
        """Nothing is held between two messages."""

    async def send(self, outgoing: Outgoing) -> Receipt:
        """Send one part of an alert. With blocks, and once more as plain text where Slack refuses their form.

        The receipt's reference is the first message of the incident's thread, or the message of an alert that belongs
        to none; a webhook gives none. Raises TransportError, and WithdrawnError for a part whose thread is gone.
        """
        alert = outgoing.alert
        thread = self._thread(outgoing)
        if outgoing.part == POST:
            return await self._tell(alert, thread, pictured=outgoing.picture is not None)
        if thread is None:
            raise WithdrawnError("the message that this belongs to is not in this channel")
        if outgoing.part == ROOT:
            return await self._redraw(alert, thread)
        if outgoing.part == DETAILS:
            answer = await self._posted(details(alert, show_cases=self._settings.show_cases), alert, thread)
            return self._done(answer, str(thread))
        if outgoing.part == PICTURE:
            return await self._draw(outgoing, thread)
        raise TransportError(f"Slack has no part {outgoing.part[:40]!r}", permanent=True, this_message=True)

    async def verify(self) -> Health:
        """Ask Slack about the token, without posting; a webhook cannot be asked anything."""
        if self._settings.webhook_url:
            return Health(None, "a webhook shows whether it works only when a message is posted to it")
        try:
            answer = await self._client.test()
            if not answer.ok:
                raise self._client.refusal(answer)
        except TransportError as error:
            return Health(False, error.message)
        scopes = answer.headers.get("x-oauth-scopes")
        granted = [scope.strip() for scope in (scopes or "").split(",")]
        if scopes is not None and "chat:write" not in granted:
            return Health(
                False, "the token is valid but has no scope chat:write: add it to the app and install it again"
            )
        workspace = " ".join(clean(str(answer.body.get("team", "?"))[:80]).split())
        where = f"whether it may post in {self._settings.channel} shows with the first message"
        blind = "" if scopes is None or "files:write" in granted else "; pictures need the scope files:write"
        return Health(True, f"the token is valid in the workspace {workspace}; {where}{blind}")

    def _thread(self, outgoing: Outgoing) -> Place | None:
        """The first message of the thread; None where there is none, or the channel has been changed since."""
        if outgoing.thread is None or not self._threads:
            return None
        place = Place.of(outgoing.thread, self._channel)
        moved = CHANNEL_ID.fullmatch(self._channel) and place.channel != self._channel
        return None if moved else place

    async def _tell(self, alert: Alert, thread: Place | None, *, pictured: bool) -> Receipt:
        if not self._threads or alert.incident is None:
            return await self._tell_whole(alert)
        mention = self._settings.mention
        if thread is not None:
            answer = await self._posted(reply(alert, mention=mention), alert, thread, broadcast=alert.broadcast)
            if answer.code not in GONE:
                parts = (ROOT,) if alert.kind is Kind.STEP else (ROOT, DETAILS)
                return self._done(answer, self._first(answer, thread), parts)
        message = root(alert, mention=mention, powers=self._settings.powers)
        answer = await self._posted(message, alert, None)
        return self._done(answer, self._reference(answer), (DETAILS, PICTURE) if pictured else (DETAILS,))

    async def _tell_whole(self, alert: Alert) -> Receipt:
        """One message that says everything; a step that nobody has to hear of is not worth one."""
        if alert.kind is Kind.STEP and not alert.broadcast:
            return Receipt()
        usual = self._settings.stands_in
        message = render(
            alert,
            show_cases=self._settings.show_cases,
            mention=self._settings.mention,
            note="" if usual is None else f"The usual channel {usual} could not be reached, so this comes here",
        )
        answer = await self._posted(message, alert, None)
        return self._done(answer, self._reference(answer))

    async def _posted(
        self, message: SlackMessage, alert: Alert, thread: Place | None, *, broadcast: bool = False
    ) -> Answer:
        metadata = {"event_type": EVENT, "event_payload": {"alert": alert.id}}
        answer = await self._post(message, thread, broadcast, metadata)
        if answer.code in FORM:
            answer = await self._post(SlackMessage(message.text, ()), thread, broadcast, None)
        return answer

    async def _post(
        self, message: SlackMessage, thread: Place | None, broadcast: bool, metadata: Mapping[str, object] | None
    ) -> Answer:
        if self._settings.webhook_url:
            return await self._client.post_to_webhook(self._settings.webhook_url, message)
        channel, stamp = (self._channel, None) if thread is None else (thread.channel, thread.stamp)
        return await self._client.post(channel, message, thread=stamp, broadcast=broadcast, metadata=metadata)

    async def _redraw(self, alert: Alert, thread: Place) -> Receipt:
        """The first message, as things are now. It calls nobody: an edit would not reach them anyway."""
        message = root(alert, powers=self._settings.powers)
        answer = await self._client.update(thread.channel, thread.stamp, message)
        if answer.code in FORM:
            answer = await self._client.update(thread.channel, thread.stamp, SlackMessage(message.text, ()))
        return self._done(answer, str(thread))

    async def _draw(self, outgoing: Outgoing, thread: Place) -> Receipt:
        if outgoing.picture is None:
            raise WithdrawnError("there is no picture any more")
        picture = outgoing.picture
        alt = " ".join(clean(picture.alt[:2_000]).split())[:1_000] or "How the score went"
        try:
            answer = await self._client.upload(thread.channel, thread.stamp, "trend.png", picture.png, alt)
            return self._done(answer, str(thread))
        except TransportError as error:
            raise of_picture(error) from None

    def _done(self, answer: Answer, reference: str | None, parts: tuple[str, ...] = ()) -> Receipt:
        if answer.code in GONE:
            raise WithdrawnError("the first message of the thread is gone, or may not be changed any more")
        if not answer.ok:
            raise self._client.refusal(answer)
        return Receipt(reference, parts)

    def _first(self, answer: Answer, thread: Place) -> str | None:
        """The first message of the thread that a reply has gone to.

        Where the first message was deleted, Slack puts the reply into the channel, and says so only by leaving out its
        `thread_ts`: then it is the first of a new thread, and is made to look like it by its part ROOT.
        """
        message = answer.body.get("message")
        strayed = isinstance(message, dict) and "thread_ts" not in message
        return self._reference(answer) if strayed else str(thread)

    def _reference(self, answer: Answer) -> str | None:
        stamp = answer.text("ts")
        return None if stamp is None else str(Place(answer.text("channel") or self._channel, stamp))


def whisperer(settings: SlackSettings) -> Callable[[str, str, str, str | None], Awaitable[None]]:
    """What tells one person in a channel something: `(channel, user, text, thread)`; raises TransportError."""
    client = SlackClient(settings.token, settings.base_url, settings.timeout)

    async def whisper(channel: str, user: str, text: str, thread: str | None) -> None:
        answer = await client.whisper(channel, user, prose(text, 2_000), thread)
        if not answer.ok:
            raise client.refusal(answer)

    return whisper
