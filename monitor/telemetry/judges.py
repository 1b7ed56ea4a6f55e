"""What a scrape says of the judges: whether they changed, can be trusted, agree with people, and leave answers out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from prometheus_client.metrics_core import Metric

from monitor.store.calibrations import PANEL
from monitor.telemetry.family import gauge

if TYPE_CHECKING:
    from monitor.config.models import Config
    from monitor.telemetry.snapshot import SiteState

OF_JUDGE = ("judge", "rubric")
# By (judge, rubric).
ByJudge = dict[tuple[str, str], float]


def agreements(config: Config, kappas: Mapping[tuple[str, str, str], float | None]) -> ByJudge:
    """Agreement with people of each panel as it is now; `kappas` as the store gives them.

    A panel of several goes by the names of its judges, joined by +, beside each of them. Where several suites have the
    rubric, the lowest counts. Another model, prompt or rubric has not been calibrated before somebody does it.
    """
    if not kappas:
        return {}
    from monitor.judging.configured import rubric_scorers

    names = {PANEL: "+".join(config.judging.panel), **{name: name for name in config.judging.panel}}
    found: ByJudge = {}
    for suite, table in config.suites.items():
        for scorer in rubric_scorers(table, config).values():
            for stored, shown in names.items():
                kappa = kappas.get((suite, scorer.key, stored))
                if kappa is not None:
                    key = shown, scorer.name
                    found[key] = min(kappa, found.get(key, kappa))
    return found


def judge_families(
    fresh: Sequence[SiteState], suites: Mapping[str, Sequence[str]], panel: Sequence[str], kappas: ByJudge
) -> Iterator[Metric]:
    """The metrics of judges, from the verdicts that count now; `suites`: the rubrics of each, `panel`: its judges."""
    seen = [
        (one, said)
        for one in sorted(fresh, key=lambda one: str(one.standing.payload["finished_at"]))
        if (said := one.standing.payload.get("judge")) is not None and suites.get(one.standing.suite)
    ]
    shifts: ByJudge = {}
    trusted: ByJudge = {}
    for site, said in seen:
        for one in said["judges"]:
            key = one["judge"], one["rubric"]
            if one["judge"] not in panel or one["rubric"] not in suites[site.standing.suite]:
                continue
            points = (one["shift"] or {}).get("points")
            if points is not None:
                shifts[key] = points
            if one["untrusted"] is not None or said.get("watched"):
                trusted[key] = min(float(one["untrusted"] is None), trusted.get(key, 1.0))
    yield gauge(
        "heldout_judge_shift_points",
        "How many points of 100 more (negative: fewer) a judge gives the answers of deployment now than it did then, "
        "as of the newest verdict that knows.",
        OF_JUDGE,
        list(shifts.items()),
    )
    yield gauge(
        "heldout_judge_kappa",
        "Agreement of a judge with people (Cohen's kappa, at most 1) by its newest calibration: of several suites the "
        "lowest, of a panel of several judges also that of their majority. Missing for what was never calibrated.",
        OF_JUDGE,
        list(kappas.items()),
    )
    yield gauge(
        "heldout_judge_trusted",
        "1 where a judge knew the answers whose verdict is known, 0 where it did not and its scores do not count.",
        OF_JUDGE,
        list(trusted.items()),
    )
    yield gauge(
        "heldout_judge_unscored_ratio",
        "Share of the answers, from 0 to 1, that the judges gave no score.",
        ("target", "suite"),
        [(site.labels, _number(said["unscored"])) for site, said in seen],
    )


def _number(value: Any) -> float | None:
    return None if value is None else float(value)
