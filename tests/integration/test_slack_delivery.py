"""The Slack channel through the real slack-sdk to a server on loopback that behaves like Slack."""

import gc
import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from alerts.alert import Example
from alerts.channel import POST, Outgoing, TransportError
from alerts.channels.slack import SlackChannel, SlackSettings
from alerts.channels.slack_errors import ADVICE, PASSING
from alerts.deliver import State, deliver
from tests.fakes.outbox import START, Clock, MemoryOutbox
from tests.fakes.slack_server import CHANNEL, TOKEN, Step, controls, faults, refused, slack_server
from tests.unit.alerts.samples import INVESTIGATE, ROLLBACK, numbered


@pytest.fixture
async def slack():
    async with slack_server() as server:
        yield server
    gc.collect()  # a session left open would warn here, and warnings are errors


def by_token(server, **settings):
    settings = {"token": TOKEN, "channel": CHANNEL, "base_url": server.api, "timeout": 2} | settings
    return SlackChannel(SlackSettings(**settings))


def by_webhook(server, **settings):
    return SlackChannel(SlackSettings(webhook_url=server.hook, timeout=2, **settings))


BOTH = pytest.mark.parametrize("channel_for", [by_token, by_webhook])


def of(alert):
    return Outgoing(alert.id, POST, alert.to_json())


async def failure(channel, alert=ROLLBACK):
    with pytest.raises(TransportError) as caught:
        await channel.send(of(alert))
    for secret in (TOKEN, "hook-secret", "/services/"):
        assert secret not in repr(caught.value) + caught.value.message
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return caught.value


async def test_a_message_arrives_with_its_id_and_nothing_that_slack_would_link(slack):
    receipt = await by_token(slack).send(of(ROLLBACK))
    (message,) = slack.messages
    assert receipt.reference == f"{CHANNEL}/1700000000.000001"
    assert receipt.parts == (), "it belongs to no incident, and so has no thread"
    assert message["channel"] == CHANNEL
    assert message["metadata"] == {"event_type": "heldout_alert", "event_payload": {"alert": ROLLBACK.id}}
    assert {k: message[k] for k in ("parse", "link_names", "mrkdwn")} == {
        "parse": "none",
        "link_names": False,
        "mrkdwn": False,
    }
    assert (message["unfurl_links"], message["unfurl_media"]) == (False, False)
    assert message["text"].startswith("🔴 ROLLBACK: support-ft on support\nScore 83.3 of 100")
    assert f"Alert: `{ROLLBACK.id}`" in str(message["blocks"][-1])
    assert faults(message["blocks"]) == []


async def test_a_webhook_gets_the_same_message_without_a_receipt(slack):
    receipt = await by_webhook(slack).send(of(ROLLBACK))
    (message,) = slack.messages
    assert receipt.reference is None
    assert ROLLBACK.id in str(message["blocks"][-1])
    assert "metadata" not in message
    assert (message["parse"], message["link_names"]) == ("none", False)


@BOTH
async def test_hostile_words_arrive_as_words(slack, channel_for):
    attack = "<!channel> <@U0BOSS> <#C0ALL> <https://evil.example|log in> & @here ``` \u202e"
    alert = replace(
        ROLLBACK,
        target=attack,
        meaning=attack,
        reasons=(attack,),
        links=(),
        examples=(Example(attack, attack, attack, attack, attack, 1.0, 0.0),),
    )
    await channel_for(slack, show_cases=True).send(of(alert))
    (message,) = slack.messages
    assert controls(message) == []
    assert "&lt;!channel&gt;" in message["text"]


@BOTH
async def test_only_the_configured_mention_reaches_slack(slack, channel_for):
    await channel_for(slack, mention="<!subteam^S0123456789>").send(of(replace(ROLLBACK, links=(), mention=True)))
    await channel_for(slack, mention="<!subteam^S0123456789>").send(of(INVESTIGATE))
    assert [controls(message) for message in slack.messages] == [["!subteam^S0123456789"] * 2, []]


@BOTH
@pytest.mark.parametrize("code", ["invalid_blocks", "msg_too_long", "msg_blocks_too_long"])
async def test_refused_blocks_are_sent_once_more_as_plain_text(slack, channel_for, code):
    webhook = channel_for is by_webhook
    slack.script.append(Step(400, code, content_type="text/plain") if webhook else refused(code))
    await channel_for(slack).send(of(ROLLBACK))
    (message,) = slack.messages
    assert len(slack.requests) == 2
    assert "blocks" not in message
    assert "metadata" not in message
    assert message["text"].startswith("🔴 ROLLBACK")
    assert message["parse"] == "none"


