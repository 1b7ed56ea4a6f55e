"""What `heldout judge calibrate` prints: how far judges agree with people, and what rests on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from monitor.domain.verdict import instant
from monitor.domain.words import counted, stamp
from monitor.show import json_out, line
from monitor.show_judge import row, spent

if TYPE_CHECKING:
    from judges.agreement import Agreement, Calibration, Confusion
    from judges.estimate import Estimate
    from monitor.judge_calibrate import Calibrated, OfPanel
    from monitor.judge_export import Exported

# Cases that are named where judge and people disagree; --json has them all.
SHOWN = 10


def calibrated(found: Calibrated, *, as_json: bool, show_cases: bool) -> None:
    """How far judges agree with people. Answers are shown only with `show_cases`."""
    if as_json:
        json_out(_json(found, show_cases))
        return
    for one in found.rubrics:
        _of_panel(one, show_cases)
    if found.calls:
        line(f"Judged for this: {spent(found.calls, found.usd)}.")
    _rollback(found)


def exported(found: Exported, *, as_json: bool) -> None:
    """Answers that wait for people."""
    if as_json:
        json_out(found.as_json())
        return
    newest = f", {found.of_run} of run {found.run}" if found.run else "; there is no newer run to take some from"
    line(
        f"Wrote {found.file}: {counted(found.answers, 'answer')} to be labelled by {found.rubric} "
        f"({found.of_baseline} of deployment{newest})."
    )
    line(
        "Fill in the column `label` (met or not_met; of a whole answer also a number from 0 to 1), and `by` with your "
        "name. Delete the rows that you cannot tell, and change no other column. Then: heldout judge calibrate FILE."
    )


def _of_panel(one: OfPanel, show_cases: bool) -> None:
    calibration = one.panel
    line(f"{one.rubric}, by the {'panel' if one.judges else 'judge'}:")
    _agreement("the whole answer", calibration.overall, show_cases)
    for name, agreement in calibration.criteria.items():
        if agreement.labels or agreement.unjudged:
            _agreement(name, agreement, show_cases)
    for judge, alone in one.judges.items():
        line(f"{judge} alone: kappa {_estimate(alone.overall.kappa)}.", indent=2)
    if one.unknown:
        line(
            f"! {counted(one.unknown, 'labelled answer')} not among the stored ones, and judged as the file has them. "
            "A spreadsheet may have changed them (numbers, dates): keep its cells as text, or export a .jsonl file.",
            colour="yellow",
            indent=2,
        )
    if calibration.unmatched:
        some = ", ".join(f"line {label.line}" for label in calibration.unmatched[:SHOWN])
        line(f"! No judge gave a verdict on {counted(len(calibration.unmatched), 'label')} ({some}).", indent=2)


def _agreement(name: str, one: Agreement, show_cases: bool) -> None:
    line(
        f"{name}: {counted(one.labels, 'label')} of {counted(one.cases, 'case')}, "
        f"{_estimate(one.share, percent=True)} the same; kappa {_estimate(one.kappa)}, alpha {_estimate(one.alpha)}.",
        indent=2,
    )
    if one.alpha_scores is not None and one.alpha_scores.value is not None:
        line(f"Alpha of the scores {_estimate(one.alpha_scores)}.", indent=4)
    if one.alpha_people.value is not None:
        line(f"The people among themselves: alpha {_estimate(one.alpha_people)}.", indent=4)
    if len(one.confusion.categories) > 1:
        _confusion(one.confusion)
    for note in one.notes:
        line(f"· {note}", indent=4)
    if one.disagreements:
        more = len(one.disagreements) - SHOWN
        ids = ", ".join(dict.fromkeys(item.case for item in one.disagreements[:SHOWN]))
        line(f"They disagree on {ids}{f' and {more} more' if more > 0 else ''}.", indent=4)
        for item in one.disagreements[:SHOWN] if show_cases else ():
            line(f"{item.case}: people {_side(item.people)}, judge {_side(item.judge)}: {item.answer}", indent=6)


def _confusion(table: Confusion) -> None:
    width = max(len(name) for name in table.categories)
    head = "  ".join(f"{name:>{width}}" for name in table.categories)
    row(f"    people \\ judge  {head}")
    for name, counts in zip(table.categories, table.counts, strict=True):
        row(f"    {name:>14}  " + "  ".join(f"{count:>{width}}" for count in counts))


def _side(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.2f}"


def _estimate(one: Estimate, *, percent: bool = False) -> str:
    if one.value is None:
        return f"unknown ({one.reason})" if one.reason else "unknown"
    scale, unit, digits = (100.0, "%", 0) if percent else (1.0, "", 2)
    text = f"{scale * one.value:.{digits}f}{unit}"
    if one.low is None or one.high is None:
        return text
    return f"{text} (95% interval {scale * one.low:.{digits}f} to {scale * one.high:.{digits}f})"


def _rollback(found: Calibrated) -> None:
    for one in found.rubrics:
        if one.stands is not None:
            line(
                f"{one.rubric}: these labels are too few for a kappa, and that of {stamp(one.stands)} stands.",
                colour="yellow",
            )
    if not any(one.in_headline for one in found.rubrics):
        line("None of these rubrics has a share in the headline: no rollback rests on them.")
    elif found.barred is None:
        line(f"A rollback may rest on these judges (kappa is at least {found.min_kappa:g}).", colour="green")
    else:
        line(f"No rollback may rest on the judges alone: {found.barred}.", colour="yellow")


def _json(found: Calibrated, show_cases: bool) -> dict[str, object]:
    def of(calibration: Calibration) -> dict[str, Any]:
        payload = calibration.as_json()
        for agreement in (payload["overall"], *payload["criteria"].values()):
            for item in agreement["disagreements"] if not show_cases else ():
                del item["answer"]
        return payload

    rubrics = [
        {
            "rubric": one.rubric,
            "scorer": one.scorer,
            "panel": of(one.panel),
            "judges": {name: of(alone) for name, alone in one.judges.items()},
            "unknown_answers": one.unknown,
            "in_headline": one.in_headline,
            "stands": instant(one.stands),
        }
        for one in found.rubrics
    ]
    spend = {"calls": found.calls, "usd": None if found.usd is None else round(found.usd, 4)}
    return {"schema": 1, "suite": found.suite, "rubrics": rubrics, "rollback_barred": found.barred, **spend}
