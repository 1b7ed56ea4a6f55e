"""The life of an alert: which step leads where, and which steps are refused."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.codec import dump, load
from alerts.incident import Approval, Event, Incident, NotAllowedError, State, What, fold, opened, step

NOW = datetime(2026, 11, 16, 7, 0, tzinfo=UTC)
OFFER = Approval("hook-1", "deploy", "rollback", "n-1", NOW + timedelta(hours=24))


def event(what, by="heldout", **more):
    return Event(what, NOW, by, "because", **more)


FIRST = opened("i-1", "ft", "support", NOW, event(What.OPENED, level="investigate"))
OFFERED = replace(FIRST, approvals=(OFFER,))


def after(*events, begin=FIRST):
    for one in events:
        begin = step(begin, one)
    return begin


ROLLBACK = {"hook": "hook-1", "action": "rollback"}
ASKED = event(What.ASKED, **ROLLBACK)
DONE = event(What.DONE, now_serving="rag", **ROLLBACK)


@pytest.mark.parametrize(
    ("sentence", "events", "state"),
    [
        ("a rollback that is asked for is acted on", [ASKED], State.ACTING),
        ("one that was accepted still is", [ASKED, event(What.ACCEPTED, **ROLLBACK)], State.ACTING),
        ("one that was done is verified", [ASKED, DONE], State.VERIFYING),
        ("when the score came back it is over", [ASKED, DONE, event(What.VERIFIED)], State.RESOLVED),
        ("when it did not, somebody is called", [ASKED, DONE, event(What.ESCALATED)], State.ESCALATED),
        ("one that failed calls somebody", [ASKED, event(What.FAILED, **ROLLBACK)], State.ESCALATED),
        ("one that expired calls somebody", [ASKED, event(What.EXPIRED, **ROLLBACK)], State.ESCALATED),
        ("after that it may be done by hand", [ASKED, event(What.EXPIRED, **ROLLBACK), DONE], State.VERIFYING),
        ("a retraining is no state", [event(What.ASKED, hook="hook-2", action="retrain")], State.OPEN),
        ("a refusal changes nothing", [event(What.REFUSED, **ROLLBACK)], State.OPEN),
        ("two clear weeks end it", [event(What.RECOVERED)], State.RESOLVED),
        ("a person ends it", [ASKED, event(What.RESOLVED, by="ada")], State.RESOLVED),
        ("a new baseline ends it", [event(What.REPLACED, by="ada")], State.RESOLVED),
    ],
)
def test_what_each_step_leads_to(sentence, events, state):
    assert after(*events).state is state, sentence


@pytest.mark.parametrize("what", sorted(set(What) - {What.LINKED, What.REFUSED}))
def test_nothing_happens_to_what_is_over(what):
    over = after(event(What.RESOLVED, by="ada"))
    with pytest.raises(NotAllowedError, match="is over since 2026-11-16 07:00 UTC"):
        step(over, event(what, until=NOW + timedelta(days=7), hook="hook-1"))


def test_who_took_note_of_it_did_not_take_note_of_what_is_worse():
    noted = after(event(What.ACKNOWLEDGED, by="ada"))
    assert (noted.acknowledged_by, noted.acknowledged_at) == ("ada", NOW)
    assert after(event(What.REPEATED, level="investigate"), begin=noted).acknowledged_by == "ada"
    worse = after(event(What.WORSE, level="rollback"), begin=noted)
    assert (worse.acknowledged_by, worse.level, worse.worst) == (None, "rollback", "rollback")
    better = after(event(What.BETTER, level="investigate"), begin=worse)
    assert (better.level, better.worst) == ("investigate", "rollback")


def test_a_silence_has_an_end():
    until = NOW + timedelta(days=7)
    silent = after(event(What.SILENCED, by="ada", until=until))
    assert (silent.silent(NOW), silent.silent(until), silent.silenced_level) == (True, False, "investigate")
    assert after(event(What.SILENCE_ENDED), begin=silent) == FIRST
    for end in (None, NOW):
        with pytest.raises(NotAllowedError, match="later than now"):
            step(FIRST, event(What.SILENCED, until=end))


def test_an_approval_is_decided_once_and_only_while_it_waits():
    other = replace(OFFER, hook="hook-2", name="trainer", action="retrain", nonce="n-2")
    both = after(event(What.OFFERED, approval=OFFER, **ROLLBACK), event(What.OFFERED, approval=other, hook="hook-2"))
    assert both.approvals == (OFFER, other)
    decided = after(event(What.APPROVED, by="ada", **ROLLBACK), begin=both)
    assert (decided.approvals, decided.approval) == ((other,), other)
    for what in (What.APPROVED, What.REJECTED):
        with pytest.raises(NotAllowedError, match="does not wait for this approval"):
            step(decided, event(what, by="ada", **ROLLBACK))
    assert after(event(What.EXPIRED, hook="hook-2"), begin=decided).approvals == ()


def test_only_a_rollback_that_was_done_retires():
    assert after(ASKED, DONE).retires
    assert not after(event(What.DONE, hook="hook-2", action="retrain", now_serving="ft")).retires
    assert not after(ASKED, event(What.FAILED, **ROLLBACK)).retires


def test_what_is_stored_is_read_back_as_it_was():
    whole = replace(OFFERED, silenced_until=NOW, state=State.ACTING, others=("i-2",), closed_at=NOW)
    assert load(Incident, dump(whole)) == whole
    one = event(What.OFFERED, approval=OFFER, until=NOW, others=("i-2",))
    assert load(Event, dump(one)) == one


events = st.builds(
    Event,
    what=st.sampled_from(What),
    at=st.just(NOW),
    by=st.sampled_from(["heldout", "ada"]),
    why=st.just("because"),
    level=st.sampled_from(["pass", "inconclusive", "investigate", "rollback", None]),
    until=st.sampled_from([None, NOW, NOW + timedelta(days=1)]),
    approval=st.sampled_from([None, OFFER]),
    hook=st.sampled_from([None, "hook-1", "hook-2"]),
    action=st.sampled_from([None, "rollback", "retrain"]),
)


@given(st.lists(events, max_size=12))
def test_whatever_happens_the_fold_of_what_was_allowed_is_the_incident(steps):
    first = event(What.OPENED, level="rollback")
    now, taken = opened("i-1", "ft", "support", NOW, first), [first]
    for one in steps:
        try:
            now = step(now, one)
        except NotAllowedError:
            continue
        taken.append(one)
    assert fold("i-1", "ft", "support", NOW, taken) == now
    assert (now.state is State.RESOLVED) == (now.closed_at is not None)
    assert now.is_open or not now.approvals


def test_without_events_there_is_no_incident():
    with pytest.raises(ValueError, match="no events"):
        fold("i-1", "ft", "support", NOW, [])
