"""The group-sequential test of a week: two questions, each open until it is clear or has fired."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from monitor.stats.paired import Estimate
from monitor.stats.quantiles import BoolArray, FloatArray, normal_tail, t_upper, z_upper
from monitor.stats.spec import INVESTIGATE, ROLLBACK, Spec

FIRST_STAGE = 1


@dataclass(frozen=True, slots=True)
class Questions:
    """Where the two questions stand. The last axis is (`INVESTIGATE`, `ROLLBACK`), before it the shape of the weeks.

    `asked`: can fire, and is waited for. `fired`: stays so. `clear`: as of the last look, also for a question that is
    not asked, so that a recovery can be read off. `time`: information time spent, shape of the weeks. `finished`: no
    further answers are wanted, because nothing is open or the cap is reached.
    """

    asked: BoolArray
    fired: BoolArray
    clear: BoolArray
    time: FloatArray
    finished: BoolArray

    @property
    def open(self) -> BoolArray:
        """Asked, and neither clear nor fired."""
        return self.asked & ~self.fired & ~self.clear

    def rows(self, chosen: BoolArray) -> Questions:
        """The weeks that a mask over the weeks chooses."""
        return Questions(
            self.asked[chosen], self.fired[chosen], self.clear[chosen], self.time[chosen], self.finished[chosen]
        )

    def with_rows(self, chosen: BoolArray, new: Questions) -> Questions:
        """These questions, with the weeks `chosen` replaced by those of `new`."""
        asked, fired, clear = self.asked.copy(), self.fired.copy(), self.clear.copy()
        time, finished = self.time.copy(), self.finished.copy()
        asked[chosen], fired[chosen], clear[chosen] = new.asked, new.fired, new.clear
        time[chosen], finished[chosen] = new.time, new.finished
        return Questions(asked, fired, clear, time, finished)


def start(
    *, investigate: bool | BoolArray = True, rollback: bool | BoolArray = True, weeks: tuple[int, ...] = ()
) -> Questions:
    """Before the first look: which questions are asked (in each week), and the shape of the weeks (none: one week)."""
    asked = np.stack([np.broadcast_to(question, weeks) for question in (investigate, rollback)], axis=-1)
    return Questions(
        asked=asked,
        fired=np.zeros_like(asked),
        clear=np.zeros_like(asked),
        time=np.zeros(weeks),
        finished=np.zeros(weeks, dtype=np.bool_),
    )


def spending(alpha: FloatArray | float, time: FloatArray | float) -> FloatArray:
    """The error spent by information `time` (0 to 1) of `alpha` in all, O'Brien and Fleming's kind: next to none early.

    Lan and DeMets 1983, as in gsDesign's `sfLDOF`, one-sided.
    """
    time = np.asarray(time, dtype=np.float64)
    reached = time > 0
    spent = 2.0 * normal_tail(z_upper(np.asarray(alpha) / 2.0) / np.sqrt(np.where(reached, time, 1.0)))
    return np.where(reached, spent, 0.0)


def look(state: Questions, value: Estimate, spec: Spec) -> Questions:
    """One stage: each question is asked whether it is clear and, if not, whether it fires on the error it may spend.

    Clear goes before fire, is asked anew each time, and does not undo what has fired.
    """
    time = np.maximum(state.time, np.nan_to_num(value.information))
    alpha = np.array([question.alpha for question in spec.questions])
    spend = spending(alpha, time[..., np.newaxis]) - spending(alpha, state.time[..., np.newaxis])
    return _asked(state, value, spec, spend=spend, time=time)


def last_look(state: Questions, value: Estimate, spec: Spec) -> Questions:
    """The one look the day after an inconclusive week, on the answers of both days, with half of each error."""
    spend = np.array([question.alpha / 2.0 for question in spec.questions])
    decided = _asked(state, value, spec, spend=spend, time=np.ones_like(state.time))
    return Questions(decided.asked, decided.fired, decided.clear, decided.time, np.ones_like(decided.finished))


def _asked(state: Questions, value: Estimate, spec: Spec, *, spend: FloatArray, time: FloatArray) -> Questions:
    threshold = np.array([question.threshold for question in spec.questions])
    edge = np.array([question.null_edge for question in spec.questions])
    clear_z = np.array([question.clear_z for question in spec.questions])
    drop = np.asarray(value.drop * spec.scale)[..., np.newaxis]
    se = np.asarray(value.se * spec.scale)[..., np.newaxis]

    clear = drop + clear_z * se < threshold
    critical = t_upper(spend, value.df[..., np.newaxis])
    fires = state.asked & ~clear & (spend > 0) & (drop - critical * se > edge)
    fires[..., ROLLBACK] &= ~value.single_baseline
    fires[..., INVESTIGATE] |= fires[..., ROLLBACK]
    fired = state.fired | fires

    waiting = state.asked & ~fired & ~clear
    # With one baseline answer no rollback can fire: once the week is an investigation, more answers change nothing.
    waiting[..., ROLLBACK] &= ~(value.single_baseline & fired[..., INVESTIGATE])
    finished = ~waiting.any(axis=-1) | value.at_cap
    return Questions(state.asked, fired, clear, time, np.asarray(finished))
