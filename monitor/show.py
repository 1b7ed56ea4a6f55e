"""What the command prints: lines for people, or JSON on standard output and nothing else."""

from __future__ import annotations

import json
import os
import shutil
import textwrap
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import typer

from monitor.domain.verdict import instant
from monitor.domain.words import counted, fallback, signed, stamp

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from alerts.deliver import Tally
    from monitor.collect import Collected, Offer
    from monitor.decide.plan import Prospect
    from monitor.domain.run import Baseline
    from monitor.rounds import Round
    from monitor.site import Site
    from monitor.standing import Standing

COLOURS = {"pass": "green", "inconclusive": "yellow", "investigate": "bright_yellow", "rollback": "red"}
MARKS = {"pass": "✓", "inconclusive": "?", "investigate": "!", "rollback": "✗"}


def line(text: str = "", *, colour: str | None = None, indent: int = 0, err: bool = False) -> None:
    """A paragraph, wrapped to the terminal; what a model or provider said can neither colour nor move it."""
    width = max(40, min(110, shutil.get_terminal_size().columns))
    prefix = " " * indent
    wrapped = textwrap.fill(plain(text), width, initial_indent=prefix, subsequent_indent=prefix, break_long_words=False)
    typer.secho(wrapped, fg=None if "NO_COLOR" in os.environ else colour, err=err)


def plain(text: str) -> str:
    """`text` without control characters, escape sequences and marks that turn the reading direction."""
    return "".join(c if c == "\n" or _harmless(c) else "\ufffd" for c in text)


def _harmless(char: str) -> bool:
    return unicodedata.category(char) not in ("Cc", "Cf", "Cs")


def json_out(value: object) -> None:
    """A JSON value on standard output; what could move a terminal's cursor, or is no text at all, is escaped."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, indent=2)
    typer.echo("".join(c if c == "\n" or _harmless(c) else json.dumps(c)[1:-1] for c in text))


def round_(done: Round, broken: Sequence[str], *, as_json: bool, following: datetime | None) -> None:
    """What `heldout run` did; `broken` says what stopped some of it, a fault a line."""
    failed = [*done.failed, *broken]
    if as_json:
        json_out({"schema": 1, "verdicts": [one.verdict.as_json() for one in done.done], "failed": failed})
    else:
        for one in done.done:
            verdict(one.verdict.as_json())
            if one.run.due_at is not None:
                line(f"It goes on at {stamp(one.run.due_at)}, with `heldout run --due`.", indent=2)
        for batch in done.collected:
            collected(batch, as_json=False)
    for failure in failed:
        for part in failure.split("\n"):
            line(part, colour="red", err=True)
    for reason in done.idle:
        line(f"Nothing to do for {reason}.", err=as_json)
    if following is not None:
        line(f"The next slot is {stamp(following)}; an hourly `heldout run --due` takes it.", err=as_json)


def verdict(payload: Mapping[str, Any]) -> None:
    """One verdict, from the contract's JSON object."""
    level = payload["verdict"]
    stage = "" if payload["stage"] == "final" else f" ({payload['stage']})"
    line(f"{MARKS[level]} {level.upper()}{stage}  {payload['target']} · {payload['suite']}", colour=COLOURS[level])
    # The reasons of a final verdict say the drop themselves.
    line(scores(payload, drop=payload["stage"] != "final"), indent=2)
    for reason in payload["reasons"]:
        line(reason, indent=2)
    if payload["fallback"] is not None:
        line(f"Fallback {payload['fallback']['target']}: {fallback(payload['fallback'])}", indent=2)
    error = (payload["drop"] or {}).get("new_case_se")
    if error:
        line(f"For new cases like these it would vary by ±{1.96 * error:.1f} points more.", indent=2)
    usd = "" if payload["usd"] is None else f", {payload['usd']:.2f} USD"
    slot = f", slot {payload['slot']}" if payload["slot"] else ""
    if payload["run"]:
        said = ", ".join(
            (
                f"{counted(payload['answers'], 'answer')} to {counted(payload['cases'], 'case')}",
                counted(payload["calls"], "call"),
            )
        )
        line(f"{said}{usd}.", indent=2)
        line(f"Run {payload['run']}{slot}.", indent=2)


