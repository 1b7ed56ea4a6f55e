"""Checks of the panel: an odd number of judges that there are, wherever a suite has a rubric."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from monitor.config.faults import listing, no_such
from monitor.config.places import Finding


def panel_findings(judging: Any, judges: dict[str, dict[str, Any]], judged: list[str]) -> Iterator[Finding]:
    """The faults of `[judging] panel`; `judged` names the suites that have rubrics."""
    panel = judging.get("panel") if isinstance(judging, dict) else None
    if panel is None:
        if judged and (judging is None or isinstance(judging, dict)):
            yield ("judging", "panel"), _missing(list(judges), judged)
        return
    names = [name for name in panel if isinstance(name, str)] if isinstance(panel, list) else []
    for index, name in enumerate(panel if isinstance(panel, list) else ()):
        if not isinstance(name, str):
            continue
        if name not in judges:
            yield ("judging", "panel", index), no_such("judge", name, "judges", judges)
        elif name in panel[:index]:
            yield ("judging", "panel", index), f'"{name}" is listed twice'
    if names and len(names) % 2 == 0:
        yield (
            ("judging", "panel"),
            f"must be an odd number of judges, so that one side always wins: it has {len(names)}",
        )


def _missing(judges: list[str], judged: list[str]) -> str:
    of = f"suites {listing(judged)} have" if len(judged) > 1 else f"suite {listing(judged)} has"
    if not judges:
        return f'is missing, and {of} rubrics: add a judge as [judges.NAME], and panel = ["NAME"] here'
    return f"is missing, and {of} rubrics: name the judges here, such as panel = [{listing(judges[:1])}]"
