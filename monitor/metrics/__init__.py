"""Metrics: pure functions that score an answer against a case, in one plain dict by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monitor.metrics.choice import choice_plan
from monitor.metrics.metric import Metric, MetricError, Option, Recipe, make, not_negative, one_of, switch, unknown
from monitor.metrics.numeric import numeric_plan
from monitor.metrics.overlap import bleu_plan, chrf_plan, no_stemmer, rouge_1_plan, rouge_2_plan, rouge_l_plan
from monitor.metrics.pattern import parse_pattern, regex_plan
from monitor.metrics.structure import json_match_plan
from monitor.metrics.text import contains_plan, exact_match_plan, f1_plan

__all__ = ["METRICS", "Metric", "MetricError", "build_metric"]

_STRICT = {"strict": Option(default=False, parse=switch)}
_STEMMER = {"stemmer": Option(default=False, parse=no_stemmer)}

METRICS: dict[str, Recipe] = {
    "exact_match": Recipe(exact_match_plan, _STRICT),
    "contains": Recipe(contains_plan, _STRICT),
    "regex": Recipe(
        regex_plan,
        {"pattern": Option(default=None, parse=parse_pattern), "ignore_case": Option(default=False, parse=switch)},
    ),
    "f1": Recipe(f1_plan),
    "rouge_1": Recipe(rouge_1_plan, _STEMMER),
    "rouge_2": Recipe(rouge_2_plan, _STEMMER),
    "rouge_l": Recipe(rouge_l_plan, _STEMMER),
    "bleu": Recipe(bleu_plan),
    "chrf": Recipe(chrf_plan),
    "numeric": Recipe(
        numeric_plan,
        {
            "tolerance": Option(default=0.0, parse=not_negative),
            "absolute": Option(default=0.0, parse=not_negative),
            "decimal": Option(default=".", parse=one_of(".", ",")),
        },
    ),
    "json_match": Recipe(json_match_plan, _STRICT),
    "choice": Recipe(choice_plan),
}


def build_metric(name: str, options: Mapping[str, Any]) -> Metric:
    """The metric `name` with `options`; MetricError, naming metric, option and remedy, where it cannot be built."""
    recipe = METRICS.get(name)
    if recipe is None:
        raise unknown(name, METRICS)
    return make(name, recipe, options)
