"""The configuration as frozen models; field names are the keys of config.toml."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field

from monitor.config.fields import (
    Count,
    Duration,
    Flag,
    InputFile,
    InputFolder,
    MailAddress,
    NotNegative,
    Positive,
    Prompt,
    Repeats,
    Secret,
    Text,
    TextOrSecret,
    WebAddress,
)
from monitor.config.hooks import HookConfig
from monitor.config.judges import JudgeConfig, Judging
from monitor.config.listening import checked_host, checked_listen
from monitor.config.rubrics import RubricRef
from monitor.config.schedule import checked_cron, checked_timezone
from monitor.config.slack import Slack
from monitor.config.tables import AskedTable, Concurrency, ModelTable, Table
from monitor.decide.due import Timetable

if TYPE_CHECKING:
    from judges.rubric import Rubric

# Far above any sensible weight, and far below where a sum of weights would overflow.
Weight = Annotated[float, Field(strict=True, gt=0.0, le=1e6, allow_inf_nan=False)]


class Database(Table):
    """`[database]`."""

    url: TextOrSecret = "sqlite:///heldout.db"


class Schedule(Table):
    """`[schedule]`: when production is measured."""

    cron: Annotated[str, AfterValidator(checked_cron)] = "0 6 * * mon"
    timezone: Annotated[str, AfterValidator(checked_timezone)] = "UTC"
    catch_up: Duration = timedelta(days=7)

    @property
    def timetable(self) -> Timetable:
        """The slots that this means."""
        return Timetable(self.cron, self.timezone)


class ThresholdTable(Table):
    """`[thresholds]`."""

    investigate: Positive = 3.0
    rollback: Positive = 5.0
    unit: Literal["points", "percent"] = "points"


class Decision(Table):
    """`[decision]`: how many answers are asked for, and when."""

    baseline_repeats: Repeats = "auto"
    max_repeats: Repeats = "auto"
    stage_gap: Duration = timedelta(hours=1)
    confirm_gap: Duration = timedelta(hours=6)


class Budget(Table):
    """`[budget]`: caps that no run passes."""

    baseline_usd: NotNegative = 50.0
    usd_per_run: NotNegative = 10.0
    calls_per_run: Count = 20_000
    usd_per_month: NotNegative = 200.0


class MetricConfig(Table):
    """A metric with its options, as in `{ name = "numeric", tolerance = 0.01 }`; a plain string is the name alone."""

    model_config = ConfigDict(frozen=True, extra="allow", hide_input_in_errors=True)

    name: Text

    @property
    def options(self) -> dict[str, Any]:
        """Everything but the name."""
        return dict(self.model_extra or {})


def _named_metric(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


class SuiteConfig(Table):
    """`[suites.NAME]`: a test set and how it is scored: by metrics, by rubrics, or both."""

    cases: InputFile
    metrics: Annotated[tuple[Annotated[MetricConfig, BeforeValidator(_named_metric)], ...], Field(min_length=1)] = ()
    rubrics: Annotated[tuple[RubricRef, ...], Field(min_length=1)] = ()
    headline: dict[str, Weight] = Field(default_factory=dict)
    purpose: Literal["task", "general"] = "task"

    @property
    def scorers(self) -> tuple[str, ...]:
        """The names of its metrics, then of its rubrics."""
        return (*(metric.name for metric in self.metrics), *(ref.name for ref in self.rubrics))

    @property
    def weights(self) -> dict[str, float]:
        """The share of each scorer in the headline score; they add up to 1. Scorers that are not named have none.

        The headline's numbers only say how the scorers compare: 2 and 2 is 0.5 and 0.5. Without a headline the only
        scorer counts alone.
        """
        if not self.headline:
            return {self.scorers[0]: 1.0}
        total = sum(self.headline.values())
        return {name: weight / total for name, weight in self.headline.items()}

    @property
    def judged_in_headline(self) -> tuple[str, ...]:
        """The names of the rubrics that have a share in the headline score."""
        return tuple(ref.name for ref in self.rubrics if ref.name in self.weights)


class TargetTable(AskedTable):
    """What `[targets.NAME]` holds for every provider."""

    suites: tuple[Text, ...] = ()
    role: Literal["production", "reference", "candidate"] = "production"
    reference: Literal["prompt", "rag", "previous"] | None = None
    against: Text | None = None
    fallback: Text | None = None


class ChatTable(ModelTable, TargetTable):
    """What the two chat providers share. `system` is the prompt itself, also where the file says `{ file = "…" }`."""

    system: Prompt | None = None


class OpenAITarget(ChatTable):
    """`provider = "openai"`: chat completions, of OpenAI or of any compatible server."""

    provider: Literal["openai"]


class AnthropicTarget(ChatTable):
    """`provider = "anthropic"`: messages."""

    provider: Literal["anthropic"]


def _template(body: str) -> str:
    # Jinja2 is imported only where a target needs it.
    from monitor.config.templating import checked_template

    return checked_template(body)


class HttpTarget(TargetTable):
    """`provider = "http"`: a JSON endpoint, by a template for the body and a path to the answer."""

    provider: Literal["http"]
    url: WebAddress
    body: Annotated[str, AfterValidator(_template)]
    answer: Text
    contexts: Text | None = None
    headers: dict[str, TextOrSecret] = Field(default_factory=dict)
    concurrency: Concurrency = 4


class CommandTarget(TargetTable):
    """`provider = "command"`: a program, with the case as JSON on its standard input."""

    provider: Literal["command"]
    command: Annotated[tuple[Text, ...], Field(min_length=1)]
    concurrency: Concurrency = 4


class RagTarget(TargetTable):
    """`provider = "rag"`: the built-in retrieval over a folder of Markdown and text."""

    provider: Literal["rag"]
    documents: InputFolder
    generator: Text = "extract"
    passages: Annotated[int, Field(strict=True, ge=1, le=50)] = 4


TargetConfig = Annotated[
    OpenAITarget | AnthropicTarget | HttpTarget | CommandTarget | RagTarget, Field(discriminator="provider")
]


def _an_hour(value: timedelta) -> timedelta:
    if value < timedelta(hours=1):
        raise ValueError('must be at least "1h"')
    return value


def _each_once(to: tuple[str, ...]) -> tuple[str, ...]:
    if len({address.casefold() for address in to}) < len(to):
        raise ValueError("names an address twice")
    return to


class Email(Table):
    """`[alerts.email]`: who is written to, from which address, and the reference to the server's address."""

    to: Annotated[tuple[MailAddress, ...], Field(min_length=1, max_length=20), AfterValidator(_each_once)]
    sender: Annotated[MailAddress, Field(alias="from")]
    smtp: Secret
    show_cases: Flag = False


