"""Which rounds the dead-man hears of, and what: names and counts, never a word that a model or provider said."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, TypeVar

from monitor import show, wiring
from monitor.config.secrets import SecretError
from monitor.deadman import Silent, Switch
from monitor.replay.runner import RunInterruptedError
from monitor.store.leases import LeaseLostError

if TYPE_CHECKING:
    from monitor.config.models import Config
    from monitor.replay.runner import Tally
    from monitor.rounds import Round

# Somebody stopped it or another process has taken over: the work goes on, and whoever does it tells how it ends.
_GOES_ON = (RunInterruptedError, LeaseLostError, asyncio.CancelledError, KeyboardInterrupt)

D = TypeVar("D")
Watch = Callable[[str, "Tally"], None]


class Pings:
    """Tells `switch` of one round: that it begins when the first question is asked, and how it ended.

    A round in which nothing was due tells nothing, so that an hourly look at an idle schedule is no sign of life.
    """

    def __init__(self, switch: Switch) -> None:
        self._switch = switch
        self._begun = False
        self._end: tuple[bool, str] | None = None

    def watching(self, watch: Watch) -> Watch:
        """`watch`, which also notices the first question."""

        def both(label: str, tally: Tally) -> None:
            if not self._begun:
                self._begun = True
                self._switch.started(f"heldout run --due begins with {label}: {tally.total} questions\n")
            watch(label, tally)

        return both

    def over(self, done: Round, *, worked: bool) -> None:
        """What the round came to; told when `around` ends, after alerts were delivered."""
        if self._begun or done.done or done.collected or done.unstarted:
            self._end = (worked, body(done))

    async def around(self, work: Callable[[D], Awaitable[int]], desk: D) -> int:
        """Do `work` and tell how it ended: an error that leaves it is a failure, whatever it was about."""
        try:
            code = await work(desk)
        except _GOES_ON:
            await self._switch.abandoned()
            raise
        except Exception as error:
            # Its own words may hold anything.
            await self._switch.ended(False, f"heldout run --due ended with an error: {type(error).__name__}\n")
            raise
        if self._end is not None:
            await self._switch.ended(*self._end)
        return code


def of(config: Config, environ: Mapping[str, str], *, due: bool) -> Pings:
    """As configured, for what the schedule wants. A secret that is missing keeps no week from being measured."""
    if not due:
        return Pings(Silent())
    try:
        return Pings(wiring.deadman(config, environ))
    except SecretError as error:
        show.line(f"The dead-man is not told of this round: {error}", colour="yellow", err=True)
        return Pings(Silent())


def body(done: Round) -> str:
    """What was run, and what failed: a line each."""
    lines = [f"measured {one.run.target} · {one.run.suite}: {one.verdict.answers} answers" for one in done.done]
    lines += [
        f"collected {one.site.name}: {'pinned' if one.baseline is not None else 'goes on'}" for one in done.collected
    ]
    lines += [
        f"halted {one.run.target} · {one.run.suite}: {one.halt.kind.value}" for one in done.done if one.halt is not None
    ]
    lines += [f"failed {one.site}: {type(one.error).__name__}" for one in done.broken]
    if done.failed:
        lines.append(f"failed besides: {len(done.failed)}")
    return "\n".join(lines) + "\n"
