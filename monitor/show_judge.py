"""What `heldout judge` prints, but for calibrations."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from monitor.domain.words import counted, signed
from monitor.show import json_out, line, plain

if TYPE_CHECKING:
    from monitor.judge_bias import OfRubric
    from monitor.judge_bridge import Bridge, Contrast
    from monitor.judge_check import Checked, JudgeCheck
    from monitor.judge_lint import Linted
    from monitor.judge_run import JudgeOffer
    from monitor.judging.forecast import Cost


def linted(found: Sequence[Linted], *, as_json: bool) -> None:
    """What is weak about rubrics: a finding a line, so that other programs find the place."""
    if as_json:
        json_out({"schema": 1, "rubrics": [one.as_json() for one in found]})
        return
    for one in found:
        for finding in one.findings:
            row(str(finding), colour="red" if finding.level.value == "refuse" else "yellow")
        if not one.findings:
            line(f"✓ {one.file}: {counted(len(one.rubric.criteria), 'question')}, nothing to mend.", colour="green")


def row(text: str, *, colour: str | None = None) -> None:
    """One line that is never wrapped: of a table, or for programs that look for places in files."""
    typer.secho(plain(text), fg=None if "NO_COLOR" in os.environ else colour)


def offer(offered: JudgeOffer) -> None:
    """What asking judges will cost, before anything is spent."""
    line(f"{offered.what} takes up to {counted(offered.cost.calls, 'call')} of judges, {usd(offered.cost)}:", err=True)
    for what, cost in offered.parts:
        line(f"{what}: {counted(cost.calls, 'call')}", indent=2, err=True)


def usd(cost: Cost) -> str:
    """A cost in USD, in words."""
    return "for an unknown sum (no price)" if cost.usd is None else f"for {money(cost.usd, 'about ')}"


def money(value: float, about: str = "") -> str:
    """USD, in words."""
    return "less than 0.01 USD" if 0 < value < 0.01 else f"{about}{value:.2f} USD"


def spent(calls: int, cost: float | None) -> str:
    """What was spent, in USD."""
    return counted(calls, "call") + ("" if cost is None else f", {money(cost)}")


def checked(found: Sequence[JudgeCheck], *, as_json: bool) -> None:
    """Whether judges are still what they were."""
    if as_json:
        json_out({"schema": 1, "checks": [one.as_json() for one in found]})
        return
    for one in found:
        line(f"{one.target} · {one.suite}")
        for judge in one.judges:
            _checked(judge)
        if one.halt is not None:
            line(f"✗ {one.halt.message} The same command goes on with it.", colour="red", indent=2)
        line(f"{spent(one.calls, one.usd)}. Run {one.run}.", indent=2)
    if any(one.changed for one in found):
        line("No alert is raised by this: the next scheduled run looks again, and tells everybody.")


def _checked(one: Checked) -> None:
    seen, name = one.seen, f"{one.seen.judge} with {one.seen.rubric}"
    if seen.untrusted is not None:
        line(f"✗ {name} cannot be trusted: {seen.untrusted}.", colour="red", indent=2)
    elif one.missing is not None:
        line(f"? {name}: {one.missing}.", colour="yellow", indent=2)
    elif seen.moved:
        line(f"! {name} has changed.", colour="bright_yellow", indent=2)
    elif seen.models is not None:
        line(
            f"! {name}: another model answers now; as far as can be told, its verdicts hold.",
            colour="bright_yellow",
            indent=2,
        )
    else:
        line(
            f"✓ {name}: its verdicts on known answers and on the answers of deployment hold.", colour="green", indent=2
        )
    if seen.judged and seen.points is not None:
        reach = (
            ""
            if seen.low is None or seen.high is None
            else f" (95% interval {signed(seen.low)} to {signed(seen.high)})"
        )
        line(
            f"It gives {counted(seen.judged, 'stored answer')} {abs(seen.points):.1f} points "
            f"{'fewer' if seen.points < 0 else 'more'}{reach}: {seen.up} score "
            f"higher than at deployment, {seen.down} lower ({100 * (one.churn or 0.0):.1f}% differ; sign test "
            f"p = {seen.p:.2g}).",
            indent=4,
        )
    if one.then or one.now:
        then, now = (", ".join(names) or "not reported" for names in (one.then, one.now))
        line(f"Its model was reported as {now}" + ("." if then == now else f"; at deployment: {then}."), indent=4)
    agreement = (
        "was never compared with people's" if seen.kappa is None else f"agrees with people's by kappa {seen.kappa:.2f}"
    )
    line(f"Its judgement {agreement}.", indent=4)


def bridged(found: Bridge, *, as_json: bool) -> None:
    """A baseline that today's judges have judged, and what that changed."""
    if as_json:
        json_out(found.as_json())
        return
    name = f"{found.target} · {found.suite}"
    if found.idle:
        line(f"{name}: nothing to do; today's judges have judged the answers of deployment already.")
    else:
        line(f"{name}: today's judges have judged the answers of deployment; {spent(found.calls, found.usd)}.")
    for one in found.rubrics:
        for contrast in one.contrasts:
            _contrast(one.rubric, contrast)
        if one.judged and not one.contrasts:
            line(f"{one.rubric}: {counted(one.judged, 'answer')}; no earlier judge had scored them.", indent=2)
        for weak in one.weak:
            line(f"! {weak}", colour="yellow", indent=2)


def _contrast(rubric: str, one: Contrast) -> None:
    reach = "" if one.low is None or one.high is None else f" (95% interval {signed(one.low)} to {signed(one.high)})"
    line(
        f"{rubric}: the different answers of deployment, {one.answers:,} in number, score {100 * one.now:.1f} by "
        f"today's judges and {100 * one.then:.1f} by those before them: {signed(one.points)} points{reach}, {one.up} "
        f"higher and {one.down} lower.",
        indent=2,
    )


def biases(found: Sequence[OfRubric], *, as_json: bool) -> None:
    """Whether scores follow what they should not."""
    if as_json:
        json_out({"schema": 1, "biases": [one.as_json() for one in found]})
        return
    for one in found:
        line(f"{one.suite} · {one.rubric}: {counted(one.judgements, 'judgement')} of {', '.join(one.targets)}")
        report = one.report
        # A judge alone is its panel.
        length = [effect for name, effect in report.length.items() if name == "panel" or len(report.length) > 2]
        effects = [*length, *report.position.values(), report.own_family]
        for effect in effects:
            line(f"{'!' if effect.visible else '·'} {effect.sentence}", indent=2)
    if not found:
        line("No judgement of an answer is stored yet; `heldout baseline collect` or `heldout run` makes some.")
