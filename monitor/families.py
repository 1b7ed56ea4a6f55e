"""Which family of models the configured targets and judges belong to: a judge may favour its own."""

from __future__ import annotations

from judges.family import UNKNOWN, family
from monitor.config.models import Config
from monitor.site import Site


def of_site(config: Config, site: Site) -> str:
    """The family of the model that answers in the end; unknown where no name of a model is configured."""
    if site.requested_model is None:
        return UNKNOWN
    table = config.targets[site.target]
    if table.provider == "rag":
        table = config.targets[table.generator]
    return family(table.provider, site.requested_model)


def of_judge(config: Config, judge: str) -> str:
    """The family of a judge's model."""
    table = config.judges[judge]
    return family(table.provider, table.model)