class Alerts(Table):
    """`[alerts]`. A rollback that nobody has acknowledged is told again every `repeat_every`."""

    repeat_every: Annotated[Duration, AfterValidator(_an_hour)] = timedelta(hours=24)
    slack: Slack | None = None
    email: Email | None = None

    @property
    def channels(self) -> tuple[str, ...]:
        """The names of the ways out."""
        ways = {"slack": self.slack, "email": self.email}
        return tuple(name for name, table in ways.items() if table is not None)

    @property
    def show_cases(self) -> bool:
        """Whether any of them may show the texts of cases."""
        return any(way is not None and way.show_cases for way in (self.slack, self.email))


class Deadman(Table):
    """`[deadman]`: an address that is told of the start and end of each round of runs, and alarms at silence."""

    url: Secret


class WebToken(Table):
    """`[web.tokens.NAME]`: who may do what. `read` looks, `act` also changes, `gate` only asks for verdicts."""

    secret: Secret
    role: Literal["read", "act", "gate"]


class Web(Table):
    """`[web]`: where the daemon listens; beyond loopback only with a token."""

    listen: Annotated[str, AfterValidator(checked_listen)] = "127.0.0.1:8787"
    public_url: WebAddress | None = None
    hosts: tuple[Annotated[str, AfterValidator(checked_host)], ...] = ()
    tokens: dict[str, WebToken] = Field(default_factory=dict)


class Config(Table):
    """The whole of config.toml. `path` is the file that it was read from; paths of what is read are absolute."""

    path: Path
    database: Database = Database()
    schedule: Schedule = Schedule()
    thresholds: ThresholdTable = ThresholdTable()
    decision: Decision = Decision()
    budget: Budget = Budget()
    suites: dict[str, SuiteConfig]
    targets: dict[str, TargetConfig]
    judges: dict[str, JudgeConfig] = Field(default_factory=dict)
    judging: Judging = Judging()
    alerts: Alerts = Alerts()
    deadman: Deadman | None = None
    hooks: dict[str, HookConfig] = Field(default_factory=dict)
    web: Web = Web()

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Every (target, suite), in the order of the file."""
        return [(name, suite) for name, table in self.targets.items() for suite in table.suites]

    @property
    def production(self) -> list[tuple[str, str]]:
        """The (target, suite) pairs that the schedule measures."""
        return [(name, suite) for name, suite in self.pairs if self.targets[name].role == "production"]

    def rubric(self, name: str) -> Rubric:
        """The rubric called `name`, whichever suites have it; raises KeyError where none has."""
        for suite in self.suites.values():
            for ref in suite.rubrics:
                if ref.name == name:
                    return ref.rubric
        raise KeyError(name)
