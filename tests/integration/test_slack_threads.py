"""An incident's thread through the real slack-sdk: its first message as things stand, replies, details, a picture."""

import gc
from dataclasses import replace

import pytest

from alerts.alert import Kind
from alerts.channel import POST, Outgoing, Picture, TransportError, WithdrawnError
from alerts.channels.slack import DETAILS, FALLBACK, PICTURE, ROOT, SlackChannel, SlackSettings, whisperer
from alerts.incident import State
from alerts.message_buttons import Powers
from tests.fakes.slack_server import (
    CHANNEL,
    PNG,
    TOKEN,
    USER,
    Step,
    all_texts,
    buttons,
    controls,
    refused,
    slack_server,
)
from tests.unit.alerts.samples import FALL, INCIDENT, stepped

GROUP = "<!subteam^S0123456789>"
DRAWN = Picture(PNG + b"pixels", "The score of support-ft on support, eight weeks: it fell on 16 November")
ADA = replace(INCIDENT, acknowledged_by="ada")
FIRST = f"{CHANNEL}/1700000000.000001"


@pytest.fixture
async def slack():
    async with slack_server() as server:
        yield server
    gc.collect()  # a session left open would warn here, and warnings are errors


def channel(server, **changes):
    powers = Powers(buttons=True, approvals=True)
    settings = {"token": TOKEN, "channel": CHANNEL, "base_url": server.api, "timeout": 2, "powers": powers}
    return SlackChannel(SlackSettings(**settings | {"mention": GROUP} | changes))


def of(alert, part=POST, thread=None, picture=None):
    return Outgoing(alert.id, part, alert.to_json(), thread, picture)


def state(server):
    """The first message as people see it now."""
    return "\n".join(all_texts(server.shown["1700000000.000001"]["blocks"]))


async def test_an_incident_is_one_thread_from_the_fall_to_the_end(slack):
    posts = channel(slack)
    receipt = await posts.send(of(FALL, picture=DRAWN))
    assert receipt.reference == FIRST
    assert receipt.parts == (DETAILS, PICTURE)
    assert "thread_ts" not in slack.messages[0]
    for part in receipt.parts:
        assert (await posts.send(of(FALL, part, FIRST, DRAWN))).parts == ()

    step = stepped("acknowledged", "ACKNOWLEDGED by ada", ADA)
    receipt = await posts.send(of(step, thread=FIRST))
    assert (receipt.reference, receipt.parts) == (FIRST, (ROOT,))
    assert "nobody has acknowledged it" in state(slack), "not changed yet"
    await posts.send(of(step, ROOT, FIRST))
    assert "acknowledged by ada" in state(slack)
    assert "heldout.ack" not in [button["action_id"] for button in buttons(slack.updates[-1]["blocks"])]

    over = replace(ADA, state=State.RESOLVED, outcome="recovered")
    end = replace(FALL, id="end", kind=Kind.RECOVERED, verdict="pass", incident=over, mention=False)
    receipt = await posts.send(of(end, thread=FIRST))
    assert receipt.parts == (ROOT, DETAILS)
    await posts.send(of(end, ROOT, FIRST))
    assert state(slack).startswith("✅ RECOVERED")
    assert buttons(slack.updates[-1]["blocks"]) == []

    told = [(message.get("thread_ts"), message.get("reply_broadcast", False)) for message in slack.messages]
    first = "1700000000.000001"
    assert told == [(None, False), (first, False), (first, False), (first, True)], "an edit notifies nobody"
    assert [message["metadata"]["event_payload"]["alert"] for message in slack.messages] == [
        FALL.id, FALL.id, step.id, "end"
    ]  # fmt: skip


async def test_people_are_called_by_the_route_and_never_by_a_change(slack):
    posts = channel(slack)
    await posts.send(of(FALL))
    again = replace(FALL, id="again", kind=Kind.AGAIN)
    for part in (POST, ROOT, DETAILS):
        await posts.send(of(again, part, FIRST))
    await posts.send(of(stepped("acknowledged", "ACKNOWLEDGED by ada", ADA), thread=FIRST))
    calls = [[found for found in controls(message) if found.startswith("!")] for message in slack.messages]
    assert calls == [[GROUP[1:-1]] * 2, [GROUP[1:-1]] * 2, [], []]
    assert not [found for found in controls(slack.updates[0]) if found.startswith("!")]


async def test_a_picture_is_a_reply_with_words_for_those_who_do_not_see_it(slack):
    await channel(slack).send(of(FALL))
    await channel(slack).send(of(FALL, PICTURE, FIRST, DRAWN))
    (file,) = slack.files
    assert (file["png"], file["thread_ts"], file["alt"]) == (DRAWN.png, "1700000000.000001", DRAWN.alt)


async def test_a_picture_without_the_scope_is_the_fault_of_the_picture_alone(slack):
    posts = channel(slack)
    await posts.send(of(FALL))
    slack.scopes = "chat:write"
    with pytest.raises(TransportError, match=r"the picture is left out.*add the scope files:write") as caught:
        await posts.send(of(FALL, PICTURE, FIRST, DRAWN))
    assert (caught.value.permanent, caught.value.this_message) == (True, True)
    await posts.send(of(FALL, DETAILS, FIRST))
    health = await posts.verify()
    assert health.working
    assert "pictures need the scope files:write" in health.detail


@pytest.mark.parametrize("address", ["http://evil.example/upload", "file:///etc/passwd", "", "https:///x"])
async def test_a_picture_goes_only_where_slack_itself_would_send_it(slack, address):
    posts = channel(slack)
    await posts.send(of(FALL))
    slack.upload_url = address or None
    slack.script.append(Step(200, {"ok": True, "upload_url": address, "file_id": "F1"}))
    with pytest.raises(TransportError, match="named no https address") as caught:
        await posts.send(of(FALL, PICTURE, FIRST, DRAWN))
    assert caught.value.this_message
    assert "evil" not in caught.value.message


