"""Builds the parts that a command needs from the configuration: the only file that names concrete classes."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import UUID

from monitor.config.outputs import database_url
from monitor.config.secrets import SecretError, resolve, resolve_at
from monitor.store.database import Database, connect, open_database

# What only some verbs need is imported where it is made, because `gate` has to answer quickly.
if TYPE_CHECKING:
    from monitor.app import App
    from monitor.config.judges import JudgeConfig
    from monitor.config.models import Config, SuiteConfig, TargetConfig
    from monitor.deadman import Deadman, Silent
    from monitor.domain.case import Case, Suite
    from monitor.grading import Grader
    from monitor.judging.scorer import RubricScorer
    from monitor.judging.seat import Jury
    from monitor.judging.setup import Judging
    from monitor.replay.ask import Asked
    from monitor.replay.budget import Budget, Pricer
    from monitor.replay.limiter import Limiters
    from monitor.replay.runner import Tally
    from monitor.site import Site, Unbuilt
    from monitor.targets.port import Target
    from monitor.web.service import Token


# The most that a passage with its headings adds to a prompt (monitor.targets.passages cuts them there).
PASSAGE_BYTES = 2_000


def clock() -> datetime:
    """The time of day, UTC."""
    return datetime.now(UTC)


def new_id(now: datetime) -> str:
    """A UUID of version 7: unique, and in the order of time."""
    milliseconds = int(now.timestamp() * 1000) & ((1 << 48) - 1)
    value = milliseconds << 80 | int.from_bytes(os.urandom(10), "big")
    return str(UUID(int=value & ~(0xF << 76) & ~(0x3 << 62) | 0x7 << 76 | 0x2 << 62))


def open_store(config: Config, environ: Mapping[str, str], *, create: bool = True) -> Database:
    """The configured database; raises DatabaseError and SecretError."""
    return open_database(database_url(config, environ), create=create)


def connected(config: Config, environ: Mapping[str, str]) -> Database:
    """The configured database, not looked at yet; raises DatabaseError where its address can never work."""
    return connect(database_url(config, environ))


def tokens(config: Config, environ: Mapping[str, str]) -> dict[str, Token]:
    """The tokens of `[web.tokens]` with their secrets, by name; raises SecretError."""
    from monitor.web.service import Token

    return {
        name: Token(name, resolve_at(config, ("web", "tokens", name, "secret"), table.secret, environ), table.role)
        for name, table in config.web.tokens.items()
    }


def grader(table: SuiteConfig, config: Config) -> Grader:
    """The scorers of a suite."""
    from monitor.grading import Grader
    from monitor.metrics import build_metric

    metrics = {m.name: build_metric(m.name, m.options) for m in table.metrics}
    return Grader(metrics, table.weights, rubric_scorers(table, config))


def rubric_scorers(table: SuiteConfig, config: Config) -> dict[str, RubricScorer]:
    """The rubrics of a suite with the panel, by name."""
    if not table.rubrics:
        return {}
    from monitor.judging import configured

    return configured.rubric_scorers(table, config)


def judging(config: Config, environ: Mapping[str, str], table: SuiteConfig, limiters: Limiters) -> Judging | None:
    """How a suite's answers are judged; None without rubrics. Judges are built, and secrets read, when convened."""
    scorers = rubric_scorers(table, config)
    if not scorers:
        return None
    from judges.prompt import prefix, schema
    from monitor.judging.setup import Judging

    prompts = {name: prefix(scorer.rubric) for name, scorer in scorers.items()}
    pricers = {
        (judge, name): judge_price(config.judges[judge], prompt)
        for judge in config.judging.panel
        for name, prompt in prompts.items()
    }

    @asynccontextmanager
    async def convene(budget: Budget) -> AsyncIterator[Jury]:
        from monitor.judging.seat import Seat
        from monitor.targets.build import build_judge

        targets: list[Target] = []
        jury: dict[tuple[str, str], Seat] = {}
        try:
            for (judge, name), pricer in pricers.items():
                table = config.judges[judge]
                target = build_judge(judge, config, prompts[name], schema(scorers[name].rubric), environ)
                targets.append(target)
                asking = _asking(target, limiters, table.retry_for.total_seconds(), budget, pricer)
                jury[judge, name] = Seat(asking, pricer, table.concurrency)
            yield jury
        finally:
            for target in targets:
                await target.aclose()

    return Judging(
        scorers=scorers,
        headline=table.judged_in_headline,
        anchors=config.judging.anchors,
        canaries=config.judging.canaries,
        min_kappa=config.judging.min_kappa_for_rollback,
        convene=convene,
        pricers=pricers,
    )


