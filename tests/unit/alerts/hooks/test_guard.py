"""The guard: what may go out, and the one reason why something may not."""

import math
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.hooks.guard import Action, Fallback, Request, Situation, guard

NOW = datetime(2026, 11, 16, 13, tzinfo=UTC)
HOUR = timedelta(hours=1)
REQUEST = Request(
    Action.ROLLBACK, "support-ft", "support", "ft:v3", 4, "support-rag", NOW + 24 * HOUR, cooldown=24 * HOUR
)
FALLBACK = Fallback("support-rag", ready=True, why="", low=2.7, repeats=16, needed=16)
GOOD = Situation(confirmed=True, fallback=FALLBACK)


def fallback(**changes):
    return replace(GOOD, fallback=replace(FALLBACK, **changes))


# Each spoils one condition of a rollback that may go out, in the order in which they are looked at.
SPOILT = {
    "recovered": (replace(GOOD, recovered=True), "has recovered", False),
    "over": (replace(GOOD, incident_open=False), "is over", False),
    "retired": (replace(GOOD, retired=True), "is retired until it is pinned again", False),
    "expired": (GOOD, "expired at 2026-11-16 12:00 UTC", False),
    "unconfirmed": (replace(GOOD, confirmed=False), "is not confirmed", False),
    "barred": (replace(GOOD, judge_bar="kappa 0.31 is below 0.40."), "The judges may not cause this: kappa", False),
    "done": (replace(GOOD, done_for_this=True), "done before for model ft:v3 against baseline 4", False),
    "cooling": (replace(GOOD, last_done_at=NOW - HOUR), "the cooldown lasts until 2026-11-17 12:00 UTC", True),
    "silenced": (replace(GOOD, silenced_until=NOW + HOUR), "is silenced until 2026-11-16 14:00 UTC", True),
    "no fallback": (replace(GOOD, fallback=None), "No fallback is configured for support-ft", False),
    "another fallback": (fallback(target="other"), "names the fallback support-rag, and what was measured", False),
    "unmeasured": (fallback(ready=False, why="its run failed."), "is not measured: its run failed.", True),
    "fewer answers": (fallback(repeats=15), "has 15 answers a case, and 16 are needed", True),
    "too few answers": (fallback(repeats=7, needed=4), "has 7 answers a case, and 8 are needed", True),
    "not estimated": (fallback(low=None), "How support-rag compares with support-ft is not estimated", True),
    "not a number": (fallback(low=math.nan), "is not estimated", True),
    "as good": (fallback(low=0.0), "is not shown to be better than support-ft", False),
    "worse": (fallback(low=-1.2), "begins at -1.2 points", False),
}
OF_ROLLBACKS_ALONE = list(SPOILT)[list(SPOILT).index("no fallback") :]


def requested(name, action=Action.ROLLBACK):
    return (
        replace(REQUEST, action=action, expires_at=NOW - HOUR) if name == "expired" else replace(REQUEST, action=action)
    )


def is_one_sentence(reason):
    return reason[0].isupper() or reason.startswith("support-ft")


@pytest.mark.parametrize("name", SPOILT)
def test_whatever_is_wrong_refuses_a_rollback_and_says_so(name):
    situation, words, passing = SPOILT[name]
    ruling = guard(requested(name), situation, NOW)
    assert (ruling.allowed, ruling.passing) == (False, passing)
    assert words in ruling.reason
    assert ruling.reason.endswith(".")
    assert not ruling.reason.endswith("..")
    assert is_one_sentence(ruling.reason)


@pytest.mark.parametrize("name", SPOILT)
def test_a_retraining_needs_no_fallback_and_everything_else(name):
    ruling = guard(requested(name, Action.RETRAIN), SPOILT[name][0], NOW)
    assert ruling.allowed is (name in OF_ROLLBACKS_ALONE)


@pytest.mark.parametrize("name", SPOILT)
def test_a_verdict_is_told_whatever_else_is_wrong_until_it_expires(name):
    ruling = guard(requested(name, Action.VERDICT), SPOILT[name][0], NOW)
    assert ruling.allowed is (name != "expired")
    assert ruling.reason


def test_what_is_right_goes_out_with_its_grounds():
    ruling = guard(REQUEST, GOOD, NOW)
    assert ruling.allowed
    assert ruling.reason == (
        "The rollback of support-ft · support is confirmed, and support-rag is better by at least 2.7 points "
        "(99% interval)."
    )


def test_an_unnamed_fallback_is_none():
    assert "No fallback" in guard(replace(REQUEST, fallback=None), GOOD, NOW).reason


