"""Checks that look at more than one key of the configuration; they read the document, however faulty its rest is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from monitor.config.fallback import fallback_findings
from monitor.config.faults import no_such
from monitor.config.hooks import hook_findings
from monitor.config.panel import panel_findings
from monitor.config.places import Finding, Place
from monitor.config.rubrics import Shelf
from monitor.config.scorers import scorer_findings
from monitor.config.slack import slack_findings

BUILT_IN_GENERATOR = "extract"
# What the chat targets put into each call themselves; a test holds this against the targets.
OWN_PARAMS = {
    "openai": frozenset({"model", "messages", "stream", "stream_options", "n"}),
    "anthropic": frozenset({"model", "messages", "stream", "system"}),
}
# A judge's answer has a form of its own, which a rubric decides.
JUDGES_OWN_PARAMS = {
    "openai": OWN_PARAMS["openai"] | {"response_format"},
    "anthropic": OWN_PARAMS["anthropic"] | {"output_format", "output_config.format"},
}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def cross_findings(document: dict[str, Any], shelf: Shelf) -> Iterator[Finding]:
    """Every fault that lies between keys: references between tables, scorers and headline, roles, thresholds, Slack."""
    suites, targets, judges = (_tables(document, kind) for kind in ("suites", "targets", "judges"))
    for kind in ("suites", "targets", "judges", "hooks"):
        yield from _names(kind, document.get(kind))
    yield from _database(document)
    yield from _thresholds(document)
    yield from scorer_findings(suites, shelf)
    generators = {t.get("generator") for t in targets.values() if isinstance(t.get("generator"), str)}
    for name, target in targets.items():
        place = ("targets", name)
        yield from _suites_of(place, target, document.get("suites"), is_generator=name in generators)
        yield from _role(place, target, targets)
        yield from fallback_findings(name, targets, suites)
        yield from _generator(place, target, targets)
        yield from _params(place, target, OWN_PARAMS)
    for name, judge in judges.items():
        yield from _params(("judges", name), judge, JUDGES_OWN_PARAMS)
    yield from panel_findings(document.get("judging"), judges, [name for name in suites if "rubrics" in suites[name]])
    yield from hook_findings(_tables(document, "hooks"), targets)
    yield from slack_findings(document)
    yield from _web(document)


def _tables(document: dict[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    """The well-formed sub-tables of `[kind]`."""
    found = document.get(kind)
    return {k: v for k, v in found.items() if isinstance(v, dict)} if isinstance(found, dict) else {}


def _names(kind: str, tables: Any) -> Iterator[Finding]:
    what = {"suites": "suite", "targets": "target", "judges": "judge", "hooks": "hook"}[kind]
    if kind in ("suites", "targets") and (tables is None or tables == {}):
        yield (kind,), f"is missing: add at least one {what} as [{kind}.NAME]"
    for name in tables if isinstance(tables, dict) else ():
        if not _NAME.fullmatch(name) or len(name) > 100:
            yield (
                (kind, name),
                f"a {what}'s name must begin with a letter or digit and go on with letters, digits, dots, hyphens "
                "and underscores (100 at most)",
            )
        elif kind == "targets" and name == BUILT_IN_GENERATOR:
            yield (kind, name), f'a target cannot be called "{name}", which is the built-in generator of rag targets'


def _database(document: dict[str, Any]) -> Iterator[Finding]:
    table = document.get("database")
    url = table.get("url") if isinstance(table, dict) else None
    if isinstance(url, str):
        from monitor.config.outputs import database_fault

        fault = database_fault(url)
        if fault is not None:
            yield ("database", "url"), fault


def _thresholds(document: dict[str, Any]) -> Iterator[Finding]:
    table = document.get("thresholds")
    if not isinstance(table, dict):
        return
    investigate, rollback = table.get("investigate", 3.0), table.get("rollback", 5.0)
    if _is_number(investigate) and _is_number(rollback) and not rollback > investigate:
        key = "rollback" if "rollback" in table else "investigate"
        yield ("thresholds", key), f"rollback ({rollback:g}) must be larger than investigate ({investigate:g})"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300


def _suites_of(place: Place, target: dict[str, Any], suites: Any, *, is_generator: bool) -> Iterator[Finding]:
    named = target.get("suites")
    if named is None or named == []:
        if not is_generator:
            yield (*place, "suites"), 'is missing: name the suites to ask it, such as suites = ["support"]'
        return
    known = suites if isinstance(suites, dict) else {}
    seen: set[str] = set()
    for index, name in enumerate(named if isinstance(named, list) else ()):
        if not isinstance(name, str):
            continue
        if name not in known:
            yield (*place, "suites", index), no_such("suite", name, "suites", known)
        elif name in seen:
            yield (*place, "suites", index), f'"{name}" is listed twice'
        seen.add(name)


def _role(place: Place, target: dict[str, Any], targets: dict[str, dict[str, Any]]) -> Iterator[Finding]:
    role, against = target.get("role", "production"), target.get("against")
    if "reference" in target and role in ("production", "candidate"):
        yield (*place, "reference"), 'belongs to a target with role = "reference" only'
    if role == "candidate" and against is None:
        yield (*place, "against"), "is missing: a candidate is tested against the baseline of the target named here"
    elif against is not None and role in ("production", "reference"):
        yield (*place, "against"), 'belongs to a target with role = "candidate" only'
    elif isinstance(against, str) and role == "candidate":
        if against == place[-1]:
            yield (*place, "against"), "a target cannot be tested against itself"
        elif against not in targets:
            yield (*place, "against"), no_such("target", against, "targets", targets)
        elif targets[against].get("role") == "candidate":
            yield (*place, "against"), f'"{against}" is a candidate itself: name the target that it would replace'


def _generator(place: Place, target: dict[str, Any], targets: dict[str, dict[str, Any]]) -> Iterator[Finding]:
    generator = target.get("generator")
    if target.get("provider") != "rag" or not isinstance(generator, str) or generator == BUILT_IN_GENERATOR:
        return
    if generator not in targets:
        yield (*place, "generator"), no_such("target", generator, "targets", (*targets, BUILT_IN_GENERATOR))
    elif targets[generator].get("provider") == "rag":
        yield (*place, "generator"), f'"{generator}" is a rag target itself: name one that answers from a prompt'


def _params(place: Place, table: dict[str, Any], reserved: dict[str, frozenset[str]]) -> Iterator[Finding]:
    params, provider = table.get("params"), table.get("provider")
    own = reserved.get(provider, frozenset()) if isinstance(provider, str) else frozenset()
    message = "is set by heldout itself: leave it out of params"
    for name, value in params.items() if isinstance(params, dict) else ():
        if name in own:
            yield (*place, "params", name), message
        for inner in value if isinstance(value, dict) else ():
            if f"{name}.{inner}" in own:
                yield (*place, "params", name, inner), message


def _web(document: dict[str, Any]) -> Iterator[Finding]:
    from monitor.config.listening import is_loopback

    web = document.get("web")
    if not isinstance(web, dict):
        return
    tokens = web.get("tokens")
    yield from _token_names(tokens)
    try:
        open_to_others = not is_loopback(str(web.get("listen", "127.0.0.1:8787")))
    except ValueError:
        return
    if open_to_others and not (isinstance(tokens, dict) and tokens):
        yield (
            ("web", "listen"),
            "lets other machines in, and there is no token: add [web.tokens.NAME], or listen on 127.0.0.1",
        )


def _token_names(tokens: Any) -> Iterator[Finding]:
    for name in tokens if isinstance(tokens, dict) else ():
        if not _NAME.fullmatch(name) or len(name) > 100:
            yield (
                ("web", "tokens", name),
                "a token's name must begin with a letter or digit and go on with letters, digits, dots, hyphens and "
                "underscores (100 at most)",
            )
