"""Holds the limits of an account for everything that asks on it: requests, tokens, the provider's waits and outages."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Callable
from types import TracebackType
from typing import Self

from monitor.domain.answer import ErrorKind, TargetError
from monitor.targets.port import Account

FIRST_BACK_OFF = 1.0  # seconds
LONGEST_BACK_OFF = 60.0
OUTAGE = 5  # failures in a row that are no longer a few unlucky requests
WIDE_OPEN = 1024  # requests at a time from which a window bounds nothing
CHARACTERS_PER_TOKEN = 4.0
_FIRST_OVERHEAD = 256.0  # tokens beyond the case's own text, until answers have told
_NO_TIME = 1e-6  # seconds; less is rounding, and need not move a clock
_SMOOTHING = 0.1  # weight of the newest answer in the running mean of that overhead

_TROUBLE = frozenset({ErrorKind.RATE_LIMITED, ErrorKind.OVERLOADED, ErrorKind.TIMEOUT, ErrorKind.CONNECTION})


class PausedError(Exception):
    """The account is paused for longer than the caller would wait; `seconds` until it goes on."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"the account is paused for {seconds:.0f} s")
        self.seconds = seconds


class Bucket:
    """A token bucket for a limit per minute, holding a second's worth: no minute sees more than the limit.

    What is taken may exceed what a full bucket holds; the debt is then waited off by those who come after.
    """

    def __init__(self, per_minute: float, now: float) -> None:
        self.per_minute = per_minute
        self._capacity = max(1.0, per_minute / 60.0)
        # A burst beyond the first is on top of what flows in within the minute.
        self._rate = (per_minute - (self._capacity - 1.0)) / 60.0
        self._level = self._capacity
        self._at = now

    def wait(self, amount: float, now: float) -> float:
        """Seconds until `amount`, or a full bucket if that is less, is there."""
        self._fill(now)
        wait = (min(amount, self._capacity) - self._level) / self._rate
        return wait if wait > _NO_TIME else 0.0

    def take(self, amount: float, now: float) -> None:
        """Take `amount`, or with a negative one give it back."""
        self._fill(now)
        self._level = min(self._capacity, self._level - amount)

    def _fill(self, now: float) -> None:
        self._level = min(self._capacity, self._level + (now - self._at) * self._rate)
        self._at = now


class Lease:
    """The right to send one request, as a context: `sent` says that it goes out, `succeeded` or `failed` how it went.

    Left before `sent`, what was reserved is given back. Left without an outcome (an interruption), it stays spent: the
    request may have been answered.
    """

    def __init__(self, limiter: Limiter, epoch: int, characters: int, reserved: float) -> None:
        self.limiter = limiter
        self.epoch = epoch
        self.characters = characters
        self.reserved = reserved
        self._sent = False
        self._open = True

    def sent(self) -> None:
        """The request goes out now."""
        self._sent = True

    def succeeded(self, tokens: int | None = None) -> None:
        """The provider answered, by `tokens` of input and output together, where it says."""
        self._open = False
        self.limiter._succeeded(self, tokens)

    def failed(self, error: TargetError) -> None:
        """The provider gave no answer."""
        self._open = False
        self.limiter._failed(self, error)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._open:
            self._open = False
            self.limiter._abandoned(self, given_back=not self._sent)


