"""The rubrics of a suite with the panel, as the configuration has them now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitor.domain.judgement import Juror
from monitor.judging.scorer import RubricScorer
from monitor.targets.build import judge_fingerprint

if TYPE_CHECKING:
    from monitor.config.models import Config, SuiteConfig


def rubric_scorers(table: SuiteConfig, config: Config) -> dict[str, RubricScorer]:
    """By the rubric's name; empty for a suite that no judge has a part in."""
    panel = tuple(Juror(name, judge_fingerprint(name, config)) for name in config.judging.panel)
    return {ref.name: RubricScorer(ref.rubric, panel) for ref in table.rubrics}