def test_a_version_that_nobody_knows_is_this_one():
    ruling = guard(replace(REQUEST, model=None, baseline=None), replace(GOOD, done_for_this=True), NOW)
    assert "for this model against this baseline" in ruling.reason


def test_the_end_of_a_wait_belongs_to_what_comes_after():
    assert guard(REQUEST, replace(GOOD, last_done_at=NOW - 24 * HOUR, silenced_until=NOW), NOW).allowed
    assert not guard(replace(REQUEST, expires_at=NOW), GOOD, NOW).allowed


@pytest.mark.parametrize(
    "situation", [replace(GOOD, last_done_at=NOW), replace(GOOD, silenced_until=NOW + timedelta(days=7))]
)
def test_what_lasts_longer_than_the_request_does_not_pass_by_itself(situation):
    ruling = guard(REQUEST, situation, NOW)
    assert not ruling.allowed
    assert not ruling.passing


def test_a_clock_that_was_set_back_does_not_end_a_cooldown():
    assert "cooldown" in guard(REQUEST, replace(GOOD, last_done_at=NOW + HOUR), NOW).reason


@pytest.mark.parametrize("name", ["last_done_at", "silenced_until"])
def test_a_time_without_its_zone_is_refused(name):
    with pytest.raises(ValueError, match=f"{name} must say its time zone"):
        replace(GOOD, **{name: NOW.replace(tzinfo=None)})
    with pytest.raises(ValueError, match="expires_at must say its time zone"):
        replace(REQUEST, expires_at=NOW.replace(tzinfo=None))


MOMENTS = st.none() | st.sampled_from([NOW + n * HOUR for n in (-48, -24, -23, -1, 0, 1, 30)])
SITUATIONS = st.builds(
    Situation,
    confirmed=st.booleans(),
    judge_bar=st.none() | st.just("kappa is low"),
    fallback=st.none()
    | st.builds(
        Fallback,
        st.sampled_from(["support-rag", "other"]),
        st.booleans(),
        st.just("it failed"),
        st.none() | st.floats(),
        st.integers(0, 40),
        st.integers(1, 32),
    ),
    last_done_at=MOMENTS,
    done_for_this=st.booleans(),
    silenced_until=MOMENTS,
    incident_open=st.booleans(),
    recovered=st.booleans(),
    retired=st.booleans(),
)
REQUESTS = st.builds(
    replace,
    st.just(REQUEST),
    action=st.sampled_from(Action),
    fallback=st.none() | st.just("support-rag"),
    expires_at=MOMENTS.filter(bool),
)


def mostly_right(situation, keep):
    """`situation` with the fields of `keep` alone as they are drawn, so that what is allowed is drawn often enough."""
    return replace(GOOD, **{name: getattr(situation, name) for name in keep})


@given(REQUESTS, SITUATIONS, st.sets(st.sampled_from([one.name for one in fields(Situation)]), max_size=3))
def test_allowed_means_that_every_condition_holds(request, drawn, keep):
    situation = mostly_right(drawn, keep)
    ruling = guard(request, situation, NOW)
    found = situation.fallback
    sound = request.expires_at > NOW
    if request.action is not Action.VERDICT:
        sound = (
            sound
            and situation.confirmed
            and situation.judge_bar is None
            and situation.incident_open
            and not (situation.recovered or situation.retired or situation.done_for_this)
            and (situation.last_done_at is None or situation.last_done_at + request.cooldown <= NOW)
            and (situation.silenced_until is None or situation.silenced_until <= NOW)
        )
    if request.action is Action.ROLLBACK:
        sound = (
            sound
            and found is not None
            and found.target == request.fallback
            and found.ready
            and found.repeats >= max(8, found.needed)
            and found.low is not None
            and math.isfinite(found.low)
            and found.low > 0
        )
    assert ruling.allowed is bool(sound)
    assert ruling.reason
    assert not (ruling.allowed and ruling.passing)


@given(st.sampled_from(sorted(set(SPOILT) - {"expired"})), st.floats(0.01, 60), st.integers(8, 64))
def test_spoiling_any_one_condition_refuses_for_its_own_reason(name, low, repeats):
    good = fallback(low=low, repeats=repeats, needed=repeats)
    assert guard(REQUEST, good, NOW).allowed
    spoilt, words, _ = SPOILT[name]
    changed = {one.name: getattr(spoilt, one.name) for one in fields(Situation) if one.name != "fallback"}
    situation = replace(good, **changed) if spoilt.fallback == FALLBACK else spoilt
    ruling = guard(REQUEST, situation, NOW)
    assert not ruling.allowed
    assert words in ruling.reason
