"""Checks of `fallback`: another target that is asked the same tasks, and whose own fallback is not this one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from monitor.config.faults import listing, no_such
from monitor.config.places import Finding

Tables = Mapping[str, Mapping[str, Any]]


def fallback_findings(name: str, targets: Tables, suites: Tables) -> Iterator[Finding]:
    """Every fault of `[targets.NAME] fallback`, where the target has one.

    A suite of general capabilities need not be asked of it: what it shows is forgetting, and a fallback has learned
    nothing anew.
    """
    target, place = targets[name], ("targets", name, "fallback")
    fallback = target.get("fallback")
    if not isinstance(fallback, str):
        return
    if target.get("role", "production") != "production":
        yield place, 'belongs to a target with role = "production" only'
    elif fallback == name:
        yield place, "a target cannot be its own fallback"
    elif fallback not in targets:
        yield place, no_such("target", fallback, "targets", targets)
    elif targets[fallback].get("role") == "candidate":
        yield place, f'"{fallback}" is a candidate: name a target that may serve'
    elif _leads_back(name, targets):
        yield place, f'"{fallback}" falls back to "{name}" itself, so neither would be left: drop one of the two'
    else:
        tasks = [suite for suite in _suites(target) if suites.get(suite, {}).get("purpose", "task") == "task"]
        missing = [suite for suite in tasks if suite not in _suites(targets[fallback])]
        if missing:
            yield place, f'"{fallback}" is not asked {listing(missing)}: add it to suites of [targets.{fallback}]'


def _suites(target: Mapping[str, Any]) -> list[str]:
    named = target.get("suites")
    return [name for name in named if isinstance(name, str)] if isinstance(named, list) else []


def _leads_back(name: str, targets: Tables) -> bool:
    """Whether the fallback's fallback, or that one's, is the target itself."""
    seen: set[str] = set()
    at: Any = targets[name].get("fallback")
    while isinstance(at, str) and at in targets and at not in seen:
        seen.add(at)
        at = targets[at].get("fallback")
        if at == name:
            return True
    return False
