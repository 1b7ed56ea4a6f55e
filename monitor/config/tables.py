"""What tables have in common: they are frozen, and what is asked has limits, a price and, being a model, an address."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from monitor.config.fields import (
    Duration,
    ModelName,
    NotNegative,
    Params,
    Positive,
    PositiveDuration,
    Secret,
    WebAddress,
)

Concurrency = Annotated[int, Field(strict=True, ge=1, le=1024)]


class Table(BaseModel):
    """A table of the configuration: frozen, and an unknown key is a fault."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Price(Table):
    """USD per million tokens. `cached_input`: of input that the provider read from its cache; None: as other input."""

    input: NotNegative
    output: NotNegative
    cached_input: NotNegative | None = None


class AskedTable(Table):
    """What holds for everything that is asked: how much at a time, how long, and what it costs."""

    concurrency: Concurrency = 8
    requests_per_minute: Positive | None = None
    tokens_per_minute: Positive | None = None
    timeout: PositiveDuration = timedelta(seconds=60)
    retry_for: Duration = timedelta(minutes=5)
    price: Price | None = None


class ModelTable(AskedTable):
    """A chat model at a provider."""

    model: ModelName
    base_url: WebAddress | None = None
    api_key: Secret | None = None
    params: Params = Field(default_factory=dict)