def scores(payload: Mapping[str, Any], *, drop: bool = True) -> str:
    """Score and baseline in one sentence, with the drop where it is wanted."""
    if payload["score"] is None:
        return "No score."
    text = f"Score {100 * payload['score']:.1f}"
    if payload["baseline_score"] is not None:
        text += f", {100 * payload['baseline_score']:.1f} at deployment"
    measured = payload["drop"]
    if drop and measured is not None and measured["points"] is not None:
        text += f": drop {signed(measured['points'])} points"
        if measured["low"] is not None:
            text += f", 95% interval {signed(measured['low'])} to {signed(measured['high'])}"
    return f"{text}."


def delivered(sent: Tally) -> None:
    """What went out, and what did not."""
    if sent.sent:
        line(f"{counted(sent.sent, 'alert')} delivered.", err=True)
    for problem in sent.problems:
        line(f"Not delivered yet: {problem}", colour="yellow", err=True)


def gate(found: Standing, *, as_json: bool) -> None:
    """The verdict that the exit code stands for."""
    if as_json:
        json_out(found.payload)
    else:
        verdict(found.payload)


def status(
    found: Sequence[Standing], waiting: Sequence[str], following: datetime | None, *, as_json: bool, database: str = ""
) -> None:
    """One line a target and suite, and which database says so."""
    if as_json:
        json_out({"schema": 1, "verdicts": [one.payload for one in found], "undelivered": list(waiting)})
        return
    width = max((len(f"{one.target} · {one.suite}") for one in found), default=0)
    for one in found:
        when = one.payload["finished_at"] or "never measured"
        name = f"{one.target} · {one.suite}".ljust(width)
        stale = ", stale" if one.payload["stale"] and one.payload["finished_at"] else ""
        colour = None if "NO_COLOR" in os.environ else COLOURS[one.level.value]
        typer.secho(f"{MARKS[one.level.value]} {one.level.value:<12} ", fg=colour, nl=False)
        typer.echo(plain(f"{name}  {scores(one.payload)}  {when}{stale}"))
    for problem in waiting:
        line(problem, colour="yellow", err=True)
    if following is not None:
        line(f"Next slot: {stamp(following)}.", err=True)
    if database:
        line(database, err=True)


def undelivered(connection: Connection) -> list[str]:
    """A sentence for each kind of message that waits."""
    from monitor.store import outbox

    return [
        outbox.waiting(channel, state, counted(rows, "alert"), stamp(since), error)
        for channel, state, rows, since, error in outbox.undelivered(connection)
    ]


def offer(offered: Offer) -> None:
    """What collecting a baseline will cost, before anything is spent."""
    usd = (
        "free of charge"
        if offered.free
        else "for an unknown sum (no price)"
        if offered.usd is None
        else f"for about {offered.usd:.2f} USD"
    )
    what = "A baseline" if offered.final else "The pilot of a baseline"
    have = f" ({offered.stored} answers are stored already)" if offered.stored else ""
    judged = f", and up to {offered.judging.calls} of judges" if offered.judging.calls else ""
    if offered.open_alert:
        line(
            f"Its newest verdict is {offered.open_alert}, and a new baseline closes that alert: collect one only when "
            "what answers now is what you want to keep.",
            colour="yellow",
            err=True,
        )
    line(
        f"{what} of {offered.site.name}: {offered.answers_a_case} answers to each of {len(offered.site.scorable)} "
        f"cases, {offered.calls} calls{have}{judged}, {usd}.",
        err=True,
    )
    if not offered.final and not offered.free:
        line("Whether it takes more depends on how much these vary; what those cost is said first.", err=True)
    if offered.outlook is not None:
        unit = offered.outlook.plan.unit
        line(
            f"With it a week finds, 95 times in 100, a drop of {smallest_drops(offered.outlook.smallest, unit)}.",
            err=True,
        )


