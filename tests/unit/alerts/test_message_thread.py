"""What an incident's thread says: the first message as things stand, replies, details, and what can be pressed."""

from dataclasses import replace
from datetime import timedelta

import pytest

from alerts.alert import Example, Kind
from alerts.incident import State
from alerts.message import details, reply, root
from alerts.message_blocks import MOST_TEXT, texts
from alerts.message_buttons import Powers
from alerts.state_words import standing
from alerts.text import size
from tests.fakes.slack_limits import buttons, faults
from tests.unit.alerts.samples import FALL, INCIDENT, OFFER, ROLLBACK, at, stepped

ALL = Powers(buttons=True, approvals=True)
ADA = replace(INCIDENT, acknowledged_by="ada", acknowledged_at=at(16, 13))


def shown(message):
    assert faults(list(message.blocks)) == []
    return "\n".join(texts(message.blocks))


def pressable(alert, powers=ALL):
    return [(b["action_id"], b["value"]) for b in buttons(list(root(alert, powers=powers).blocks))]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, "Open · nobody has acknowledged it"),
        ({"acknowledged_by": "ada"}, "Open · acknowledged by ada"),
        (
            {"silenced_by": "ada", "silenced_until": at(23, 13)},
            "Open · nobody has acknowledged it · silenced by ada until Mon 23 Nov 2026, 13:00 UTC",
        ),
        (
            {"approvals": (OFFER,), "acknowledged_by": "ada"},
            "Open · acknowledged by ada · rollback by deploy waits for an approval until Tue 17 Nov 2026, 12:58 UTC",
        ),
        ({"state": State.ACTING, "action": "rollback"}, "Rollback asked for, and not done yet"),
        ({"state": State.VERIFYING, "now_serving": "support-rag"}, "Verifying on support-rag"),
        ({"state": State.VERIFYING}, "Verifying what serves now"),
        ({"state": State.ESCALATED}, "Escalated: somebody has to see to it · nobody has acknowledged it"),
        ({"state": State.RESOLVED, "outcome": "5.2 points came back"}, "Resolved: 5.2 points came back"),
        ({"state": State.RESOLVED, "silenced_by": "ada", "silenced_until": at(23, 13)}, "Resolved"),
    ],
)
def test_how_an_incident_stands_in_one_line(change, said):
    assert standing(replace(INCIDENT, **change)) == said


def test_the_first_message_says_what_somebody_who_was_woken_has_to_know_and_no_more():
    message = root(FALL, mention="<!subteam^S0123456789>", powers=ALL)
    text = shown(message)
    expected = [
        "🔴 ROLLBACK: support-ft on support",
        "<!subteam^S0123456789> Score 83.3 of 100",
        "*Now:* Open · nobody has acknowledged it · rollback by deploy waits for an approval",
        "*What it means:* Users now get clearly worse answers",
        "1. Approve the rollback by deploy, or reject it",
        "Approve: Roll support-ft back to support-rag",
        "I see to it (acknowledge)",
        "Silence for a week",
        "*Thresholds*",
        "<https://heldout.internal/incidents/0193a7c2|Incident>",
        "Incident: `0193a7c2-6000",
    ]
    places = [text.find(part) for part in expected]
    assert -1 not in places
    assert places == sorted(places)
    assert "refund-017" not in text + message.text, "which cases fell stands in the details"
    assert "Now: Open" in message.text
    assert message.text.startswith("<!subteam^S0123456789> 🔴 ROLLBACK")


def test_the_dialog_says_what_an_approval_does():
    approve = buttons(list(root(FALL, powers=ALL).blocks))[0]
    assert approve["style"] == "danger"
    dialog = approve["confirm"]["text"]["text"]
    assert dialog == "Roll support-ft back to support-rag. The hook deploy is asked to do it at once."


@pytest.mark.parametrize(
    ("incident", "offered"),
    [
        (INCIDENT, ["ack", "silence"]),
        (ADA, ["silence"]),
        (replace(ADA, silenced_until=at(23, 13), silenced_by="ada"), []),
        (replace(INCIDENT, approvals=(OFFER,)), ["approve", "reject", "ack", "silence"]),
        (
            replace(ADA, approvals=(OFFER, replace(OFFER, action="retrain", nonce="other"))),
            ["approve", "reject", "approve.2", "reject.2", "silence"],
        ),
        (replace(INCIDENT, state=State.RESOLVED, approvals=()), []),
    ],
)
def test_only_what_still_makes_sense_can_be_pressed(incident, offered):
    assert [action.removeprefix("heldout.") for action, _ in pressable(replace(FALL, incident=incident))] == offered


def test_a_button_is_bound_to_the_incident_and_a_decision_to_its_offer():
    assert dict(pressable(FALL)) == {
        "heldout.approve": f"{INCIDENT.id} {OFFER.nonce}",
        "heldout.reject": f"{INCIDENT.id} {OFFER.nonce}",
        "heldout.ack": INCIDENT.id,
        "heldout.silence": INCIDENT.id,
    }


def test_where_buttons_do_not_work_the_commands_stand():
    text = shown(root(FALL))
    assert pressable(FALL, Powers()) == []
    assert f"`heldout incident approve {INCIDENT.id}`, or `heldout incident reject {INCIDENT.id}`" in text
    assert f"Say that you see to it: `heldout incident ack {INCIDENT.id}`" in text
    assert [action for action, _ in pressable(FALL, Powers(buttons=True))] == ["heldout.ack", "heldout.silence"]
    assert "heldout incident reject" in shown(root(FALL, powers=Powers(buttons=True)))


