"""Money and calls: what is reserved, what it cost, and the messages of each cap."""

from __future__ import annotations

import pytest

from monitor.domain.answer import ErrorKind, Reply, TargetError
from monitor.domain.case import Case, Message
from monitor.replay.budget import Budget, BudgetExhaustedError, Call, Caps, Month, Pricer

CASE = Case("c1", "x" * 200)


def budget(usd: float = 1.0, calls: int = 10) -> Budget:
    return Budget(Caps(usd, calls), Month(100.0, 0.0))


def test_a_reservation_is_replaced_by_what_the_call_cost():
    ledger = budget()
    ledger.reserve(0.4)
    assert (ledger.reserved_calls, ledger.reserved_usd, ledger.month.reserved) == (1, 0.4, 0.4)
    ledger.settle(0.4, 0.1)
    assert (ledger.calls, ledger.usd, ledger.reserved_calls, ledger.reserved_usd) == (1, 0.1, 0, 0.0)
    assert (ledger.month.spent, ledger.month.reserved) == (0.1, 0.0)


@pytest.mark.parametrize(
    ("ledger", "message"),
    [
        (Budget(Caps(1.0, 3), Month(9.0, 0.0), calls=3), "cap of 3 calls"),
        (
            Budget(Caps(1.0, 9), Month(9.0, 0.0), usd=0.8),
            r"1.00 USD \(\[budget\] usd_per_run\); 0.80 USD are spent",
        ),
        (Budget(Caps(1.0, 9, "baseline_usd"), Month(9.0, 0.0), usd=0.8), r"\[budget\] baseline_usd"),
        (
            Budget(Caps(1.0, 9), Month(9.0, 8.9)),
            r"9.00 USD \(\[budget\] usd_per_month\); 8.90 USD are spent",
        ),
    ],
)
def test_past_a_cap_nothing_is_reserved_and_the_key_is_named(ledger, message):
    with pytest.raises(BudgetExhaustedError, match=message):
        ledger.reserve(0.3)
    assert (ledger.reserved_calls, ledger.reserved_usd, ledger.month.reserved) == (0, 0.0, 0.0)


def test_a_cap_may_be_reached_exactly():
    ledger = budget(usd=1.0, calls=2)
    ledger.reserve(0.5)
    ledger.reserve(0.5)
    with pytest.raises(BudgetExhaustedError):
        ledger.reserve(0.0)


def test_runs_of_one_process_share_the_month():
    month = Month(1.0, 0.0)
    one, other = Budget(Caps(5.0, 9), month), Budget(Caps(5.0, 9), month)
    one.reserve(0.6)
    with pytest.raises(BudgetExhaustedError, match="month's cap"):
        other.reserve(0.6)
    one.settle(0.6, 0.1)
    other.reserve(0.6)


@pytest.mark.parametrize(
    ("pricer", "tokens", "usd"),
    [
        (Pricer(2.0, 8.0), (1_000_000, 0), 2.0),
        (Pricer(2.0, 8.0), (1000, 500), 0.006),
        (Pricer(2.0, 8.0), (None, 500), None),
        (Pricer(2.0, 8.0), (1000, None), None),
        (Pricer(None, None), (1000, 500), None),
        (Pricer(0.0, 0.0), (1000, 500), 0.0),
    ],
)
def test_what_an_answer_cost(pricer, tokens, usd):
    assert pricer.cost(*tokens) == usd


@pytest.mark.parametrize(
    ("pricer", "tokens", "usd"),
    [
        (Pricer(2.0, 8.0, cached_price=0.5), (1000, 500, 800), 0.0048),
        (Pricer(2.0, 8.0, cached_price=0.0), (1000, 0, 1000), 0.0),
        (Pricer(2.0, 8.0, cached_price=0.5), (1000, 500, None), 0.006),
        (Pricer(2.0, 8.0, cached_price=0.5), (1000, 0, 5000), 0.0005),  # a provider that counts more than was sent
        (Pricer(2.0, 8.0), (1000, 500, 800), 0.006),
        (Pricer(2.0, 8.0, cached_price=0.5), (None, 500, 800), None),
    ],
)
def test_input_from_the_cache_has_its_own_price_where_there_is_one(pricer, tokens, usd):
    assert pricer.cost(*tokens) == (None if usd is None else pytest.approx(usd))


def test_a_reply_from_the_cache_is_charged_and_settled_as_such():
    pricer = Pricer(2.0, 8.0, cached_price=0.5)
    reply = Reply("x", input_tokens=1000, output_tokens=500, cached_input_tokens=800)
    assert pricer.charge(CASE, reply) == pytest.approx(0.0048)
    ledger = budget()
    call = Call(ledger, pricer, CASE)
    call.reserve()
    call.settle(reply)
    assert ledger.usd == pytest.approx(0.0048)


def test_the_most_that_a_call_may_cost_counts_the_whole_conversation_and_what_is_sent_along():
    def most(case: Case, **more: int) -> float:
        return Pricer(1e6, 0.0, most_output=1, **more).most(case)

    assert most(CASE) == 200 / 2 + 50
    assert most(CASE, extra_input=100) == 300 / 2 + 50
    talk = Case("c2", (Message("user", "x" * 100), Message("assistant", "y" * 100), Message("user", "ü" * 50)))
    assert most(talk) == 300 / 2 + 50
    assert Pricer(None, None).most(CASE) == 0.0


