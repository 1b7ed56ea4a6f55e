"""Money and calls: every call is reserved before it is made, so that no cap is ever passed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from monitor.domain.answer import ErrorKind, Reply, TargetError
from monitor.domain.case import Case


class BudgetExhaustedError(Exception):
    """The next call could pass a cap; the message names the cap and the key that holds it."""


# Output tokens to reserve for an answer where neither the configuration nor an earlier answer bounds them.
_UNBOUNDED_OUTPUT = 2048
# Bytes of text a token holds at the least, in the languages that cost most; reserving too much only ends a run early.
_BYTES_PER_TOKEN = 2.0
# Calls that gave no usable answer, although the provider may have written, and billed, a whole one.
_MAY_BE_BILLED = frozenset({ErrorKind.TIMEOUT, ErrorKind.MALFORMED})


@dataclass(frozen=True, slots=True)
class Caps:
    """The caps of one run: USD and calls; `usd_key` is the configuration's key that the USD cap comes from."""

    usd: float
    calls: int
    usd_key: str = "usd_per_run"


@dataclass
class Month:
    """What all runs together have spent this month, and may spend; shared by the runs of one process."""

    cap: float
    spent: float
    reserved: float = 0.0


@dataclass
class Budget:
    """The ledger of one run. `calls` and `usd` begin with what the run has cost before, when it is taken up again."""

    caps: Caps
    month: Month
    calls: int = 0
    usd: float = 0.0
    reserved_calls: int = field(default=0, init=False)
    reserved_usd: float = field(default=0.0, init=False)

    def reserve(self, usd: float) -> None:
        """Set one call of at most `usd` aside; raises BudgetExhaustedError, with nothing reserved, past a cap."""
        if self.calls + self.reserved_calls + 1 > self.caps.calls:
            raise BudgetExhaustedError(f"the cap of {self.caps.calls} calls ([budget] calls_per_run) is reached.")
        if self.usd + self.reserved_usd + usd > self.caps.usd:
            raise BudgetExhaustedError(
                f"the next call could pass the cap of {self.caps.usd:.2f} USD ([budget] {self.caps.usd_key}); "
                f"{self.usd:.2f} USD are spent."
            )
        if self.month.spent + self.month.reserved + usd > self.month.cap:
            raise BudgetExhaustedError(
                f"the next call could pass the month's cap of {self.month.cap:.2f} USD ([budget] usd_per_month); "
                f"{self.month.spent:.2f} USD are spent."
            )
        self.reserved_calls += 1
        self.reserved_usd += usd
        self.month.reserved += usd

    def settle(self, reserved: float, usd: float, calls: int = 1) -> None:
        """Replace one reservation by what it really came to: USD, and calls where it took more than one."""
        self.reserved_calls -= 1
        self.reserved_usd -= reserved
        self.month.reserved -= reserved
        self.calls += calls
        self.usd += usd
        self.month.spent += usd


@dataclass
class Pricer:
    """What a call costs, and the most that the next one may. Prices are USD per million tokens; None: unpriced.

    `most_output` bounds an answer's tokens where the configuration does (`max_tokens`). `extra_input` is the text, in
    bytes, that is sent with every case (the system prompt, retrieved passages). `cached_price` is for input that the
    provider reads from its cache, None where that costs as other input; what it writes there counts as other input.
    """

    input_price: float | None
    output_price: float | None
    most_output: int | None = None
    extra_input: int = 0
    cached_price: float | None = None
    _seen_output: int = field(default=0, init=False)
    _seen_ratio: float = field(default=0.0, init=False)

    def cost(
        self, input_tokens: int | None, output_tokens: int | None, cached_tokens: int | None = None
    ) -> float | None:
        """What an answer cost; None where there is no price or no count of tokens. `cached_tokens` are of the input."""
        if self.input_price is None or self.output_price is None or input_tokens is None or output_tokens is None:
            return None
        cached = min(cached_tokens or 0, input_tokens) if self.cached_price is not None else 0
        usd = (input_tokens - cached) * self.input_price + cached * (self.cached_price or 0.0)
        return (usd + output_tokens * self.output_price) / 1e6

    def charge(self, case: Case, reply: Reply) -> float | None:
        """What an answer counts for: its cost or, where the provider does not say, the most; None without a price."""
        if self.input_price is None or self.output_price is None:
            return None
        usd = self.cost(reply.input_tokens, reply.output_tokens, reply.cached_input_tokens)
        return self.most(case) if usd is None else usd

    def lost(self, case: Case, error: TargetError) -> float | None:
        """What a call without an answer counts for: the most where the provider may bill it; None without a price."""
        if self.input_price is None or self.output_price is None:
            return None
        return self.most(case) if error.kind in _MAY_BE_BILLED else 0.0

    def most(self, case: Case) -> float:
        """The most that asking `case` once may cost; 0 without a price, where only the cap on calls holds."""
        if self.input_price is None or self.output_price is None:
            return 0.0
        sent = sum(len(message.content.encode("utf-8", "replace")) for message in case.messages) + self.extra_input
        tokens = sent / _BYTES_PER_TOKEN + 50
        output = self.most_output or max(_UNBOUNDED_OUTPUT, 2 * self._seen_output)
        return (tokens * max(1.0, self._seen_ratio) * self.input_price + output * self.output_price) / 1e6

    def expected(self, cases: Sequence[Case], usage: tuple[float, float] | None) -> float | None:
        """Mean USD of an answer, by the mean (input, output) tokens of earlier ones or, without any, a guess."""
        if self.input_price is None or self.output_price is None:
            return None
        if usage is None:
            sent = sum(len(message.content) for case in cases for message in case.messages) / max(1, len(cases))
            usage = ((sent + self.extra_input) / 4.0 + 10.0, min(float(self.most_output or 300), 300.0))
        return (usage[0] * self.input_price + usage[1] * self.output_price) / 1e6

    def saw(self, case: Case, input_tokens: int | None, output_tokens: int | None) -> None:
        """Learn from an answer: how long answers get, and how many tokens a provider counts for a text."""
        self._seen_output = max(self._seen_output, output_tokens or 0)
        sent = sum(len(message.content.encode("utf-8", "replace")) for message in case.messages) + self.extra_input
        self._seen_ratio = max(self._seen_ratio, (input_tokens or 0) / (sent / _BYTES_PER_TOKEN + 50))


@dataclass
class Call:
    """The permit of one case: each call is reserved at the most it may cost, and settled at what it did cost.

    Where that is unknown it is settled at what was reserved, so that the caps hold: an answer without a count of
    tokens, a call that was interrupted, that timed out, or whose answer could not be read. One that the provider
    refused, or that never reached it, costs nothing.
    """

    budget: Budget
    pricer: Pricer
    case: Case

    def __post_init__(self) -> None:
        self._most = self.pricer.most(self.case)

    def reserve(self) -> None:
        """Before a call; raises BudgetExhaustedError where it could pass a cap."""
        self.budget.reserve(self._most)

    def settle(self, reply: Reply | None, error: TargetError | None = None) -> None:
        """After a call, with its reply or its error; with neither where it was interrupted."""
        made = reply or error
        self.budget.settle(self._most, self._usd(reply, error), made.calls if made is not None else 1)
        if reply is not None:
            self.pricer.saw(self.case, reply.input_tokens, reply.output_tokens)

    def _usd(self, reply: Reply | None, error: TargetError | None) -> float:
        if reply is not None:
            usd = self.pricer.cost(reply.input_tokens, reply.output_tokens, reply.cached_input_tokens)
            return self._most if usd is None else usd
        return self._most if error is None or error.kind in _MAY_BE_BILLED else 0.0
