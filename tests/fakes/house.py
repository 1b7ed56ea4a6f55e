"""A house for whole runs: a real database, a clock that tests move, and fake models that a site connects to."""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from alerts.alert import Alert
from monitor import wiring
from monitor.app import App
from monitor.collect import Collected, Offer, collect
from monitor.config.load import load_config
from monitor.config.models import Config
from monitor.decide.due import Timetable
from monitor.domain.answer import ErrorKind, Reply, TargetError
from monitor.domain.case import Case, Suite
from monitor.domain.run import Run
from monitor.judging.seat import Jury, Seat
from monitor.judging.setup import Judging
from monitor.replay.ask import Asked
from monitor.replay.budget import Budget, Call, Month, Pricer
from monitor.replay.limiter import Limiters
from monitor.replay.stage import Workplace
from monitor.rounds import Round, run_due
from monitor.site import Site, Unbuilt
from monitor.store import answers, runs
from monitor.store.database import Database, open_database
from monitor.store.tables import alert, answer, outbox, run, verdict
from tests.fakes import databases

if TYPE_CHECKING:
    from judges.rubric import Rubric
    from tests.fakes.judge import FakeJudge

MONDAY = datetime(2026, 11, 16, 6, 0, tzinfo=UTC)
TOML = """
[schedule]
cron = "{cron}"
{schedule}
[thresholds]
{thresholds}
[decision]
baseline_repeats = {baseline}
max_repeats = {cap}
[budget]
{budget}
[suites.support]
cases = "support.jsonl"
metrics = [{metrics}]
headline = {headline}
{rubrics}
[targets.ft]
provider = "command"
command = ["never-started"]
suites = ["support"]
concurrency = 4
{target}
{more}
{judges}
"""
# Another target: what `ft` falls back to, or another that falls back to the same.
TARGET = """
[targets.{name}]
provider = "command"
command = ["never-started"]
suites = ["support"]
{keys}
"""
JUDGE = """
[judges.{name}]
provider = "openai"
model = "{model}"
price = {{ input = 1.0, output = 4.0, cached_input = 0.1 }}
"""


class CrashError(BaseException):
    """What a test raises where a process would have died: nothing that handles errors may handle it."""


