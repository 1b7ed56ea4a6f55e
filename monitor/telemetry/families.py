"""The metrics by name, with what each means: the contract's, and a few that its alerting rules need.

A number that is unknown has no sample. Gauges are about what is configured now, counters about all of history. Several
daemons on one database show the same numbers: aggregate over instances by `max`, never by `sum`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from prometheus_client.metrics_core import Metric

from monitor import __version__
from monitor.domain.run import RunKind
from monitor.domain.verdict import Level
from monitor.store.answers import OF_JUDGES
from monitor.store.usage import ANSWERED, JUDGED, RETRIED, Used
from monitor.store.verdicts import Measured
from monitor.telemetry.family import Sample, counter, gauge
from monitor.telemetry.judges import judge_families
from monitor.telemetry.snapshot import SiteState, Snapshot

# A process that holds the runner's lease gives a sign of life every few seconds; one that was killed gives none.
ALIVE_FOR = timedelta(minutes=2)
SITE = ("target", "suite")


def about(working: bool) -> Iterator[Metric]:
    """What is known even without the database: the version, and whether the database can be read."""
    yield gauge(
        "heldout_build_info", "Always 1; the label says which version runs.", ("version",), [([__version__], 1)]
    )
    yield gauge(
        "heldout_database_up",
        "1 where the database could be read for this scrape, else 0, and all other numbers are missing.",
        (),
        [((), float(working))],
    )


def families(seen: Snapshot) -> Iterator[Metric]:
    """Every metric that is computed from the database."""
    fresh = [one for one in seen.sites if not one.standing.payload["stale"]]
    yield from _verdicts(fresh, seen.sites)
    yield from judge_families(fresh, seen.rubrics, seen.panel, seen.kappas)
    yield from _runs(seen)
    yield from _used(seen)
    yield from _deliveries(seen)
    yield from _daemon(seen)


def _verdicts(fresh: Sequence[SiteState], every: Sequence[SiteState]) -> Iterator[Metric]:
    yield gauge(
        "heldout_verdict",
        "1 for the verdict that counts now and 0 for the other three; without a verdict of the last 8 days that is "
        "inconclusive.",
        (*SITE, "verdict"),
        [((*one.labels, level.value), float(one.standing.level is level)) for one in every for level in Level],
    )
    yield gauge(
        "heldout_score",
        "Score from 0 (all wrong) to 1 (all right): the headline, on which the verdict stands, and each scorer's mean "
        "over the same cases.",
        (*SITE, "scorer"),
        [
            ((*one.labels, scorer), value)
            for one in fresh
            for scorer, value in {
                "headline": one.standing.payload["score"],
                # Verdicts of the first version hold no means.
                **one.standing.payload.get("scores", {}),
            }.items()
        ],
    )
    yield gauge(
        "heldout_baseline_score",
        "Score at deployment from 0 to 1, over the cases that are compared.",
        SITE,
        [(one.labels, one.standing.payload["baseline_score"]) for one in fresh],
    )
    yield gauge(
        "heldout_drop_points",
        "How far the score is below that of deployment, in points of 100: the estimate, and both ends of its 95% "
        "interval.",
        (*SITE, "bound"),
        [
            ((*one.labels, bound), (one.standing.payload["drop"] or {}).get(key))
            for one in fresh
            for bound, key in (("estimate", "points"), ("low", "low"), ("high", "high"))
        ],
    )
    yield gauge(
        "heldout_threshold_points",
        "From which drop on, in points of 100, the verdict is to investigate or to roll back.",
        (*SITE, "verdict"),
        [((*one.labels, name), _threshold(one, name)) for one in fresh for name in ("investigate", "rollback")],
    )


def _threshold(site: SiteState, name: str) -> float | None:
    table, baseline = site.standing.payload["thresholds"], site.standing.payload["baseline_score"]
    if table["unit"] == "points":
        return float(table[name])
    # In percent of the baseline's score.
    return None if baseline is None else float(table[name]) * float(baseline)


def _runs(seen: Snapshot) -> Iterator[Metric]:
    scheduled = [one for one in seen.sites if one.scheduled]
    yield gauge(
        "heldout_run_last_success_timestamp_seconds",
        "Unix time when the last run that really measured the target came to its end; one that its provider, its "
        "budget or a missing baseline kept from it does not count.",
        SITE,
        [(one.labels, _time(one.measured.ended if one.measured else None)) for one in seen.sites],
    )
    yield gauge(
        "heldout_run_duration_seconds",
        "How long that run took from its beginning to its end, in seconds, waits between stages included.",
        SITE,
        [(one.labels, _duration(one.measured)) for one in seen.sites],
    )
    yield gauge(
        "heldout_run_next_slot_timestamp_seconds",
        "Unix time of the next slot; only for what the schedule measures.",
        SITE,
        [(one.labels, _time(seen.next_slot)) for one in scheduled],
    )
    yield gauge(
        "heldout_slots_missed",
        "Slots of the schedule that nobody was there for and that have not been filled in since.",
        SITE,
        [(one.labels, one.missed.slots if one.missed else 0) for one in scheduled],
    )
    yield gauge(
        "heldout_slot_missed_last_timestamp_seconds",
        "Unix time when a slot was last found to have been missed.",
        SITE,
        [(one.labels, _time(one.missed.recorded_at if one.missed else None)) for one in scheduled],
    )


def _duration(measured: Measured | None) -> float | None:
    return None if measured is None else max(0.0, (measured.ended - measured.began).total_seconds())


def _used(seen: Snapshot) -> Iterator[Metric]:
    judged = list(dict.fromkeys(site.standing.target for site in seen.sites if seen.rubrics.get(site.standing.suite)))
    # From 0 on for what is configured: the increase of a counter that appears with its first value is not seen.
    none: list[Sample] = [((target, outcome), 0) for target in seen.targets for outcome in (ANSWERED, RETRIED)]
    none += [((target, JUDGED), 0) for target in judged]
    yield counter(
        "heldout_calls",
        "Calls to the target by what became of them: answered, retried (failed, but the question was answered in the "
        "end), or the kind of failure that the question ended with. Calls to judges, retries included, are judged, or "
        "begin with judge_ where they failed.",
        ("target", "outcome"),
        [*none, *(((one.target, one.outcome), one.calls) for one in seen.used)],
    )
    none = [((target, kind), 0) for target in seen.targets for kind in ("input", "output")]
    none += [((target, f"{OF_JUDGES}{kind}"), 0) for target in judged for kind in ("input", "output")]
    whose = {True: OF_JUDGES, False: ""}
    given: list[Sample] = [((one.target, f"{whose[_judges(one)]}input"), one.input_tokens) for one in seen.used]
    made: list[Sample] = [((one.target, f"{whose[_judges(one)]}output"), one.output_tokens) for one in seen.used]
    yield counter(
        "heldout_tokens",
        "Tokens of answered questions as the provider counted them: the target's own, and as judge_input and "
        "judge_output those of its judges. A provider that counts none has 0.",
        ("target", "kind"),
        [*none, *given, *made],
    )
    yield counter(
        "heldout_cost_usd",
        "What calls have cost in USD: those to judges as judge, the target's own by what the run was for (baseline, "
        "week, adhoc, or reference for a fallback). Missing where no price is configured.",
        ("target", "purpose"),
        [((one.target, RunKind.JUDGE.value if _judges(one) else one.kind), one.usd) for one in seen.used],
    )
    month = [one.usd_since for one in seen.used if one.usd_since is not None]
    yield gauge(
        "heldout_month_cost_usd",
        "What the runs that began in this calendar month (UTC) have cost in USD. Missing where nothing was priced.",
        (),
        [((), math.fsum(month) if month else None)],
    )
    yield gauge(
        "heldout_month_cost_cap_usd",
        "The configured cap in USD a calendar month; a run that would pass it ends without measuring.",
        (),
        [((), seen.monthly_cap)],
    )


def _judges(used: Used) -> bool:
    """Whether it was used by judges, and not by the target."""
    return used.outcome == JUDGED or used.outcome.startswith(OF_JUDGES)


_OUTCOMES = ("sent", "failed", "dropped")


def _deliveries(seen: Snapshot) -> Iterator[Metric]:
    none: list[Sample] = [((channel, outcome), 0) for channel in seen.channels for outcome in _OUTCOMES]
    sent: list[Sample] = [((one.channel, "sent"), one.sent) for one in seen.deliveries]
    failed: list[Sample] = [((one.channel, "failed"), one.failed) for one in seen.deliveries]
    dropped: list[Sample] = [((one.channel, "dropped"), one.dropped) for one in seen.deliveries]
    yield counter(
        "heldout_deliveries",
        "Attempts to deliver a message, which sent it or failed and are made again, and messages that were dropped.",
        ("channel", "outcome"),
        [*none, *sent, *failed, *dropped],
    )
    yield gauge(
        "heldout_outbox_pending",
        "Messages that are written and not delivered yet.",
        (),
        [((), sum(one.waiting for one in seen.deliveries))],
    )
    oldest = [one.oldest for one in seen.deliveries if one.oldest is not None]
    yield gauge(
        "heldout_outbox_oldest_timestamp_seconds",
        "Unix time when the oldest of the messages that wait was written. Missing where none waits.",
        (),
        [((), _time(min(oldest, default=None)))],
    )


def _daemon(seen: Snapshot) -> Iterator[Metric]:
    yield gauge(
        "heldout_scheduler_last_tick_timestamp_seconds",
        "Unix time when a daemon last looked what is due; that is every 15 seconds.",
        (),
        [((), _time(seen.leader.worked_at))],
    )
    alive = seen.runner.beat_at is not None and seen.now - seen.runner.beat_at <= ALIVE_FOR
    yield gauge(
        "heldout_run_in_progress",
        "1 while a process is asking targets, else 0.",
        (),
        [((), float(seen.runner.holder is not None and alive))],
    )
    yield gauge(
        "heldout_run_last_answer_timestamp_seconds",
        "Unix time when any run last got an answer from a target.",
        (),
        [((), _time(seen.runner.worked_at))],
    )


def _time(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()