def _asking(
    target: Target, limiters: Limiters, retry_for: float, budget: Budget, pricer: Pricer
) -> Callable[[Case], Awaitable[Asked]]:
    """Asks `target` with retries, within its account's limits and the budget."""
    from monitor.replay.ask import RetryPolicy, ask
    from monitor.replay.budget import Call

    limiter, policy = limiters.of(target.account), RetryPolicy(retry_for)

    async def asking(case: Case) -> Asked:
        return await ask(target, case, limiter, policy, Call(budget, pricer, case))

    return asking


def build(
    config: Config,
    environ: Mapping[str, str],
    database: Database,
    *,
    only: Callable[[str, str], bool] = lambda target, suite: True,
    watch: Callable[[str, Tally], None] = lambda label, tally: None,
    stop: asyncio.Event | None = None,
    tolerant: bool = False,
    clock: Callable[[], datetime] = clock,
) -> App:
    """Everything that runs share; call it in an event loop. `only(target, suite)` chooses the sites that are read.

    Raises SuiteError with the faults of all suites, or TargetConfigError, where a site cannot be built. Where
    `tolerant`, that site is left out, and the App says why.
    """
    from monitor.app import App
    from monitor.replay.budget import Month
    from monitor.replay.limiter import Limiters
    from monitor.replay.stage import Workplace
    from monitor.store import answers

    pairs = [(t, s) for t, table in config.targets.items() for s in table.suites if only(t, s)]
    # Jitter need not be repeatable, and must differ between processes.
    limiters = Limiters(random.Random())  # noqa: S311
    sites, left_out = _sites(config, environ, pairs, limiters)
    if left_out and not tolerant:
        raise _together(left_out.values())
    month_begins = clock().replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    with database.read() as connection:
        spent = answers.spend_since(connection, month_begins).usd or 0.0
    return App(
        config=config,
        place=Workplace(database, clock, stop or asyncio.Event(), watch),
        sites=sites,
        channels=config.alerts.channels,
        show_cases=config.alerts.show_cases,
        month=Month(config.budget.usd_per_month, spent),
        new_id=new_id,
        left_out=left_out,
    )


def _sites(
    config: Config, environ: Mapping[str, str], pairs: Iterable[tuple[str, str]], limiters: Limiters
) -> tuple[dict[tuple[str, str], Site], dict[tuple[str, str], Exception]]:
    """The sites of those (target, suite), each suite read once; and why some cannot be built."""
    from monitor.suites.load import SuiteError, load_suite
    from monitor.targets.build import TargetConfigError

    suites: dict[str, Suite | SuiteError] = {}
    sites: dict[tuple[str, str], Site] = {}
    left_out: dict[tuple[str, str], Exception] = {}
    for target, name in pairs:
        if name not in suites:
            try:
                suites[name] = load_suite(name, config.suites[name].cases)
            except SuiteError as error:
                suites[name] = error
        suite = suites[name]
        if isinstance(suite, SuiteError):
            left_out[target, name] = suite
            continue
        try:
            sites[target, name] = site(config, environ, target, suite, limiters)
        except TargetConfigError as error:
            left_out[target, name] = error
    beside = {pair: _fallback(config, environ, built, sites, limiters) for pair, built in sites.items()}
    return {pair: replace(built, fallback=beside[pair]) for pair, built in sites.items()}, left_out


