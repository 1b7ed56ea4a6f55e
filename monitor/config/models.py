"""The configuration as frozen models; field names are the keys of config.toml."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from monitor.config.fields import Duration, InputPath, Secret

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
Positive = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]


class Table(BaseModel):
    """A table of the configuration: frozen, and an unknown key is a fault."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Database(Table):
    """`[database]`."""

    url: str | Secret = "sqlite:///heldout.db"


class Schedule(Table):
    """`[schedule]`: when production is measured."""

    cron: str = "0 6 * * mon"
    timezone: str = "UTC"
    catch_up: Duration = timedelta(days=7)


class ThresholdTable(Table):
    """`[thresholds]`."""

    investigate: Positive = 3.0
    rollback: Positive = 5.0
    unit: Literal["points", "percent"] = "points"


class Decision(Table):
    """`[decision]`: how many answers are asked for, and when."""

    baseline_repeats: Literal["auto"] | Annotated[int, Field(ge=1, le=128)] = "auto"
    max_repeats: Literal["auto"] | Annotated[int, Field(ge=1, le=128)] = "auto"
    stage_gap: Duration = timedelta(hours=1)
    confirm_gap: Duration = timedelta(hours=6)


class Budget(Table):
    """`[budget]`: caps that no run passes."""

    baseline_usd: NotNegative = 50.0
    usd_per_run: NotNegative = 10.0
    calls_per_run: Annotated[int, Field(ge=1)] = 20_000
    usd_per_month: NotNegative = 200.0


class MetricConfig(Table):
    """A metric with its options, as in `{ name = "numeric", tolerance = 0.01 }`; a plain string is the name alone."""

    model_config = ConfigDict(frozen=True, extra="allow", hide_input_in_errors=True)
    name: str

    @property
    def options(self) -> dict[str, Any]:
        """Everything but the name."""
        return dict(self.model_extra or {})


class SuiteConfig(Table):
    """`[suites.NAME]`: a test set and how it is scored."""

    cases: InputPath
    metrics: tuple[MetricConfig, ...]
    headline: dict[str, Positive] = Field(default_factory=dict)
    purpose: Literal["task", "general"] = "task"


class Price(Table):
    """USD per million tokens."""

    input: NotNegative
    output: NotNegative


class TargetTable(Table):
    """What `[targets.NAME]` holds for every provider."""

    suites: tuple[str, ...] = ()
    role: Literal["production", "reference", "candidate"] = "production"
    reference: Literal["prompt", "rag", "previous"] | None = None
    against: str | None = None
    concurrency: Annotated[int, Field(ge=1, le=1024)] = 8
    requests_per_minute: Positive | None = None
    tokens_per_minute: Positive | None = None
    timeout: Duration = timedelta(seconds=60)
    retry_for: Duration = timedelta(minutes=5)
    price: Price | None = None


class ChatTable(TargetTable):
    """What the two chat providers share."""

    model: str
    base_url: str | None = None
    api_key: Secret | None = None
    system: str | InputPath | None = None
    params: dict[str, Any] = Field(default_factory=dict)


class OpenAITarget(ChatTable):
    """`provider = "openai"`: chat completions, of OpenAI or of any compatible server."""

    provider: Literal["openai"]


class AnthropicTarget(ChatTable):
    """`provider = "anthropic"`: messages."""

    provider: Literal["anthropic"]


class HttpTarget(TargetTable):
    """`provider = "http"`: a JSON endpoint, by a template for the body and a path to the answer."""

    provider: Literal["http"]
    url: str
    body: str
    answer: str
    contexts: str | None = None
    headers: dict[str, str | Secret] = Field(default_factory=dict)
    concurrency: Annotated[int, Field(ge=1, le=1024)] = 4


class CommandTarget(TargetTable):
    """`provider = "command"`: a program, with the case as JSON on its standard input."""

    provider: Literal["command"]
    command: Annotated[tuple[str, ...], Field(min_length=1)]
    concurrency: Annotated[int, Field(ge=1, le=1024)] = 4


class RagTarget(TargetTable):
    """`provider = "rag"`: the built-in retrieval over a folder of Markdown and text."""

    provider: Literal["rag"]
    documents: InputPath
    generator: str = "extract"
    passages: Annotated[int, Field(ge=1, le=50)] = 4


TargetConfig = Annotated[
    OpenAITarget | AnthropicTarget | HttpTarget | CommandTarget | RagTarget, Field(discriminator="provider")
]


class Slack(Table):
    """`[alerts.slack]`: a bot token with a channel, or an incoming webhook."""

    token: Secret | None = None
    webhook_url: Secret | None = None
    channel: str | None = None
    show_cases: bool = False
    base_url: str | None = None


class Alerts(Table):
    """`[alerts]`."""

    slack: Slack | None = None


class Config(Table):
    """The whole of config.toml. `path` is the file it was read from; relative input paths are relative to its folder."""

    path: Path
    database: Database = Database()
    schedule: Schedule = Schedule()
    thresholds: ThresholdTable = ThresholdTable()
    decision: Decision = Decision()
    budget: Budget = Budget()
    suites: dict[str, SuiteConfig]
    targets: dict[str, TargetConfig]
    alerts: Alerts = Alerts()
