"""A court: a house's real database with a run that judges may be asked for, one call at a time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from monitor import cycle
from monitor.app import App
from monitor.domain.case import Case
from monitor.domain.judgement import Judgement
from monitor.domain.run import Run, RunKind
from monitor.judging.hearing import Hearing, hear
from monitor.judging.marking import Marks, mark
from monitor.judging.scorer import RubricScorer, material_key
from monitor.judging.seat import Item, Jury, Seat, Sitting
from monitor.judging.setup import Judging
from monitor.replay.ask import Asked
from monitor.replay.budget import Budget, Caps, Month
from monitor.site import Site
from monitor.store import judgements
from tests.fakes.house import House
from tests.fakes.judged_house import judged_house

Asking = Callable[[Case], Awaitable[Asked]]


@dataclass
class Court:
    """A run of `house`, and its judges. `seats` replaces how a judge is asked, by its name."""

    house: House
    app: App = field(init=False)
    run: Run = field(init=False)
    budget: Budget = field(default_factory=lambda: Budget(Caps(100.0, 100_000), Month(1000.0, 0.0)))
    seats: dict[str, Asking] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.begin()

    def begin(self, kind: RunKind = RunKind.AD_HOC) -> Run:
        """Another run, from here on this one."""
        self.app = self.house.app()
        run = cycle.begin(self.app, self.site, kind, None)
        assert run is not None
        self.run = run
        return run

    @property
    def site(self) -> Site:
        return self.app.sites["ft", "support"]

    @property
    def judging(self) -> Judging:
        assert self.site.judging is not None
        return self.site.judging

    @property
    def scorer(self) -> RubricScorer:
        return self.judging.scorers["support_answer"]

    def sitting(self, part: str = "main", occasion: str | None = None) -> Sitting:
        return Sitting(self.run.id, occasion or self.run.id, "test", part)

    def item(self, number: int, text: str) -> Item:
        case = self.house.cases[number]
        return Item(material_key(case, text), case.id, self.scorer.material(case, text))

    async def hear(self, items: Sequence[Item], sitting: Sitting | None = None, *, everyone: bool = False) -> Hearing:
        async with self.judging.convene(self.budget) as jury:
            here = sitting or self.sitting()
            return await hear(self.app.place, here, self.seated(jury), self.scorer, items, everyone=everyone)

    async def mark(self, items: Sequence[Item], sitting: Sitting | None = None) -> Marks:
        async with self.judging.convene(self.budget) as jury:
            return await mark(self.app.place, sitting or self.sitting(), self.seated(jury), self.scorer, items)

    def seated(self, jury: Jury) -> Jury:
        def seat(name: str, one: Seat) -> Seat:
            return Seat(self.seats.get(name, one.ask), one.pricer, one.concurrency)

        return {(name, rubric): seat(name, one) for (name, rubric), one in jury.items()}

    def stored(self, items: Sequence[Item]) -> Mapping[str, list[Judgement]]:
        with self.house.database.read() as connection:
            return judgements.opinions(connection, self.run.id, self.scorer.fingerprint, [one.key for one in items])

    def asked(self, name: str = "strict") -> list[tuple[str, str]]:
        return self.house.judges[name].asked


@pytest.fixture
def court(tmp_path: Path) -> Iterator[Court]:
    """With one judge."""
    house = judged_house(tmp_path)
    yield Court(house)
    house.close()


@pytest.fixture
def panel(tmp_path: Path) -> Iterator[Court]:
    """With three."""
    house = judged_house(tmp_path, judges=("a", "b", "c"))
    yield Court(house)
    house.close()
