"""The tables of the judges: which models judge, and which of them form the panel."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from monitor.config.fields import Text
from monitor.config.tables import ModelTable, Table


class JudgeConfig(ModelTable):
    """`[judges.NAME]`: a chat model that judges. What it is asked is the rubrics' business."""

    provider: Literal["openai", "anthropic"]


class Judging(Table):
    """`[judging]`: the panel (an odd number of judges; empty where no suite has a rubric) and how it is checked.

    `anchors`: baseline answers a case that each run judges again. `canaries`: answers of known verdict, a kind.
    """

    panel: Annotated[tuple[Text, ...], Field(min_length=1)] = ()
    anchors: Annotated[int, Field(strict=True, ge=1, le=1000)] = 8
    min_kappa_for_rollback: Annotated[float, Field(strict=True, ge=0.0, le=1.0, allow_inf_nan=False)] = 0.4
    canaries: Annotated[int, Field(strict=True, ge=20, le=200)] = 60
