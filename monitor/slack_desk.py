"""What people press in Slack becomes what they do: signed requests and Socket Mode come to the same."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from alerts.channel import TransportError
from alerts.codec import FormatError
from alerts.incident import NotAllowedError
from monitor import ways
from monitor.config.secrets import SecretError
from monitor.incidents.actions import Actions
from monitor.incidents.office import Actor, RefusedError, UnknownError
from monitor.store.database import DatabaseError
from monitor.threads import in_thread
from monitor.web.service import SlackAnswer

if TYPE_CHECKING:
    from alerts.channels.slack_interaction import Interaction
    from monitor.config.models import Config

logger = logging.getLogger(__name__)

# What the button says.
SILENCE = timedelta(days=7)
_TRY_AGAIN = "heldout cannot look at its database now, and nothing was done. Try again, or see its page."


@dataclass(frozen=True)
class SlackDesk:
    """`actions` is what people do about incidents, as of now."""

    config: Callable[[], Config]
    environ: Mapping[str, str]
    clock: Callable[[], datetime]
    actions: Callable[[], Actions]

    def signed(self, headers: Mapping[str, str], body: bytes) -> SlackAnswer:
        """A request that says it is Slack's; blocking. `headers` have names in lower case."""
        from alerts.channels.slack_client import verify
        from alerts.channels.slack_interaction import from_form

        try:
            secret = ways.slack_signing_secret(self.config(), self.environ)
        except SecretError as error:
            logger.warning("Slack's requests cannot be verified", extra={"why": str(error)})
            secret = None
        if secret is None:
            return SlackAnswer(404, "Buttons by HTTP are not configured: see signing_secret in [alerts.slack].")
        stamp, signature = headers.get("x-slack-request-timestamp", ""), headers.get("x-slack-signature", "")
        fault = verify(secret, stamp, signature, body, self.clock())
        if fault is not None:
            return SlackAnswer(401, f"This is not from Slack: {fault}.")
        try:
            pressed = from_form(body)
        except FormatError as error:
            return SlackAnswer(400, f"{error}.")
        said = self._do(pressed)
        # Slack shows nothing of the answer itself, and waits for it no longer than three seconds.
        threading.Thread(target=lambda: asyncio.run(self._whisper(pressed, said)), name="whisper", daemon=True).start()
        return SlackAnswer(200, said)

    async def heard(self, payload: Mapping[str, Any]) -> str | None:
        """A payload of Socket Mode; returns what to tell whoever pressed."""
        from alerts.channels.slack_interaction import parse

        try:
            pressed = parse(payload)
        except FormatError as error:
            logger.info("something else came from Slack", extra={"why": str(error)})
            return None
        return await in_thread(lambda: self._do(pressed))

    async def answer(self, payload: Mapping[str, Any], said: str) -> None:
        """Tell whoever pressed what came of it."""
        from alerts.channels.slack_interaction import parse

        await self._whisper(parse(payload), said)

    async def _whisper(self, pressed: Interaction, said: str) -> None:
        """Tell one person; what was done is done, so that one who cannot be told is only logged."""
        from alerts.channels.slack import whisperer

        config = self.config()
        if config.alerts.slack is None:
            return
        try:
            whisper = whisperer(ways.slack_settings(config, config.alerts.slack, self.environ))
            await whisper(pressed.channel, pressed.user, said, pressed.thread)
        except (TransportError, SecretError) as error:
            logger.warning("nobody could be told in Slack", extra={"why": str(error)})

    def _do(self, pressed: Interaction) -> str:
        """Do it, or say why not, in a sentence for whoever pressed."""
        from alerts.channels.slack_interaction import may

        table = self.config().alerts.slack
        team, approvers = (table.team, table.approvers) if table is not None else (None, ())
        fault = may(pressed, team=team, approvers=approvers)
        about = {"action": pressed.action, "incident": pressed.incident, "by": pressed.who}
        if fault is not None:
            logger.warning("a press in Slack was refused", extra=about)
            return fault
        logger.info("a press in Slack", extra=about)
        try:
            return self._done(pressed, Actor(pressed.who, "slack"))
        except (NotAllowedError, UnknownError) as error:
            return f"Nothing was done: {error}."
        except RefusedError as error:
            return f"Not now: {error}"
        except DatabaseError as error:
            logger.warning("a press in Slack came to nothing", extra={**about, "why": str(error)})
            return _TRY_AGAIN

    def _done(self, pressed: Interaction, actor: Actor) -> str:
        desk = self.actions()
        if pressed.action == "ack":
            desk.acknowledge(pressed.incident, actor)
            return "You have acknowledged it: it is not repeated any more."
        if pressed.action == "silence":
            until = self.clock() + SILENCE
            desk.silence(pressed.incident, actor, until)
            return f"Silenced until {until:%Y-%m-%d %H:%M} UTC. That it got worse, or is over, is told all the same."
        if pressed.action == "approve":
            incident = desk.approve(pressed.incident, actor, nonce=pressed.nonce)
            return f"Approved: the {incident.action or 'request'} is on its way."
        desk.reject(pressed.incident, actor, nonce=pressed.nonce)
        return "Rejected: nothing is asked for."
