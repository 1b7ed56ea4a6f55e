"""Whatever anybody wrote into an alert, Slack gets a valid message that acts on nothing we did not put there."""

import json
import re
from dataclasses import fields
from datetime import UTC, datetime

from hypothesis import example, given, settings
from hypothesis import strategies as st

from alerts.alert import Action, Alert, Cause, Drop, Example, Fact, Kind, Link, Thresholds
from alerts.channels.slack_interaction import parse
from alerts.incident import Approval, Incident, State, What
from alerts.message import details, render, reply, root
from alerts.message_blocks import MOST_FALLBACK, MOST_TEXT
from alerts.message_buttons import Powers
from alerts.text import clean, code, fence, line, prose
from tests.fakes.slack_limits import all_texts, buttons, controls, faults
from tests.fakes.slack_server import pressed
from tests.unit.alerts.samples import stepped

FRAGMENTS = (
    "<!channel>", "<!here|x>", "<@U0BOSS>", "<#C0ALL>", "<!subteam^S1>", "<https://evil.example|log in>",
    "&lt;!channel&gt;", "&amp;lt;", "&#60;!here&#62;", "<", ">", "&", "|", "!", "@here", "@channel", "https://evil.example",
    "`", "```", "````", "*", "_", "~", "\n", "\r\n", "\u2028", "\t", "\x00", "\x1b[31m", "\u202e", "\u2066", "\u200b",
    "\u2060", "\ufeff", "\ud800", "\udfff", "🔴", "e\u0301" * 9, "\U000e0041", "{", "%s", "x" * 3_500, "<" * 900,
)  # fmt: skip
words = st.one_of(st.sampled_from(FRAGMENTS), st.text(st.characters(), max_size=6))
hostile = st.lists(words, max_size=4).map("".join)
maybe = st.none() | hostile
numbers = st.none() | st.floats()
instants = st.none() | st.integers(0, 4_000_000_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
drops = st.none() | st.builds(Drop, numbers, numbers, numbers, st.floats(0.5, 0.999))


def many(strategy):
    return st.lists(strategy, max_size=7).map(tuple)


moments = st.integers(0, 4_000_000_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
ids = st.from_regex(r"[A-Za-z0-9_-]{1,200}", fullmatch=True) | hostile
incidents = st.builds(
    Incident,
    id=ids,
    target=hostile,
    suite=hostile,
    slot=moments,
    opened_at=moments,
    level=hostile,
    worst=hostile,
    state=st.sampled_from(State),
    acknowledged_by=maybe,
    silenced_until=instants,
    silenced_by=maybe,
    approvals=st.lists(
        st.builds(Approval, hostile, hostile, st.sampled_from(["rollback", "retrain"]) | hostile, ids, moments, maybe),
        max_size=4,
    ).map(tuple),
    action=maybe,
    now_serving=maybe,
    outcome=hostile,
)
alerts = st.builds(
    Alert,
    id=hostile,
    kind=st.sampled_from(Kind),
    target=hostile,
    suite=hostile,
    verdict=st.sampled_from(["rollback", "investigate", "pass"]) | hostile,
    stage=st.sampled_from(["pending", "final"]) | hostile,
    previous_verdict=maybe,
    score=numbers,
    baseline_score=numbers,
    drop=drops,
    confirmation=drops,
    thresholds=st.none() | st.builds(Thresholds, st.floats(0.1, 50), st.floats(0.1, 50), hostile),
    since=instants,
    slot=instants,
    finished_at=instants,
    reasons=many(hostile),
    causes=many(st.builds(Cause, hostile, hostile)),
    meaning=hostile,
    actions=many(st.builds(Action, hostile, maybe)),
    model_requested=maybe,
    model_reported=maybe,
    cases=st.integers(0, 10**9),
    answers=st.integers(0, 10**9),
    examples=many(st.builds(Example, hostile, maybe, maybe, maybe, maybe, numbers, numbers)),
    run=maybe,
    links=many(st.builds(Link, hostile, hostile | hostile.map("https://heldout.internal/".__add__))),
    event=hostile,
    incident=st.none() | incidents,
    step=st.sampled_from(What).map(str) | hostile,
    details=st.lists(st.builds(Fact, hostile, hostile, st.booleans()), max_size=12).map(tuple),
    mention=st.booleans(),
    broadcast=st.booleans(),
)
powers = st.builds(Powers, st.booleans(), st.booleans())
calls = st.sampled_from([None, "<!here>", "<!channel>", "<!subteam^S0123456789>", "<@U0123456789>"])


def units(text):
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def allowed(alert, mention):
    """What we may put there ourselves: the mention that the route wants, and links to addresses of plain characters."""
    plain = re.compile(r"https?://[^\s<>|\\^`{}\"\x00-\x20\x7f-\U0010ffff]+")
    addresses = {link.url.replace("&", "&amp;") for link in alert.links if plain.fullmatch(link.url)}
    return ({mention[1:-1]} if mention and alert.mention else set()), addresses


def messages(alert, show, mention, power):
    """All that Slack may get of one alert."""
    yield render(alert, show_cases=show, mention=mention, note=alert.meaning)
    yield reply(alert, mention=mention)
    yield details(alert, show_cases=show)
    if alert.incident is not None:
        yield root(alert, mention=mention, powers=power)


@settings(max_examples=120, deadline=None)
@given(alert=alerts, show=st.booleans(), mention=calls, power=powers)
def test_no_alert_can_break_a_message_or_act_through_it(alert, show, mention, power):
    own, addresses = allowed(alert, mention)
    for message in messages(alert, show, mention, power):
        blocks = list(message.blocks)
        for found in controls({"text": message.text, "blocks": blocks}):
            assert found in own or found.split("|")[0] in addresses, found
        assert faults(blocks) == []
        assert sum(map(units, all_texts(blocks))) <= MOST_TEXT
        assert 0 < units(message.text) <= MOST_FALLBACK
        json.dumps(blocks, allow_nan=False, ensure_ascii=False).encode("utf-8")
        for text in all_texts(blocks):  # the header, which has no code, included
            assert "`" not in uncoded(text), "a span or block ends where we did not end it"
        for text in [message.text, *all_texts(blocks)]:
            stray = re.sub(r"<[^<>]*>", "", text)
            assert "<" not in stray
            assert ">" not in stray
            assert not re.search(r"&(?!(?:amp|lt|gt);)", text)
            assert not re.search(r"@(?:here|channel|everyone)\b", text, re.IGNORECASE)
            assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\u200b]", text)


def uncoded(text):
    """`text` without its code spans and blocks."""
    return re.sub(r"`[^`\n]+`", "", re.sub(r"```\n.*?\n```", "", text, flags=re.DOTALL))


@settings(max_examples=120, deadline=None)
@given(incident=incidents, event=hostile, may=st.booleans())
def test_a_changed_first_message_calls_nobody_and_its_buttons_are_read_back_as_they_were_meant(incident, event, may):
    message = root(
        stepped("approved", event, incident, target=event, links=()), powers=Powers(buttons=True, approvals=may)
    )
    blocks = list(message.blocks)
    assert controls({"text": message.text, "blocks": blocks}) == []
    assert faults(blocks) == []
    for button in buttons(blocks):
        read = parse(pressed(button["action_id"], button["value"]))
        assert read.incident == incident.id
        decides = read.action in ("approve", "reject")
        assert read.nonce in {offer.nonce for offer in incident.approvals} if decides else read.nonce is None
        assert may or not decides


@settings(max_examples=40, deadline=None)
@given(alert=alerts)
def test_case_texts_leave_only_with_leave(alert):
    secret = "zqxprivate"
    examples = tuple(
        Example(e.case, secret, secret, secret, secret, e.score_before, e.score_now) for e in alert.examples
    )
    values = {f.name: getattr(alert, f.name) for f in fields(alert)} | {"examples": examples}
    for message in messages(Alert(**values), False, None, Powers(True, True)):
        assert secret not in message.text + "".join(all_texts(list(message.blocks)))


@settings(max_examples=60, deadline=None)
@given(alert=alerts)
def test_storage_gives_an_equal_alert_back(alert):
    stored = json.loads(json.dumps(alert.to_json(), allow_nan=False))
    again = Alert.from_json(stored)
    assert again.to_json() == stored, "JSON itself joins two halves of a surrogate pair, so what was stored is compared"


@settings(max_examples=200, deadline=None)
@given(text=hostile, limit=st.integers(40, 500))
@example(text="`" * 100, limit=40)
@example(text="&" * 100, limit=41)
def test_no_piece_is_longer_than_it_may_be(text, limit):
    for piece in (line(text, limit), prose(text, limit), code(text, limit), fence(text, limit)):
        assert 0 < units(piece) <= limit


@settings(max_examples=200, deadline=None)
@given(text=hostile)
def test_cleaning_twice_is_cleaning_once(text):
    assert clean(clean(text)) == clean(text)
