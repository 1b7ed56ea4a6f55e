"""How a site's answers are judged: its rubrics, and how the judges are opened."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from monitor.judging.scorer import RubricScorer
from monitor.judging.seat import Jury
from monitor.replay.budget import Budget, Pricer


@dataclass(frozen=True)
class Judging:
    """`anchors`: baseline answers a case that are judged again in each run; `canaries`: known answers a kind.

    `min_kappa`: the agreement with people below which the judges cannot raise a rollback by themselves. `convene`
    opens the judges; `pricers` are theirs, by (judge's name, rubric's name). Only `headline` rubrics decide anything.
    """

    scorers: Mapping[str, RubricScorer]
    headline: tuple[str, ...]
    anchors: int
    canaries: int
    min_kappa: float
    convene: Callable[[Budget], AbstractAsyncContextManager[Jury]]
    pricers: Mapping[tuple[str, str], Pricer]

    @property
    def deciding(self) -> tuple[RubricScorer, ...]:
        """The scorers with a share in the headline."""
        return tuple(self.scorers[name] for name in self.headline)