def collected(done: Collected, *, as_json: bool) -> None:
    """A baseline that was collected, or the batch of today."""
    if as_json:
        json_out(_collected_json(done))
        return
    if done.baseline is None:
        when = stamp(done.run.due_at) if done.run.due_at else "the next day"
        line(f"{done.site.name}: {done.answers_a_case} answers a case; `heldout run --due` goes on from {when}.")
        return
    if done.identical:
        line("All answers to a case are identical, from a target that is not local: cached?", colour="yellow", err=True)
    elif done.at_once and done.answers_a_case > 4 and not done.site.local:
        line(
            "Collected at once: a provider has its state of the day, and --spread averages over four of them.",
            colour="yellow",
            err=True,
        )
    for weak in done.weak_judges:
        line(f"! {weak}", colour="yellow", err=True)
    baseline(done.site, done.baseline, done.outlook)


def baseline(
    site: Site, pinned: Baseline, outlook: Prospect | None, means: Mapping[str, float | None] | None = None
) -> None:
    """What is pinned, and what it can confirm."""
    line(f"Baseline of {site.name}, pinned {stamp(pinned.pinned_at)} by {pinned.pinned_by} (run {pinned.run_id}).")
    if outlook is None:
        line("None of its answers can be scored by the suite as it stands now.", indent=2)
        return
    plan = outlook.plan
    line(
        f"Score {100 * outlook.baseline_score:.1f} over {outlook.cases} cases, {plan.baseline_repeats} answers a case.",
        indent=2,
    )
    for name, mean in (means or {}).items():
        line(f"{name}: {'unscored' if mean is None else f'{100 * mean:.1f}'}", indent=4)
    line(
        f"A week asks at most {plan.cap} answers a case, and finds, 95 times in 100, a drop of "
        f"{smallest_drops(outlook.smallest, plan.unit)}.",
        indent=2,
    )
    if not outlook.cap.reachable:
        line(remedy(outlook.cap.baseline_that_would_do, outlook.cap.cases_that_would_do), colour="yellow", indent=2)


def _collected_json(done: Collected) -> dict[str, object]:
    if done.baseline is not None:
        return baseline_json(done.baseline, done.outlook)
    return {
        "schema": 1,
        "target": done.site.target,
        "suite": done.site.suite.name,
        "run": done.run.id,
        "pinned": False,
        "answers_a_case": done.answers_a_case,
        "goes_on_at": instant(done.run.due_at),
    }


def no_baseline(site: Site, *, err: bool = False) -> None:
    """Nothing is pinned."""
    line(
        f"{site.name}: no baseline; `heldout baseline collect {site.compared_with} {site.suite.name}` collects one.",
        err=err,
    )


def remedy(repeats: int | None, cases: int | None) -> str:
    """What it would take to tell the two thresholds apart."""
    ways = [f"{repeats} baseline answers a case"] if repeats else []
    ways += [f"a test set of {cases} cases"] if cases else []
    return f"Too few to tell the two thresholds apart reliably{': it takes ' + ' or '.join(ways) if ways else ''}."


def smallest_drops(smallest: Mapping[str, float | None], unit: str) -> str:
    """The smallest drops that can be confirmed, with their questions."""

    def of(name: str) -> str:
        value = smallest.get(name)
        return f"none ({name})" if value is None else f"{value:.1f}{'%' if unit == 'percent' else ' points'} ({name})"

    return f"{of('investigate')}, {of('rollback')}"


def baseline_json(
    pinned: Baseline, outlook: Prospect | None, means: Mapping[str, float | None] | None = None
) -> dict[str, object]:
    """The same as JSON; drops in the thresholds' unit, scores in [0, 1]."""
    return {
        "schema": 1,
        "target": pinned.target,
        "suite": pinned.suite,
        "run": pinned.run_id,
        "pinned": True,
        "pinned_at": instant(pinned.pinned_at),
        "pinned_by": pinned.pinned_by,
        "score": round(outlook.baseline_score, 4) if outlook else None,
        "scores": dict(means or {}),
        "cases": outlook.cases if outlook else 0,
        "answers_a_case": outlook.plan.baseline_repeats if outlook else 0,
        "most_answers_a_week": outlook.plan.cap if outlook else None,
        "smallest_confirmable": outlook.smallest if outlook else None,
    }
