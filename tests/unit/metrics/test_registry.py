"""Building metrics: names, options, keys, faults, and how several acceptable outputs become one score."""

from __future__ import annotations

import pickle
import subprocess
import sys

import pytest

from monitor.domain.case import Case
from monitor.metrics import METRICS, MetricError, build_metric

NAMES = {
    "exact_match", "contains", "regex", "f1", "rouge_1", "rouge_2", "rouge_l", "bleu", "chrf", "numeric", "json_match",
    "choice",
}  # fmt: skip


def test_the_registry_holds_the_metrics_of_the_contract() -> None:
    assert set(METRICS) == NAMES


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("rouge-l", {}, 'unknown metric "rouge-l"; did you mean "rouge_l"?'),
        ("exact", {}, 'did you mean "exact_match"?'),
        ("qqqq", {}, 'unknown metric "qqqq" The metrics are: bleu, '),
        ("numeric", {"tolerence": 0.01}, 'metric "numeric": unknown option "tolerence"; did you mean "tolerance"?'),
        ("numeric", {"zzz": 1}, "It takes: absolute, decimal, tolerance"),
        ("numeric", {"tolerance": "1%"}, "option \"tolerance\" must be a number, 0 or more, not '1%'"),
        ("numeric", {"tolerance": -0.1}, "must be a number, 0 or more, not -0.1"),
        ("numeric", {"tolerance": True}, "must be a number, 0 or more, not True"),
        ("numeric", {"absolute": float("nan")}, 'option "absolute" must be a number'),
        ("numeric", {"absolute": float("inf")}, 'option "absolute" must be a number'),
        ("numeric", {"decimal": ";"}, 'option "decimal" must be one of ".", ","'),
        ("exact_match", {"strict": 1}, 'option "strict" must be true or false, not 1'),
        ("bleu", {"lowercase": True}, 'metric "bleu": unknown option "lowercase"; it takes no options'),
        ("rouge_l", {"stemmer": True}, 'option "stemmer" is not in this version'),
        ("regex", {"pattern": "("}, 'metric "regex": option "pattern" is not a valid pattern: missing )'),
        ("regex", {"pattern": ""}, 'option "pattern" must be a pattern in quotes'),
        ("regex", {"pattern": r"\p{Lu}"}, "bad escape"),
        ("regex", {"pattern": "[[:alpha:]]"}, "Possible nested set"),
    ],
)
def test_a_bad_name_or_option_is_refused_with_its_place_and_remedy(
    name: str, options: dict[str, object], says: str
) -> None:
    with pytest.raises(MetricError) as caught:
        build_metric(name, options)
    assert says in str(caught.value)
    assert caught.value.permanent


@pytest.mark.parametrize(
    ("name", "options", "key"),
    [
        ("exact_match", {}, "exact_match"),
        ("exact_match", {"strict": False}, "exact_match"),
        ("exact_match", {"strict": True}, "exact_match(strict=true)"),
        ("numeric", {"tolerance": 0.01}, "numeric(tolerance=0.01)"),
        ("numeric", {"tolerance": 1, "absolute": 1.0}, "numeric(absolute=1.0,tolerance=1.0)"),
        ("regex", {"pattern": "é+", "ignore_case": True}, r'regex(ignore_case=true,pattern="\u00e9+")'),
        ("rouge_l", {"stemmer": False}, "rouge_l"),
    ],
)
def test_a_key_tells_the_name_and_the_options_that_differ_from_the_defaults(
    name: str, options: dict[str, object], key: str
) -> None:
    metric = build_metric(name, options)
    assert (metric.name, metric.key) == (name, key)


@pytest.mark.parametrize("name", sorted(NAMES))
def test_a_case_without_an_expected_output_is_unscored_with_the_reason(name: str) -> None:
    metric = build_metric(name, {})
    empty = Case("c", "What?", None, ("Danube", "Elbe"))
    assert metric.fault(empty) == f"{name}: the case has no expected output; add `expected` to it"
    score = metric("Danube", empty)
    assert (score.value, score.reason) == (None, metric.fault(empty))


@pytest.mark.parametrize(
    ("name", "answer", "expected", "best"),
    [
        ("exact_match", "Donau", ["Danube", "Donau"], 1.0),
        ("f1", "river Danube", ["Elbe", "Danube"], 2 / 3),
        ("rouge_l", "the Donau", ["the Danube", "the Donau"], 1.0),
        ("bleu", "the river Donau runs", ["x", "the river Donau runs"], 1.0),
        ("chrf", "Donau", ["Danube", "Donau"], 1.0),
        ("numeric", "7", ["5", "7"], 1.0),
        ("json_match", "[2]", ["[1]", "[2]"], 1.0),
        ("regex", "Donau", ["^Dan", "^Don"], 1.0),
    ],
)
def test_of_several_acceptable_outputs_the_best_counts(
    name: str, answer: str, expected: list[str], best: float
) -> None:
    assert build_metric(name, {})(answer, Case("c", "?", expected)).value == pytest.approx(best, abs=1e-12)


@pytest.mark.parametrize("name", sorted(NAMES - {"choice"}))
def test_a_metric_survives_pickling_so_that_workers_elsewhere_can_score(name: str) -> None:
    case = Case("c", "?", "17")
    metric = build_metric(name, {})
    if name == "rouge_2":
        case = Case("c", "?", "17 4")
    again = pickle.loads(pickle.dumps(metric))
    assert again == metric
    assert again(case.acceptable[0], case) == metric(case.acceptable[0], case)
    assert again(case.acceptable[0], case).value == 1.0


def test_the_package_imports_no_heavy_library_until_a_metric_scores_with_it() -> None:
    program = (
        "import sys, monitor.metrics as m; m.build_metric('exact_match', {}); heavy = "
        "('sacrebleu', 'rapidfuzz', 'regex', 'numpy', 'sqlalchemy', 'asyncio', 'httpx'); "
        "print([x for x in heavy if x in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]", done.stderr
