"""Who pressed what: read strictly from whatever arrives, and allowed only to those who may."""

import json
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.channels.slack_interaction import Interaction, from_form, may, parse
from alerts.codec import FormatError
from tests.fakes.slack_server import CHANNEL, TEAM, USER, pressed

APPROVE = pressed("heldout.approve", "0193-inc n0nce")
ACK = pressed("heldout.ack", "0193-inc")


def test_a_press_says_who_what_where_and_on_which_offer():
    assert parse(APPROVE) == Interaction(
        USER, "ada", TEAM, TEAM, CHANNEL, "approve", "0193-inc", "n0nce", "1700000000.000001"
    )
    second = parse(pressed("heldout.reject.2", "0193-inc other"))
    assert (second.action, second.nonce) == ("reject", "other")
    assert parse(ACK).nonce is None
    assert parse(APPROVE).who == f"ada (Slack {USER})"


def test_a_reply_goes_to_the_thread_that_the_button_is_in():
    inside = {"message_ts": "1700000009.000001", "thread_ts": "1700000001.000001", "channel_id": CHANNEL}
    assert parse(pressed("heldout.ack", "a", container=inside)).thread == "1700000001.000001"
    assert parse(pressed("heldout.ack", "a", container="hostile")).thread is None


def test_a_name_can_look_like_nothing_but_a_name():
    user = {"id": USER, "username": "root (Slack U0BOSS)\n<!channel>\u202e", "team_id": TEAM}
    assert parse({**ACK, "user": user}).who == f"root Slack U0BOSSchannel (Slack {USER})"
    assert parse({**ACK, "user": {"id": USER, "username": "<>"}}).user_name == USER
    assert parse({**ACK, "user": {"id": USER, "username": 7}}).home == TEAM


@pytest.mark.parametrize(
    ("payload", "place"),
    [
        (None, "the payload is not an object"),
        ([APPROVE], "the payload is not an object"),
        ({**ACK, "type": "view_submission"}, "no press of a button"),
        ({**ACK, "actions": []}, "actions: exactly one"),
        ({**ACK, "actions": ACK["actions"] * 2}, "actions: exactly one"),
        ({**ACK, "actions": ["x"]}, "actions: exactly one"),
        (pressed("heldout.resolve", "a"), r"actions\[0\].action_id"),
        (pressed("heldout.ack.extra", "a"), r"actions\[0\].action_id"),
        (pressed("heldout.ack", "a nonce"), r"actions\[0\].value"),
        (pressed("heldout.approve", "a"), r"actions\[0\].value"),
        (pressed("heldout.approve", "a b c"), r"actions\[0\].value"),
        (pressed("heldout.ack", "../etc"), r"actions\[0\].value"),
        (pressed("heldout.ack", "x" * 3_000), r"actions\[0\].value"),
        (pressed("heldout.ack", None), r"actions\[0\].value"),
        ({**ACK, "user": {"id": "<!here>"}}, "user.id"),
        ({**ACK, "user": None}, "user.id"),
        ({**ACK, "user": {"id": USER, "team_id": 5}}, "user.team_id"),
        ({**ACK, "team": None}, "team.id"),
        ({**ACK, "channel": {"id": "alerts"}}, "channel.id"),
    ],
)
def test_what_is_none_of_ours_is_refused_with_its_place(payload, place):
    with pytest.raises(FormatError, match=place):
        parse(payload)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(payload=json_values, key=st.sampled_from(sorted(APPROVE)), inner=json_values)
def test_no_json_can_do_more_than_be_refused(payload, key, inner):
    for hostile in (payload, {**APPROVE, key: inner}, {**APPROVE, "actions": [inner]}):
        try:
            read = parse(hostile)
        except FormatError:
            continue
        assert (read.user, read.team, read.action, read.nonce) == (USER, TEAM, "approve", "n0nce")


def test_a_form_holds_the_payload():
    assert from_form(urlencode({"payload": json.dumps(APPROVE)}).encode()) == parse(APPROVE)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"payload=",
        b"payload=%7B",
        b"other=1",
        b"\xff\xfe",
        b"payload=%ff",
        b"payload=" + b"[" * 100_000,
        b"&".join([b"payload=1"] * 50),
        b"payload=1" + b"0" * 5_000,
    ],
)
def test_another_body_is_refused(body):
    with pytest.raises(FormatError):
        from_form(body)


@pytest.mark.parametrize(
    ("payload", "team", "approvers", "refused"),
    [
        (APPROVE, TEAM, [USER], None),
        (ACK, TEAM, [], None),
        (pressed("heldout.silence", "a", user="U0OTHER"), TEAM, [USER], None),
        (APPROVE, TEAM, [], f"You ({USER}) may not approve"),
        (pressed("heldout.reject", "a b", user="U0OTHER"), TEAM, [USER], "You (U0OTHER) may not reject"),
        (APPROVE, None, [USER], "Nobody may act from Slack yet: set team"),
        (ACK, None, [USER], "Nobody may act from Slack yet: set team"),
        (pressed("heldout.approve", "a b", team="T0OTHER"), TEAM, [USER], "Only members of the workspace"),
        (
            {**APPROVE, "user": {"id": USER, "username": "ada", "team_id": "T0OTHER"}},
            TEAM,
            [USER],
            "Only members of the workspace",
        ),
        ({**APPROVE, "team": {"id": "T0OTHER"}}, TEAM, [USER], "Only members of the workspace"),
    ],
)
def test_a_signature_proves_slack_and_not_the_person(payload, team, approvers, refused):
    said = may(parse(payload), team=team, approvers=approvers)
    assert (said is None) == (refused is None)
    assert refused is None or refused in said