def _fallback(
    config: Config,
    environ: Mapping[str, str],
    built: Site,
    sites: Mapping[tuple[str, str], Site],
    limiters: Limiters,
) -> Site | Unbuilt | None:
    """The fallback of a site; one that cannot be built keeps nobody from measuring the site itself."""
    from monitor.site import Unbuilt
    from monitor.targets.build import TargetConfigError

    name, suite = config.targets[built.target].fallback, built.suite
    if name is None:
        return None
    if suite.name not in config.targets[name].suites:
        return Unbuilt(name, f"it is not asked this suite ([targets.{name}] suites)")
    if (name, suite.name) in sites:
        return sites[name, suite.name]
    try:
        return site(config, environ, name, suite, limiters)
    except TargetConfigError as error:
        return Unbuilt(name, str(error))


def _together(errors: Iterable[Exception]) -> Exception:
    """The one error to raise for several: the faults of all suites in one, else the first."""
    from monitor.suites.load import SuiteError

    distinct = list(dict.fromkeys(errors))
    faults = [fault for error in distinct if isinstance(error, SuiteError) for fault in error.faults]
    return SuiteError(faults) if faults else distinct[0]


def site(config: Config, environ: Mapping[str, str], name: str, suite: Suite, limiters: Limiters) -> Site:
    """One target with one suite. The target itself is built, and its secrets are read, only when it is connected."""
    from monitor.site import Site
    from monitor.targets.build import configuration_fingerprint, is_local, requested_model

    table = config.targets[name]
    billed = paying(config, name)
    pricer = price(billed, name, config)

    @asynccontextmanager
    async def connect(budget: Budget) -> AsyncIterator[Callable[[Case], Awaitable[Asked]]]:
        from monitor.targets.build import build_target

        target = build_target(name, config, environ)
        try:
            yield _asking(target, limiters, table.retry_for.total_seconds(), budget, pricer)
        finally:
            await target.aclose()

    return Site(
        target=name,
        suite=suite,
        grader=grader(config.suites[suite.name], config),
        fingerprint=configuration_fingerprint(name, config),
        requested_model=requested_model(billed),
        compared_with=table.against or name,
        concurrency=table.concurrency,
        pricer=pricer,
        role=table.role,
        local=is_local(name, config),
        free=billed.provider == "rag",
        connect=connect,
        judging=judging(config, environ, config.suites[suite.name], limiters),
    )


def paying(config: Config, name: str) -> TargetConfig:
    """The table whose model answers in the end: a rag target's generator, else the target itself."""
    table = config.targets[name]
    if table.provider == "rag" and table.generator in config.targets:
        return config.targets[table.generator]
    return table


def price(table: TargetConfig, name: str, config: Config) -> Pricer:
    """What answers of `table`'s model cost; a rag target sends its passages along."""
    from monitor.replay.budget import Pricer
    from monitor.targets.anthropic import DEFAULT_MAX_TOKENS

    asked = config.targets[name]
    rates = asked.price or table.price
    most = None
    extra = 0
    if table.provider in ("openai", "anthropic"):
        bound = table.params.get("max_completion_tokens", table.params.get("max_tokens"))
        most = bound if isinstance(bound, int) else (DEFAULT_MAX_TOKENS if table.provider == "anthropic" else None)
        extra = len((table.system or "").encode())
    if asked.provider == "rag":
        extra += asked.passages * PASSAGE_BYTES
    if rates is None:
        return Pricer(None, None, most, extra)
    return Pricer(rates.input, rates.output, most, extra, rates.cached_input)


def judge_price(table: JudgeConfig, prompt: str) -> Pricer:
    """What judgements cost: the rubric in `prompt` is sent with each."""
    from monitor.replay.budget import Pricer
    from monitor.targets.build import JUDGE_MAX_TOKENS

    bound = table.params.get("max_completion_tokens", table.params.get("max_tokens"))
    most = bound if isinstance(bound, int) else JUDGE_MAX_TOKENS
    rates, sent = table.price, len(prompt.encode())
    if rates is None:
        return Pricer(None, None, most, sent)
    return Pricer(rates.input, rates.output, most, sent, rates.cached_input)


def deadman(config: Config, environ: Mapping[str, str]) -> Deadman | Silent:
    """What is told of each round; raises SecretError where its address cannot be had or is none."""
    from monitor.deadman import AddressError, Deadman, Silent

    if config.deadman is None:
        return Silent()
    try:
        return Deadman(resolve(config.deadman.url, environ))
    except AddressError as error:
        raise SecretError(f"{config.deadman.url} {error}") from None