def test_an_answer_without_a_bound_is_reserved_generously_and_by_the_longest_so_far():
    pricer = Pricer(0.0, 1e6)
    assert pricer.most(CASE) == 2048
    pricer.saw(CASE, 100, 5000)
    assert pricer.most(CASE) == 10_000
    bounded = Pricer(0.0, 1e6, most_output=300)
    bounded.saw(CASE, 100, 5000)
    assert bounded.most(CASE) == 300


def test_a_provider_that_counts_more_tokens_than_expected_is_reserved_for():
    pricer = Pricer(1e6, 0.0, most_output=1)
    pricer.saw(CASE, 450, 1)
    assert pricer.most(CASE) == pytest.approx(450)
    pricer.saw(CASE, 10, 1)
    assert pricer.most(CASE) == pytest.approx(450)
    pricer.saw(CASE, None, None)
    assert pricer.most(CASE) == pytest.approx(450)


def test_what_an_answer_is_expected_to_cost():
    assert Pricer(None, None).expected([CASE], None) is None
    assert Pricer(1e6, 1e6).expected([CASE], (10.0, 5.0)) == 15.0
    assert Pricer(1e6, 0.0).expected([CASE], None) == 200 / 4 + 10
    assert Pricer(0.0, 1e6, most_output=50).expected([CASE], None) == 50
    assert Pricer(0.0, 1e6).expected([], None) == 300


def settled(reply: Reply | None, kind: ErrorKind | None = None, pricer: Pricer | None = None) -> tuple[Budget, float]:
    """The ledger after one call, and the most that the call could cost."""
    ledger, pricer = budget(), pricer or Pricer(1.0, 1.0, 100)
    call = Call(ledger, pricer, CASE)
    most = pricer.most(CASE)
    call.reserve()
    call.settle(reply, None if kind is None else TargetError(kind, "no answer"))
    assert (ledger.calls, ledger.reserved_calls) == (1, 0)
    assert (ledger.reserved_usd, ledger.month.reserved) == (0.0, 0.0)
    assert ledger.month.spent == ledger.usd
    return ledger, most


def test_an_answer_costs_what_the_provider_counts() -> None:
    ledger, _ = settled(Reply("yes", input_tokens=1000, output_tokens=1000))
    assert ledger.usd == pytest.approx(0.002)


@pytest.mark.parametrize(
    "kind",
    [
        ErrorKind.RATE_LIMITED,
        ErrorKind.OVERLOADED,
        ErrorKind.CONNECTION,
        ErrorKind.REFUSED_REQUEST,
        ErrorKind.AUTHENTICATION,
        ErrorKind.NOT_FOUND,
    ],
)
def test_a_call_that_was_refused_or_never_arrived_costs_nothing(kind: ErrorKind) -> None:
    assert settled(None, kind)[0].usd == 0.0


@pytest.mark.parametrize("kind", [ErrorKind.TIMEOUT, ErrorKind.MALFORMED, None])
def test_a_call_that_may_have_been_billed_costs_the_most(kind: ErrorKind | None) -> None:
    ledger, most = settled(None, kind)
    assert ledger.usd == most > 0.0


@pytest.mark.parametrize("counts", [(None, None), (10, None), (None, 10)])
def test_an_answer_without_a_count_of_tokens_costs_the_most(counts: tuple[int | None, int | None]) -> None:
    reply = Reply("yes", input_tokens=counts[0], output_tokens=counts[1])
    ledger, most = settled(reply)
    assert ledger.usd == most > 0.0
    assert Pricer(1.0, 1.0, 100).charge(CASE, reply) == most


def test_without_a_price_nothing_is_charged() -> None:
    assert settled(Reply("yes"), pricer=Pricer(None, None))[0].usd == 0.0
    assert settled(None, ErrorKind.TIMEOUT, Pricer(None, None))[0].usd == 0.0
    assert Pricer(None, None).charge(CASE, Reply("yes", input_tokens=5, output_tokens=5)) is None


def test_what_is_counted_is_charged_at_its_price() -> None:
    assert Pricer(2.0, 8.0, 100).charge(CASE, Reply("yes", input_tokens=1000, output_tokens=500)) == 0.006


@pytest.mark.parametrize("failed", [None, TargetError(ErrorKind.TIMEOUT, "too slow")])
def test_a_provider_that_never_counts_does_not_get_past_the_cap(failed: TargetError | None) -> None:
    ledger = budget(usd=0.0105, calls=1000)
    call = Call(ledger, Pricer(1.0, 1.0, 850), CASE)  # 0.001 USD at the most
    for _ in range(10):
        call.reserve()
        call.settle(None if failed else Reply("yes"), failed)
    with pytest.raises(BudgetExhaustedError, match="usd_per_run"):
        call.reserve()
    assert ledger.usd == pytest.approx(0.01)