async def test_plain_text_that_is_refused_too_is_this_messages_fault_alone(slack):
    slack.script.extend([refused("invalid_blocks"), refused("msg_too_long")])
    error = await failure(by_token(slack))
    assert (error.permanent, error.this_message) == (True, True)
    assert len(slack.requests) == 2


@pytest.mark.parametrize("code", sorted(ADVICE))
async def test_what_somebody_has_to_fix_is_permanent_and_says_how(slack, code):
    slack.script.append(refused(code))
    error = await failure(by_token(slack))
    assert (error.permanent, error.this_message) == (True, False)
    assert code in error.message
    assert ADVICE[code] in error.message


async def test_the_servers_own_refusals_are_understood(slack):
    assert "invalid_auth" in (await failure(by_token(slack, token="xoxb-wrong"))).message
    error = await failure(by_token(slack, channel="C0NOTHERE"))
    assert "channel_not_found" in error.message
    assert error.permanent


async def test_an_unknown_code_is_permanent_and_a_code_that_is_none_is_not_repeated(slack):
    slack.script.extend([refused("a_new_code"), refused("<!channel> " + TOKEN)])
    assert "a_new_code" in (await failure(by_token(slack))).message
    assert "without an error code" in (await failure(by_token(slack))).message


@pytest.mark.parametrize("code", sorted(PASSING))
async def test_what_passes_by_itself_is_not_permanent(slack, code):
    slack.script.append(refused(code))
    assert not (await failure(by_token(slack))).permanent


@BOTH
@pytest.mark.parametrize("status", [408, 429, 500, 502, 503])
async def test_a_status_that_passes_is_not_permanent(slack, channel_for, status):
    slack.script.append(Step(status, "<html>busy</html>", content_type="text/html"))
    error = await failure(channel_for(slack))
    assert not error.permanent
    assert f"HTTP {status}" in error.message
    assert len(slack.requests) == 1, "the outbox tries again, not the channel"


async def test_a_server_error_passes_whatever_code_comes_with_it(slack):
    slack.script.extend([refused("a_new_code", 500), refused("channel_not_found", 503)])
    channel = by_token(slack)
    assert [(await failure(channel)).permanent for _ in range(2)] == [False, False]


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (403, "action_prohibited"),
        (404, "no_service"),
        (404, "no_team"),
        (410, "channel_is_archived"),
        (400, "invalid_token"),
    ],
)
async def test_a_webhooks_refusals_are_permanent_with_advice(slack, status, said):
    slack.script.append(Step(status, said, content_type="text/plain"))
    error = await failure(by_webhook(slack))
    assert error.permanent
    assert ADVICE[said] in error.message


@BOTH
@pytest.mark.parametrize(
    ("header", "seconds"), [("30", 30.0), ("1.5", 1.5), ("0", None), ("-3", None), ("soon", None), ("nan", None)]
)
async def test_retry_after_in_seconds(slack, channel_for, header, seconds):
    slack.script.append(refused("ratelimited", 429, Retry_After=header))
    error = await failure(channel_for(slack))
    assert (error.permanent, error.retry_after) == (False, seconds)


@BOTH
async def test_retry_after_as_a_date_is_read_by_the_servers_clock(slack, channel_for):
    there = datetime(2031, 5, 6, 7, 8, 9, tzinfo=UTC)  # far from this machine's time
    headers = {
        "Date": format_datetime(there, usegmt=True),
        "Retry-After": format_datetime(there + timedelta(seconds=42), usegmt=True),
    }
    slack.script.append(Step(429, {"ok": False, "error": "ratelimited"}, headers))
    assert (await failure(channel_for(slack))).retry_after == 42.0


@BOTH
async def test_a_hanging_server_ends_in_the_channels_time_out(slack, channel_for):
    slack.script.append(Step(hang=True))
    error = await failure(channel_for(slack, **({} if channel_for is by_webhook else {"timeout": 1})))
    assert not error.permanent
    assert "did not answer within" in error.message


@BOTH
async def test_a_connection_that_breaks_is_tried_again(slack, channel_for):
    slack.script.append(Step(close=True))
    error = await failure(channel_for(slack))
    assert not error.permanent
    assert "connection to Slack broke" in error.message


@BOTH
async def test_nobody_listening_is_tried_again(channel_for):
    async with slack_server() as gone:
        channel = channel_for(gone)
    error = await failure(channel)
    assert not error.permanent
    assert "127.0.0.1 cannot be reached" in error.message


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ("<html>Sign in to the hotel</html>", "text/html"),
        ("welcome", "text/plain"),
        ("{broken", "application/json"),
        ("[1]", "application/json"),
        ("", "application/json"),
        ('{"ok": "yes"}', "application/json"),
    ],
)
async def test_a_success_that_is_not_slacks_is_no_success(slack, body, content_type):
    slack.script.append(Step(200, body, content_type=content_type))
    assert not (await failure(by_token(slack))).permanent
    slack.script.append(Step(200, body, content_type=content_type))
    assert not (await failure(by_webhook(slack))).permanent
    assert slack.messages == []