class Limiter:
    """One account's limits, on the running event loop's clock; those who wait are served in the order they came.

    - Requests and tokens a minute flow smoothly. Tokens are estimated before a request and corrected after it.
    - A provider's `Retry-After` pauses the whole account; a rate limit without one backs off exponentially.
    - After OUTAGE failures in a row the account backs off too, then a single request tries whether it is over; each
      success doubles how many may be under way, until the window is WIDE_OPEN and forgotten.

    `rng` spreads the back-offs (equal jitter: between half and the whole).
    """

    def __init__(self, rng: random.Random, clock: Callable[[], float] | None = None) -> None:
        self._rng = rng
        self._clock = clock or asyncio.get_running_loop().time
        self._requests: Bucket | None = None
        self._tokens: Bucket | None = None
        self._overhead = _FIRST_OVERHEAD
        self._turn = asyncio.Lock()
        self._changed = asyncio.Event()
        self._paused_until = -math.inf
        self._epoch = 0  # counts the back-offs: news of a request sent before the last one is old
        self._back_offs = 0
        self._failures = 0
        self._window: int | None = None
        self._under_way = 0

    def tighten(self, requests_per_minute: float | None, tokens_per_minute: float | None) -> None:
        """Let the lower of the limits so far and these hold."""
        now = self._clock()
        if requests_per_minute and (self._requests is None or requests_per_minute < self._requests.per_minute):
            self._requests = Bucket(requests_per_minute, now)
        if tokens_per_minute and (self._tokens is None or tokens_per_minute < self._tokens.per_minute):
            self._tokens = Bucket(tokens_per_minute, now)

    async def acquire(self, characters: int, patience: float = math.inf) -> Lease:
        """Wait until a request with a text of `characters` may be sent.

        Raises `PausedError` as soon as the account is paused for more than `patience` seconds from then on.
        Whoever is cancelled while waiting has taken nothing.
        """
        async with self._turn:
            reserved = characters / CHARACTERS_PER_TOKEN + self._overhead if self._tokens else 0.0
            while (delay := self._delay(reserved, patience)) > 0.0:
                self._changed.clear()
                try:
                    async with asyncio.timeout(delay if math.isfinite(delay) else None):
                        await self._changed.wait()
                except TimeoutError:
                    continue
            now = self._clock()
            if self._requests is not None:
                self._requests.take(1.0, now)
            if self._tokens is not None:
                self._tokens.take(reserved, now)
            self._under_way += 1
            return Lease(self, self._epoch, characters, reserved)

    def pause(self, seconds: float) -> None:
        """Send nothing for `seconds` from now; a longer pause that is already on stays."""
        self._paused_until = max(self._paused_until, self._clock() + seconds)
        self._changed.set()

    @property
    def paused_for(self) -> float:
        """Seconds that the account is still paused, at least 0."""
        return max(0.0, self._paused_until - self._clock())

    def jitter(self, seconds: float) -> float:
        """Between half and all of `seconds`."""
        return seconds * self._rng.uniform(0.5, 1.0)

    def _delay(self, reserved: float, patience: float) -> float:
        now = self._clock()
        paused = self._paused_until - now
        if paused > patience:
            raise PausedError(paused)
        if self._window is not None and self._under_way >= self._window:
            return math.inf
        waits = [paused]
        if self._requests is not None:
            waits.append(self._requests.wait(1.0, now))
        if self._tokens is not None:
            waits.append(self._tokens.wait(reserved, now))
        return max(waits)

    def _over(self) -> None:
        self._under_way -= 1
        self._changed.set()

    def _abandoned(self, lease: Lease, *, given_back: bool) -> None:
        now = self._clock()
        if given_back and self._requests is not None:
            self._requests.take(-1.0, now)
        if given_back and self._tokens is not None:
            self._tokens.take(-lease.reserved, now)
        self._over()

    def _succeeded(self, lease: Lease, tokens: int | None) -> None:
        self._failures = 0
        if lease.epoch == self._epoch:
            self._back_offs = 0
            if self._window is not None:
                self._window = self._window * 2 if self._window < WIDE_OPEN else None
        if tokens is not None and self._tokens is not None:
            self._tokens.take(tokens - lease.reserved, self._clock())
            beyond = max(0.0, tokens - lease.characters / CHARACTERS_PER_TOKEN)
            self._overhead += _SMOOTHING * (beyond - self._overhead)
        self._over()

    def _failed(self, lease: Lease, error: TargetError) -> None:
        if error.retry_after:  # a wait of 0 is no wait: it backs off as none would
            self.pause(error.retry_after)
        elif error.kind in _TROUBLE and not error.permanent and lease.epoch == self._epoch:
            self._failures += 1
            if error.kind is ErrorKind.RATE_LIMITED:
                self._back_off()
            elif self._failures >= OUTAGE or self._window is not None:
                self._window = 1
                self._back_off()
        self._over()

    def _back_off(self) -> None:
        self.pause(self.jitter(min(LONGEST_BACK_OFF, FIRST_BACK_OFF * 2.0 ** min(self._back_offs, 16))))
        self._back_offs += 1
        self._epoch += 1


class Limiters:
    """One limiter an account, made when it is first asked for; belongs to one event loop."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._by_key: dict[str, Limiter] = {}

    def of(self, account: Account) -> Limiter:
        """The account's limiter; the lowest limits stated so far for its key hold."""
        if account.key not in self._by_key:
            self._by_key[account.key] = Limiter(self._rng)
        limiter = self._by_key[account.key]
        limiter.tighten(account.requests_per_minute, account.tokens_per_minute)
        return limiter