async def test_a_picture_that_slack_cannot_take_now_is_tried_again(slack):
    posts = channel(slack)
    await posts.send(of(FALL))
    slack.script.append(refused("ratelimited", 429, Retry_After="7"))
    with pytest.raises(TransportError) as caught:
        await posts.send(of(FALL, PICTURE, FIRST, DRAWN))
    assert (caught.value.permanent, caught.value.retry_after) == (False, 7.0)
    with pytest.raises(WithdrawnError, match="no picture any more"):
        await posts.send(of(FALL, PICTURE, FIRST))


@pytest.mark.parametrize(
    ("gone", "refusal"), [("C0OLDCHANNEL/1700000000.000001", None), (FIRST, refused("thread_not_found"))]
)
async def test_where_the_first_message_is_gone_another_takes_its_place(slack, gone, refusal):
    slack.script.extend([refusal] if refusal else [])
    receipt = await channel(slack).send(of(FALL, thread=gone))
    assert (receipt.reference, receipt.parts) == (FIRST, (DETAILS,))
    assert "thread_ts" not in slack.messages[0]
    assert "heldout.approve" in [button["action_id"] for button in buttons(slack.messages[0]["blocks"])]


async def test_a_reply_that_slack_puts_into_the_channel_becomes_the_first_message(slack):
    posts, deleted = channel(slack), f"{CHANNEL}/1600000000.000001"
    receipt = await posts.send(of(FALL, thread=deleted))
    assert (receipt.reference, receipt.parts) == (FIRST, (ROOT, DETAILS))
    await posts.send(of(FALL, ROOT, receipt.reference))
    assert "heldout.approve" in [button["action_id"] for button in buttons(slack.updates[0]["blocks"])]
    assert "*Thresholds*" in state(slack)


async def test_what_belongs_to_a_message_that_is_gone_is_not_tried_for_ever(slack):
    posts = channel(slack)
    for part, thread in ((ROOT, f"{CHANNEL}/1600000000.000001"), *((p, "C0OLD/1.2") for p in (ROOT, DETAILS, PICTURE))):
        with pytest.raises(WithdrawnError):
            await posts.send(of(FALL, part, thread, DRAWN))
    with pytest.raises(WithdrawnError, match="first message of the thread is gone"):
        await posts.send(of(FALL, PICTURE, f"{CHANNEL}/1600000000.000001", DRAWN))
    assert (slack.messages, slack.files) == ([], [])


async def test_a_part_without_a_thread_is_not_wanted(slack):
    with pytest.raises(WithdrawnError):
        await channel(slack).send(of(FALL, DETAILS))
    with pytest.raises(TransportError, match="Slack has no part"):
        await channel(slack).send(of(FALL, "sound", FIRST))
    assert slack.requests == []


async def test_a_change_that_slack_refuses_for_its_form_loses_the_blocks_and_not_the_state(slack):
    posts = channel(slack)
    await posts.send(of(FALL))
    slack.script.append(refused("invalid_blocks"))
    await posts.send(of(stepped("acknowledged", "ACKNOWLEDGED by ada", ADA), ROOT, FIRST))
    (update,) = slack.updates
    assert update["blocks"] == [], "left out, the old ones would stay"
    assert "Now: Open · acknowledged by ada" in update["text"]


async def test_a_webhook_gets_what_nobody_may_miss_and_links_for_buttons(slack):
    posts = SlackChannel(SlackSettings(webhook_url=slack.hook, timeout=2, mention=GROUP, powers=Powers(True, True)))
    receipt = await posts.send(of(FALL, picture=DRAWN))
    assert (receipt.reference, receipt.parts) == (None, ())
    quiet = await posts.send(of(stepped("acknowledged", "ACKNOWLEDGED by ada", ADA)))
    assert quiet.reference is None
    await posts.send(of(stepped("failed", "ROLLBACK FAILED", broadcast=True, mention=True)))
    fall, failed = slack.messages
    assert buttons(fall["blocks"]) == []
    assert "<https://heldout.internal/incidents/0193a7c2|Incident>" in all_texts(fall["blocks"])
    assert "*Now:* Open" in "\n".join(all_texts(fall["blocks"]))
    assert failed["text"].startswith(f"{GROUP} 🔴 ROLLBACK FAILED")


async def test_the_other_channel_says_first_why_it_is_read(slack):
    posts = channel(slack, stands_in="C0USUAL")
    assert posts.name == FALLBACK
    receipt = await posts.send(of(FALL, thread=FIRST, picture=DRAWN))
    assert receipt.parts == ()
    (message,) = slack.messages
    note = "The usual channel C0USUAL could not be reached, so this comes here"
    assert message["text"].startswith(f"{GROUP} {note}\n🔴 ROLLBACK")
    assert "thread_ts" not in message
    assert buttons(message["blocks"]) == []


async def test_one_person_is_told_what_came_of_a_press(slack):
    posts = channel(slack)
    await posts.send(of(FALL))
    whisper = whisperer(SlackSettings(token=TOKEN, channel=CHANNEL, base_url=slack.api, timeout=2))
    await whisper(CHANNEL, USER, "You may not approve. <!channel>", "1700000000.000001")
    (told,) = slack.whispers
    assert told["user"] == USER
    assert told["text"] == "You may not approve. &lt;!channel&gt;"
    slack.script.append(refused("user_not_in_channel"))
    with pytest.raises(TransportError):
        await whisper(CHANNEL, USER, "x", None)