@BOTH
async def test_a_proxy_in_the_environment_is_not_used_for_loopback(slack, channel_for, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    await channel_for(slack).send(of(ROLLBACK))
    assert len(slack.messages) == 1


@BOTH
async def test_the_debug_log_holds_no_secret(slack, channel_for, caplog):
    with caplog.at_level(logging.DEBUG):
        await channel_for(slack).send(of(ROLLBACK))
    assert "hook-secret" not in caplog.text
    assert TOKEN not in caplog.text


async def test_verify_asks_about_the_token_and_posts_nothing(slack):
    health = await by_token(slack).verify()
    assert health.working is True
    assert (
        "valid in the workspace Acme <Corp>; whether it may post in C0123456789 shows with the first" in health.detail
    )
    assert slack.messages == []


async def test_verify_says_what_is_wrong(slack):
    wrong = await by_token(slack, token="xoxb-wrong").verify()
    assert wrong.working is False
    assert "invalid_auth" in wrong.detail
    slack.scopes = "channels:read"
    unscoped = await by_token(slack).verify()
    assert unscoped.working is False
    assert "chat:write" in unscoped.detail
    slack.script.append(Step(close=True))
    assert (await by_token(slack).verify()).working is False


async def test_a_webhook_cannot_be_verified_and_says_so(slack):
    health = await by_webhook(slack).verify()
    assert health.working is None
    assert "only when a message is posted" in health.detail
    assert slack.requests == []


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "either token and channel, or webhook_url"),
        ({"token": "xoxb-1", "channel": "C1", "webhook_url": "https://a.example/x"}, "either token"),
        ({"token": "xoxb-1"}, "channel is missing"),
        ({"token": "xoxb-1\nX-Evil: 1", "channel": "C1"}, "a line break"),
        ({"webhook_url": "hooks.slack.example/services/secret"}, "http or https"),
        ({"webhook_url": "https:///services/secret"}, "http or https"),
    ],
)
def test_settings_that_cannot_work_are_refused_without_their_values(settings, said):
    with pytest.raises(ValueError, match=said) as caught:
        SlackSettings(**settings)
    assert "secret" not in str(caught.value).replace("is a secret", "")
    assert "xoxb-1" not in str(caught.value)


def test_secrets_are_not_in_the_representation():
    assert "xoxb-1" not in repr(SlackSettings(token="xoxb-1", channel="C1"))
    assert "hidden" not in repr(SlackSettings(webhook_url="https://a.example/hidden"))


async def test_slack_down_for_hours_delays_every_message_and_loses_none(slack):
    clock, outbox = Clock(), MemoryOutbox()
    rows = [outbox.put(numbered(i, target=f"target-{i % 3}"), START) for i in range(6)]
    outage = [
        refused("internal_error"),
        Step(503, "down", content_type="text/plain"),
        Step(close=True),
        refused("invalid_auth"),
    ]
    slack.script.extend(outage * 3)
    channels = {"slack": by_token(slack)}
    for _ in range(48):
        await deliver(outbox, channels, clock, until=clock() + timedelta(minutes=1), sleep=clock.sleep)
        clock.now += timedelta(minutes=30)
    assert [row.state for row in rows] == ["sent"] * 6
    delivered = [message["metadata"]["event_payload"]["alert"] for message in slack.messages]
    assert sorted(delivered) == [f"alert-{i}" for i in range(6)]
    for target in range(3):
        assert delivered.index(f"alert-{target}") < delivered.index(f"alert-{target + 3}")


async def test_a_withdrawn_token_blocks_until_it_is_replaced(slack):
    clock, outbox = Clock(), MemoryOutbox()
    row = outbox.put(ROLLBACK, START)
    withdrawn = {"slack": by_token(slack, token="xoxb-withdrawn")}
    tally = await deliver(outbox, withdrawn, clock, until=START + timedelta(minutes=1), sleep=clock.sleep)
    assert (tally.blocked, row.state) == (1, State.BLOCKED)
    clock.now = row.due_at
    until = clock() + timedelta(minutes=1)
    tally = await deliver(outbox, {"slack": by_token(slack)}, clock, until=until, sleep=clock.sleep)
    assert (tally.sent, row.receipt) == (1, f"{CHANNEL}/1700000000.000001")