class FakeClock:
    """Stands where it is put; dies at the reading whose number is `dies_at` (from 1)."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self.readings = 0
        self.dies_at: int | None = None

    def __call__(self) -> datetime:
        self.readings += 1
        if self.readings == self.dies_at:
            raise CrashError(f"at reading {self.readings} of the clock")
        return self.now

    def move(self, **time: float) -> None:
        self.now += timedelta(**time)


@dataclass
class FakeModel:
    """Answers by rule: `wrong` cases always wrongly, the others right with `share`, the same on every machine.

    Answers vary by case and by how often it was asked. `down` cases get `error`; the call whose number is `dies_at`
    (from 1) raises CrashError. `asked` holds the cases in the order of the calls.
    """

    share: float = 1.0
    wrong: frozenset[str] = frozenset()
    down: Callable[[str], bool] = lambda case: False
    error: TargetError = field(default_factory=lambda: TargetError(ErrorKind.OVERLOADED, "overloaded"))
    name: str = "model-1"
    tokens: int | None = None
    seed: int = 1
    dies_at: int | None = None
    on_call: Callable[[int], None] = lambda number: None
    asked: list[str] = field(default_factory=list)

    def reply(self, case: Case) -> Reply:
        turn = self.asked.count(case.id)
        draw = hashlib.sha256(f"{self.seed}/{case.id}/{turn}".encode()).digest()
        right = case.id not in self.wrong and int.from_bytes(draw[:4], "big") / 2**32 < self.share
        return Reply("yes" if right else f"no {turn}", self.name, input_tokens=self.tokens, output_tokens=self.tokens)

    async def ask(self, case: Case, call: Call, now: datetime) -> Asked:
        call.reserve()
        self.asked.append(case.id)
        number = len(self.asked)
        self.on_call(number)
        if number == self.dies_at:
            raise CrashError(f"at call {number}")
        await asyncio.sleep(0)
        reply = None if self.down(case.id) else self.reply(case)
        error = None if reply else self.error
        call.settle(reply, error)
        return Asked(reply, error, 1, 0.25, now, now)


class House:
    """One target (`ft`) on one suite (`support`), and as many processes one after the other as a test wants."""

    def __init__(self, folder: Path, cases: int = 40, now: datetime = MONDAY - timedelta(days=4)) -> None:
        self.folder = folder
        self.url = databases.filled(folder)
        self.clock = FakeClock(now)
        self.model = FakeModel()
        self.cases = [Case(f"case-{i:03}", f"Is {i} a number?", expected="yes") for i in range(cases)]
        self.keys: dict[str, str] = {
            "cron": "0 6 * * mon",
            "schedule": "",
            "thresholds": "",
            "baseline": "4",
            "cap": "8",
            "budget": "",
            "metrics": '"exact_match"',
            "headline": "{ exact_match = 1.0 }",
            "target": "",
            "more": "",
            "rubrics": "",
            "judges": "",
        }
        self.models: dict[str, FakeModel] = {}  # of the other targets
        self.prices: dict[str, Pricer] = {}  # of the other targets, where they are not what `pricer` gives
        self.no_fallback: Exception | Unbuilt | None = None  # why it cannot be connected to, or built
        self.judges: dict[str, FakeJudge] = {}
        self.no_judges: Exception | None = None  # why they cannot be opened
        self.fingerprint = "configuration-a"
        self.local = True
        self.concurrency = 4
        self.pricer: Callable[[], Pricer] = lambda: Pricer(None, None)
        self.stop = asyncio.Event()
        self.channels = ("slack",)
        self.show_cases = False
        self.ids = 0
        (folder / "support.jsonl").write_text("{}\n")
        self.database: Database = open_database(self.url)

    def judged_by(self, *names: str, headline: str = "{ support_answer = 1.0 }", judging: str = "") -> None:
        """From here on a rubric counts, judged by a panel of these, with the fewest canaries there may be."""
        from tests.fakes.judge import FakeJudge

        self.judges |= {name: FakeJudge() for name in names if name not in self.judges}
        panel = ", ".join(f'"{name}"' for name in names)
        tables = "".join(JUDGE.format(name=name, model=self.judges[name].model) for name in names)
        self.keys["rubrics"] = 'rubrics = ["support_answer"]'
        self.keys["headline"] = headline
        self.keys["judges"] = f"{tables}\n[judging]\npanel = [{panel}]\ncanaries = 20\n{judging}"

    def falls_back_to(self, name: str, model: FakeModel | None = None, *, also: str | None = None) -> FakeModel:
        """From here on `ft` has that fallback, whose model is returned; and `also` is a production target with it."""
        tables = [(name, 'role = "reference"')]
        self.models[name] = model or FakeModel()
        if also is not None:
            tables.append((also, f'fallback = "{name}"'))
            self.models[also] = FakeModel()
        self.keys["target"] = f'fallback = "{name}"'
        self.keys["more"] = "".join(TARGET.format(name=name, keys=keys) for name, keys in tables)
        return self.models[name]

    def close(self) -> None:
        self.database.close()

    @property
    def config(self) -> Config:
        path = self.folder / "config.toml"
        path.write_text(TOML.format(**self.keys))
        return load_config(path, {})

    @property
    def timetable(self) -> Timetable:
        return self.config.schedule.timetable

    def new_id(self, now: datetime) -> str:
        self.ids += 1
        return f"id-{self.ids:04}"

    def app(self) -> App:
        """A process that has just been started."""
        config = self.config
        with self.database.read() as connection:
            spent = answers.spend_since(connection, self.clock.now.replace(day=1)).usd or 0.0
        place = Workplace(self.database, self.clock, self.stop, lambda label, tally: None)
        month = Month(config.budget.usd_per_month, spent)
        # As the wiring has it, a fallback that is no site of its own is none of the app's either.
        sites = {(name, "support"): self.site(config, name) for name, _ in config.pairs}
        return App(config, place, sites, self.channels, self.show_cases, month, self.new_id)

    def site(self, config: Config, name: str = "ft") -> Site:
        table, pricer = config.targets[name], self.prices.get(name) or self.pricer()

        @asynccontextmanager
        async def connect(budget: Budget) -> AsyncIterator[Callable[[Case], Awaitable[Asked]]]:
            if table.role == "reference" and isinstance(self.no_fallback, Exception):
                raise self.no_fallback

            async def ask(case: Case) -> Asked:
                model = self.models.get(name, self.model)
                return await model.ask(case, Call(budget, pricer, case), self.clock.now)

            yield ask

        return Site(
            target=name,
            suite=Suite("support", tuple(self.cases)),
            grader=wiring.grader(config.suites["support"], config),
            fingerprint=self.fingerprint,
            requested_model="model",
            compared_with=name,
            concurrency=self.concurrency,
            pricer=pricer,
            role=table.role,
            local=self.local,
            free=False,
            connect=connect,
            judging=self.judging(config),
            fallback=self.fallback(config, table.fallback),
        )

    def fallback(self, config: Config, name: str | None) -> Site | Unbuilt | None:
        if name is None or isinstance(self.no_fallback, Unbuilt):
            return self.no_fallback if isinstance(self.no_fallback, Unbuilt) else None
        return self.site(config, name)

    def judging(self, config: Config) -> Judging | None:
        """As the configuration has it, but for the models behind it."""
        real = wiring.judging(config, {}, config.suites["support"], Limiters(random.Random(0)))
        if real is None:
            return None

        @asynccontextmanager
        async def convene(budget: Budget) -> AsyncIterator[Jury]:
            if self.no_judges is not None:
                raise self.no_judges

            def seat(judge: FakeJudge, rubric: Rubric, pricer: Pricer) -> Seat:
                async def ask(case: Case) -> Asked:
                    return await judge.ask(rubric, case, Call(budget, pricer, case), self.clock.now)

                return Seat(ask, pricer, self.concurrency)

            yield {
                (judge, name): seat(self.judges[judge], real.scorers[name].rubric, pricer)
                for (judge, name), pricer in real.pricers.items()
            }

        return replace(real, convene=convene)

    async def collect(self, *, agree: Callable[[Offer], bool] = lambda offer: True, spread: bool = False) -> Collected:
        app = self.app()
        return await collect(app, app.sites["ft", "support"], "ada", agree, spread=spread)

    async def due(self) -> Round:
        """What an hourly timer does."""
        return await run_due(self.app())

    async def verdicts(self) -> list[tuple[str, str]]:
        return [(row.level, row.stage) for row in self.rows(verdict)]

    def rows(self, table: sa.Table) -> list[Any]:
        order = list(table.primary_key.columns)
        with self.database.read() as connection:
            return list(connection.execute(table.select().order_by(*order)))

    @property
    def said(self) -> list[dict[str, Any]]:
        """Every verdict, oldest first."""
        return [row.payload for row in self.rows(verdict)]

    @property
    def told(self) -> list[Alert]:
        """Every alert, oldest first."""
        return [Alert.from_json(row.payload) for row in self.rows(alert)]

    @property
    def messages(self) -> int:
        return len(self.rows(outbox))

    @property
    def runs(self) -> list[Run]:
        with self.database.read() as connection:
            found = [runs.get(connection, row.id) for row in connection.execute(sa.select(run.c.id).order_by(run.c.id))]
        return [one for one in found if one is not None]

    def stored(self, run_id: str) -> int:
        """How many answers a run has."""
        with self.database.read() as connection:
            count = sa.select(sa.func.count()).select_from(answer).where(answer.c.run_id == run_id)
            return int(connection.execute(count).scalar_one())
