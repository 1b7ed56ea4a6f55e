"""Slack's refusals: which of them pass by themselves, and what to do about the others; pure."""

from __future__ import annotations

import re

from alerts.channel import TransportError

_NEW_KEY = "put a valid bot token (xoxb-…) where alerts.slack.token points to"
_INVITE = "invite the app to the channel, or name another one in alerts.slack.channel"
_HOOK = "make a new incoming webhook and put its address where alerts.slack.webhook_url points to"
_POLICY = "a rule of the workspace forbids it: ask its administrator, or name another channel"

# What the operator can do about a code. Any code that is in neither table is permanent too, with general advice.
ADVICE = {
    "account_inactive": f"the token's user or workspace was deactivated: {_NEW_KEY}",
    "action_prohibited": _POLICY,
    "cannot_reply_to_message": _POLICY,
    "channel_is_archived": "the channel is archived: unarchive it, or name another one",
    "channel_not_found": f"no such channel for this app (use the channel's id, C…): {_INVITE}",
    "ekm_access_denied": _POLICY,
    "enterprise_is_restricted": _POLICY,
    "invalid_auth": f"Slack does not know the token, or refuses this address: {_NEW_KEY}",
    "invalid_token": f"Slack no longer knows this webhook: {_HOOK}",
    "is_archived": "the channel is archived: unarchive it, or name another one in alerts.slack.channel",
    "missing_scope": "add the scope chat:write to the app, install it again and put its new token in place",
    "no_active_hooks": f"the webhook was switched off: {_HOOK}",
    "no_permission": f"the token may not post there: {_INVITE}",
    "no_service": f"the webhook was removed or switched off: {_HOOK}",
    "no_team": f"the webhook's workspace is gone: {_HOOK}",
    "not_allowed_token_type": f"this kind of token cannot post: {_NEW_KEY}",
    "not_authed": f"no token arrived: {_NEW_KEY}",
    "not_in_channel": _INVITE,
    "org_login_required": "the workspace is being migrated: wait for its administrator",
    "posting_to_general_channel_denied": _POLICY,
    "restricted_action": _POLICY,
    "team_access_not_granted": "install the app in this workspace and put its token in place",
    "team_disabled": "the workspace is switched off: name another one",
    "token_expired": f"the token has run out: {_NEW_KEY}",
    "token_revoked": f"the token was withdrawn: {_NEW_KEY}",
    "two_factor_setup_required": "the token's user has to set up two-factor authentication",
}
PASSING = frozenset(
    {
        "fatal_error",
        "internal_error",
        "rate_limited",
        "ratelimited",
        "request_timeout",
        "rollup_error",
        "service_unavailable",
        "team_added_to_org",
    }
)
# Faults of the message's form: the same words without blocks and metadata may pass.
FORM = frozenset(
    {
        "block_mismatch",
        "invalid_attachments",
        "invalid_blocks",
        "invalid_blocks_format",
        "invalid_metadata_format",
        "invalid_metadata_schema",
        "invalid_payload",
        "metadata_must_be_sent_from_app",
        "metadata_too_large",
        "msg_blocks_too_long",
        "msg_too_long",
        "too_many_attachments",
    }
)
# The message that was to be changed, or replied to, is not there any more, or may not be changed any more.
GONE = frozenset(
    {
        "message_not_found",
        "thread_not_found",
        "invalid_thread_ts",
        "cant_update_message",
        "edit_window_closed",
        "is_inactive",
    }
)
_CODE = re.compile(r"[a-z0-9_]{1,60}")


def code_of(value: object) -> str:
    """Slack's error code, or "" where the other side sent something that cannot be one (and must not be repeated)."""
    return value if isinstance(value, str) and _CODE.fullmatch(value) else ""


def of_picture(error: TransportError) -> TransportError:
    """`error` as one of a picture alone: what is said in words goes out without it."""
    if not error.permanent:
        return error
    advice = f"the picture is left out. {error.message.replace('chat:write', 'files:write')}"
    return TransportError(advice, permanent=True, this_message=True)


def of_socket(code: str, error: TransportError) -> TransportError:
    """`error`, met when a socket was asked for, which another token than messages is for."""
    if not error.permanent:
        return error
    advice = (
        f"Slack opens no socket ({code or 'without an error code'}): put an app-level token (xapp-…) with the scope "
        "connections:write where alerts.slack.app_token points to, and switch Socket Mode on in the app"
    )
    return TransportError(advice, permanent=True)


def refusal(code: str, status: int, retry_after: float | None) -> TransportError:
    """The error for a refusal with `code` ("" where there is none) and HTTP `status`."""
    said = f"Slack answered {code or 'without an error code'} (HTTP {status})"
    if code in PASSING or status in (408, 425, 429) or status >= 500:
        return TransportError(f"{said}; it will be tried again", permanent=False, retry_after=retry_after)
    if code in FORM:
        return TransportError(
            f"{said}, also to plain text; this message cannot be sent", permanent=True, this_message=True
        )
    if code in ADVICE:
        return TransportError(f"{said}: {ADVICE[code]}", permanent=True)
    if code or 400 <= status < 500:
        advice = "look the code up in Slack's reference of chat.postMessage" if code else "check alerts.slack.base_url"
        return TransportError(f"{said}: {advice}, and the token, webhook and channel", permanent=True)
    # 2xx or 3xx without Slack's JSON: a proxy's or a hotel's login page. That passes once the network is back.
    return TransportError(f"{said}: this was not Slack's own answer; it will be tried again", permanent=False)
