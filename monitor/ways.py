"""The ways out: channels to people and hooks to tools; the only place beside wiring that names them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from monitor.config.fields import Secret
from monitor.config.secrets import SecretError, resolve_at
from monitor.store.database import Database

if TYPE_CHECKING:
    from alerts.channel import Channel
    from alerts.channels.slack import SlackSettings
    from alerts.channels.slack_socket import SocketSettings
    from alerts.hooks.command import CommandRunner
    from alerts.hooks.webhook import WebhookSender
    from monitor.config.models import Config
    from monitor.config.slack import Slack
    from monitor.incidents.office import Office

# One attempt of a hook, unless its table says otherwise.
FOR_A_REQUEST, FOR_A_COMMAND = timedelta(seconds=20), timedelta(minutes=10)


def office(
    config: Callable[[], Config], clock: Callable[[], datetime], new_id: Callable[[datetime], str]
) -> Callable[[], Office]:
    """What steps of incidents need, as of each moment that it is called."""
    from monitor.incidents.office import Office

    return lambda: Office(config(), config().alerts.channels, clock(), new_id)


def channels(config: Config, environ: Mapping[str, str]) -> dict[str, Channel]:
    """The configured channels to people. One that cannot be had says so in its place, and holds up no other.

    `slack-fallback` is none that alerts choose. Raises SecretError where none can be had.
    """
    from alerts.channel import Shut

    makers = {"slack": _slack, "email": _email}
    found: dict[str, Channel] = {}
    shut: list[SecretError] = []
    for name in config.alerts.channels:
        try:
            found |= makers[name](config, environ)
        except SecretError as error:
            shut.append(error)
            found[name] = Shut(name, str(error))
    if shut and len(shut) == len(found):
        raise shut[0]
    return found


def everything(
    config: Config, environ: Mapping[str, str], database: Database, office: Callable[[], Office]
) -> dict[str, Channel]:
    """All that the outbox is sent by: the channels to people, and the hooks. Raises SecretError as `channels` does.

    A hook whose secret cannot be had is there all the same: what it is to send waits, with the reason.
    """
    found = channels(config, environ)
    for name, table in config.hooks.items():
        if table.mode != "off":
            way = hook(config, environ, name, database, office)
            found[way.name] = way
    return found


def hook(
    config: Config, environ: Mapping[str, str], name: str, database: Database, office: Callable[[], Office]
) -> Channel:
    """One hook as a way out."""
    from alerts.channel import Shut
    from alerts.hooks.command import CommandRunner
    from alerts.hooks.settings import CommandSettings, WebhookSettings
    from alerts.hooks.webhook import WebhookSender
    from monitor.incidents.calls import PREFIX, HookChannel
    from monitor.names import Names

    table = config.hooks[name]
    timeout = table.timeout or (FOR_A_REQUEST if table.command is None else FOR_A_COMMAND)
    way: WebhookSender | CommandRunner
    try:
        if table.command is not None:
            way = CommandRunner(CommandSettings(name, table.command, timeout.total_seconds()), environ)
        else:
            secret = resolve_at(config, ("hooks", name, "secret"), table.secret, environ) if table.secret else ""
            way = WebhookSender(WebhookSettings(name, table.url or "", secret, timeout.total_seconds()), Names())
    except (SecretError, ValueError) as error:
        return Shut(f"{PREFIX}{name}", str(error))
    return HookChannel(name, way, timeout, database, office)


def _slack(config: Config, environ: Mapping[str, str]) -> dict[str, Channel]:
    """Slack, and the channel that is read instead where it cannot be reached."""
    from alerts.channels.slack import FALLBACK, NAME, SlackChannel
    from alerts.message_buttons import NO_BUTTONS

    table = config.alerts.slack
    assert table is not None  # noqa: S101  # `channels` asks for what is configured
    settings = slack_settings(config, table, environ)
    found: dict[str, Channel] = {NAME: SlackChannel(settings)}
    if table.fallback_channel is not None:
        other = replace(settings, channel=table.fallback_channel, stands_in=table.channel, powers=NO_BUTTONS)
        found[FALLBACK] = SlackChannel(other)
    return found


def slack_settings(config: Config, table: Slack, environ: Mapping[str, str]) -> SlackSettings:
    """Where Slack is posted to, with its secrets; raises SecretError."""
    from alerts.channels.slack import SlackSettings
    from alerts.message_buttons import Powers

    try:
        return SlackSettings(
            token=_slack_secret(config, table, "token", environ),
            channel=table.channel,
            webhook_url=_slack_secret(config, table, "webhook_url", environ),
            base_url=table.base_url,
            show_cases=table.show_cases,
            mention=table.mention,
            powers=Powers(table.hears, table.hears and bool(table.approvers)),
        )
    except ValueError as error:
        # What a reference led to is no token or address: whoever holds the secret has to look at it.
        raise SecretError(str(error)) from None


def slack_socket(config: Config, environ: Mapping[str, str]) -> SocketSettings | None:
    """How to listen for what people press; None where the configuration has no app_token. Raises SecretError."""
    table = config.alerts.slack
    if table is None or table.app_token is None:
        return None
    from alerts.channels.slack_socket import SocketSettings

    token = resolve_at(config, ("alerts", "slack", "app_token"), table.app_token, environ)
    return SocketSettings(token, table.base_url)


def slack_signing_secret(config: Config, environ: Mapping[str, str]) -> str | None:
    """By which Slack signs what people press; None where the configuration has none. Raises SecretError."""
    table = config.alerts.slack
    return None if table is None else _slack_secret(config, table, "signing_secret", environ)


def _slack_secret(config: Config, table: Slack, key: str, environ: Mapping[str, str]) -> str | None:
    reference: Secret | None = getattr(table, key)
    return None if reference is None else resolve_at(config, ("alerts", "slack", key), reference, environ)


def _email(config: Config, environ: Mapping[str, str]) -> dict[str, Channel]:
    from alerts.channels.email import NAME, EmailChannel
    from alerts.channels.email_settings import EmailSettings, mailbox
    from alerts.channels.smtp_server import smtp_server
    from monitor.config.places import fault_at

    table = config.alerts.email
    assert table is not None  # noqa: S101  # `channels` asks for what is configured
    place = ("alerts", "email", "smtp")
    try:
        server = smtp_server(resolve_at(config, place, table.smtp, environ))
    except ValueError as error:
        raise SecretError(str(fault_at(config.path, place, f"{table.smtp} {error}"))) from None
    to = tuple(mailbox(address) for address in table.to)
    return {NAME: EmailChannel(EmailSettings(to, mailbox(table.sender), server, show_cases=table.show_cases))}
