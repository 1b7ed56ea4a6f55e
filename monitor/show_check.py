"""What `heldout check` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitor.domain.words import counted
from monitor.show import json_out, line, remedy, smallest_drops
from monitor.show_judge import money

if TYPE_CHECKING:
    from monitor.check import Expectation, Report
    from monitor.check_fallback import FallbackExpected
    from monitor.check_judges import JudgesExpected
    from monitor.judging.forecast import Cost


def report(found: Report, *, as_json: bool, offline: bool) -> None:
    """What `heldout check` found."""
    if as_json:
        json_out(found.as_json())
        return
    for name, weak in found.suites.items():
        line(f"Suite {name}: {counted(len(weak), 'warning') if weak else 'healthy'}", colour=None if weak else "green")
        for weakness in weak:
            line(f"! {weakness}", colour="yellow", indent=2)
    for name, expected in found.expectations.items():
        line(name)
        expectation(expected)
    for name, answered in {**found.answered, **found.channels}.items():
        line(f"✓ {name}: {answered}", colour="green")
    for warning in found.warnings:
        line(f"! {warning}", colour="yellow")
    for problem in (*found.faults, *found.failures):
        line(f"✗ {problem}", colour="red", err=True)
    if not found.faults and not found.failures:
        line(
            "Nothing was asked (--offline); the configuration is sound." if offline else "Everything answers.",
            colour="green",
        )


def expectation(expected: Expectation) -> None:
    """What a week will find and cost."""
    source = "a typical baseline (none is pinned yet)" if expected.assumed else "its baseline"
    usd = "" if expected.answers_usd_a_week is None else f", {expected.answers_usd_a_week:.2f} USD"
    line(f"By {source}, {expected.baseline_repeats} answers to each of {expected.cases} cases:", indent=2)
    line(f"a drop of {smallest_drops(expected.smallest, expected.unit)} is found 95 times in 100;", indent=4)
    line(
        f"a week without a change takes {expected.answers_a_case:g} "
        f"{'answer' if expected.answers_a_case == 1 else 'answers'} a case, {expected.calls_a_week} calls{usd} "
        f"(at most {expected.most_calls_a_week} calls);",
        indent=4,
    )
    if expected.judging is not None:
        judges(expected.judging)
    if expected.fallback is not None:
        fallback(expected.fallback)
    line(
        f"false investigations a year: {expected.false_investigations_a_year:g} simulated, {expected.bound:g} at most.",
        indent=4,
    )
    if expected.assumed:
        cost = "" if expected.baseline_usd is None else f", about {expected.baseline_usd:.2f} USD"
        judged = f" and up to {expected.judging.baseline.calls} of judges" if expected.judging else ""
        line(f"Collecting that baseline takes {expected.baseline_calls} calls{judged}{cost}.", indent=4)
    if not expected.cap_reachable:
        line(remedy(expected.baseline_that_would_do, expected.cases_that_would_do), colour="yellow", indent=4)


def fallback(expected: FallbackExpected) -> None:
    """What a week will take of what may serve instead."""
    usd = "" if expected.usd_a_week is None else f", {money(expected.usd_a_week)} in all"
    judged = f" and up to {expected.judge_calls} of judges" if expected.judge_calls else ""
    line(
        f"its fallback {expected.target} is asked as often beside it: {expected.calls_a_week} calls{judged}{usd} "
        f"(at most {expected.most_calls_a_week} calls);",
        indent=4,
    )


def judges(expected: JudgesExpected) -> None:
    """What a week will take of judges."""

    def of(what: str, cost: Cost) -> str:
        return f"{cost.calls} {what}" + ("" if cost.usd is None else f" ({money(cost.usd)})")

    line(
        f"of judges it takes up to {expected.week.calls} calls: {of('on its answers', expected.judgements)}, "
        f"{of('on answers of deployment again (anchors)', expected.anchors)}, "
        f"{of('on answers whose verdict is known (canaries)', expected.canaries)}; "
        f"at most {expected.most_calls} calls;",
        indent=4,
    )