@pytest.mark.parametrize(
    "change", [{"id": "an id"}, {"id": "x" * 3_000}, {"approvals": (replace(OFFER, nonce="a b"),)}]
)
def test_what_could_not_be_read_back_is_no_button(change):
    alert = replace(FALL, incident=replace(FALL.incident, **change))
    assert "heldout.approve" not in dict(pressable(alert))


def test_a_step_changes_the_state_of_the_first_message_and_not_what_it_is_about():
    message = root(stepped("acknowledged", "ACKNOWLEDGED by ada", ADA), powers=ALL)
    assert message.text.startswith("🔴 ROLLBACK: support-ft on support\n")
    assert "*Now:* Open · acknowledged by ada\n" in shown(message)
    rejected = root(stepped("rejected", "ROLLBACK REJECTED by ada", ADA), powers=ALL)
    assert "*Now:* Open · acknowledged by ada · Last: ROLLBACK REJECTED by ada\n" in shown(rejected)
    over = replace(INCIDENT, state=State.RESOLVED, outcome="5.2 of 5.6 points came back")
    ended = root(stepped("verified", "RESOLVED, the score came back", over), powers=ALL)
    assert ended.text.startswith("✅ RESOLVED: support-ft on support\n")
    assert "Now: Resolved: 5.2 of 5.6 points came back" in ended.text
    recovered = replace(FALL, kind=Kind.RECOVERED, verdict="pass", incident=replace(over, outcome="recovered"))
    assert root(recovered).text.startswith("✅ RECOVERED: support-ft on support\n")
    better = stepped("acknowledged", "ACKNOWLEDGED by ada", ADA, verdict="pass")
    assert root(better).text.startswith("🟢 CLEAR ONCE, alert still open")


def test_a_quiet_step_is_one_line_with_its_reason():
    message = reply(stepped("acknowledged", "ACKNOWLEDGED by ada", ADA), mention="<!here>")
    assert shown(message).splitlines() == [
        "*🔵 ACKNOWLEDGED by ada: support-ft on support*",
        "ada sees to it.",
        "Alert: `step-acknowledged`",
    ]
    assert "<!" not in message.text


def test_a_step_that_nobody_may_miss_stands_by_itself():
    stuck = replace(INCIDENT, state=State.ESCALATED)
    alert = stepped(
        "failed", "ROLLBACK FAILED", stuck, mention=True, broadcast=True, reasons=("deploy said: no such version",)
    )
    message = reply(alert, mention="<!here>")
    text = shown(message)
    assert message.text.startswith("<!here> 🔴 ROLLBACK FAILED: support-ft on support")
    assert "<!here> deploy said: no such version\n*Now:* Escalated" in text
    for part in ("*What to do*", "|Incident>", "*What it is about*\nScore 83.3"):
        assert part in text


def test_worse_is_told_with_what_to_do_and_the_numbers_stand_in_the_first_message():
    text = shown(reply(FALL, mention="<!here>"))
    assert "<!here> Score 83.3" in text
    assert "*What to do*" in text
    assert "*Thresholds*" not in text


def test_details_name_causes_judges_what_was_not_measured_and_the_five_cases_that_fell_most():
    cases = tuple(Example(f"case-{i}", "asked", "wanted", "before", "after", 1.0, 0.0) for i in range(7))
    message = details(replace(FALL, examples=cases))
    text = shown(message)
    assert "*Likely causes*\n• model: 31 of 200 answers changed" in text
    assert "*Why this verdict*\n• the interval of the drop" in text
    assert "*Judge strict*\ntrusted: 59 of 60 canaries right" in text
    assert "*Not measured*\n1 of 200 cases" in text
    assert "• `case-0`: score 100.0 at deployment, 0.0 now" in text
    assert "… and 2 more" in text
    assert "case-5" not in text
    for private in ("asked", "wanted", "before\n", "after\n"):
        assert private not in text + message.text
    with_leave = details(replace(FALL, examples=cases), show_cases=True)
    assert "Answer now\n```\nafter\n```" in shown(with_leave)
    assert "wanted" not in with_leave.text
    assert "sees to it" not in shown(details(stepped("acknowledged", "ACKNOWLEDGED by ada"))), "not the verdict's"


def test_only_an_incident_has_a_thread():
    with pytest.raises(ValueError, match="only an incident"):
        root(ROLLBACK)


def test_the_longest_thread_stays_within_every_limit():
    long = "<&>`🔴" * 5_000
    offers = tuple(replace(OFFER, name=long, action="rollback", nonce=f"n{i}", fallback=long) for i in range(5))
    incident = replace(FALL.incident, target=long, acknowledged_by=None, approvals=offers, outcome=long)
    alert = replace(
        FALL,
        target=long,
        suite=long,
        meaning=long,
        event=long,
        reasons=(long,) * 9,
        details=FALL.details * 9,
        incident=incident,
        finished_at=at(16, 6) + timedelta(hours=1),
        examples=(Example(long, long, long, long, long, 1.0, 0.0),) * 9,
    )
    for made in (
        root(alert, mention="<!here>", powers=ALL),
        root(alert),
        reply(alert),
        reply(replace(alert, kind=Kind.STEP)),
        details(alert, show_cases=True),
    ):
        assert sum(map(size, texts(list(made.blocks)))) <= MOST_TEXT
        assert shown(made)
