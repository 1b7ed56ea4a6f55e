"""Checks that look at more than one key of the configuration; they read the document, however faulty its rest is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from monitor.config.faults import did_you_mean, listing
from monitor.config.places import Finding, Place

BUILT_IN_GENERATOR = "extract"
# What the chat targets put into each call themselves; a test holds this against the targets.
OWN_PARAMS = {
    "openai": frozenset({"model", "messages", "stream", "stream_options", "n"}),
    "anthropic": frozenset({"model", "messages", "stream", "system"}),
}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def cross_findings(document: dict[str, Any]) -> Iterator[Finding]:
    """Every fault that lies between keys: references between tables, scorers and headline, roles, thresholds, Slack."""
    suites, targets = _tables(document, "suites"), _tables(document, "targets")
    for kind in ("suites", "targets"):
        yield from _names(kind, document.get(kind))
    yield from _database(document)
    yield from _thresholds(document)
    for name, suite in suites.items():
        yield from _scorers(("suites", name), suite)
    generators = {t.get("generator") for t in targets.values() if isinstance(t.get("generator"), str)}
    for name, target in targets.items():
        place = ("targets", name)
        yield from _suites_of(place, target, document.get("suites"), is_generator=name in generators)
        yield from _role(place, target, targets)
        yield from _generator(place, target, targets)
        yield from _params(place, target)
    yield from _slack(document)
    yield from _web(document)


def _tables(document: dict[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    """The well-formed sub-tables of `[kind]`."""
    found = document.get(kind)
    return {k: v for k, v in found.items() if isinstance(v, dict)} if isinstance(found, dict) else {}


def _names(kind: str, tables: Any) -> Iterator[Finding]:
    what = {"suites": "suite", "targets": "target"}[kind]
    if tables is None or tables == {}:
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


def _scorers(place: Place, suite: dict[str, Any]) -> Iterator[Finding]:
    metrics = suite.get("metrics")
    scorers: list[str] = []
    for index, metric in enumerate(metrics if isinstance(metrics, list) else ()):
        name, options = (metric, {}) if isinstance(metric, str) else _named(metric)
        if name is None:
            continue
        here = (*place, "metrics", index)
        if name in scorers:
            yield here, f'"{name}" is listed twice: a scorer is known by its metric\'s name'
            continue
        scorers.append(name)
        fault = _metric_fault(name, options)
        if fault is not None:
            yield here, fault
    if scorers:
        yield from _headline(place, suite.get("headline"), scorers)


def _named(metric: Any) -> tuple[str | None, dict[str, Any]]:
    if isinstance(metric, dict) and isinstance(metric.get("name"), str):
        return metric["name"], {key: value for key, value in metric.items() if key != "name"}
    return None, {}


def _metric_fault(name: str, options: dict[str, Any]) -> str | None:
    from monitor.metrics import MetricError, build_metric

    try:
        build_metric(name, options)
    except MetricError as error:
        return str(error)
    return None


def _headline(place: Place, headline: Any, scorers: list[str]) -> Iterator[Finding]:
    if headline is None or headline == {}:
        if len(scorers) > 1:
            example = f"{{ {scorers[0]} = 1.0 }}"
            yield (
                (*place, "headline"),
                f"is missing, and there are {len(scorers)} scorers ({listing(scorers)}): say which ones the thresholds "
                f"are about and how much each weighs, such as headline = {example}",
            )
        return
    for name in headline if isinstance(headline, dict) else ():
        if name not in scorers:
            known = f"its scorers are {listing(scorers)}"
            yield (*place, "headline", name), f"is not a scorer of this suite: {known}{did_you_mean(name, scorers)}"


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
            yield (*place, "suites", index), _no_such("suite", name, "suites", known)
        elif name in seen:
            yield (*place, "suites", index), f'"{name}" is listed twice'
        seen.add(name)


def _no_such(what: str, name: str, table: str, known: Iterable[str]) -> str:
    return f'there is no {what} "{name}", as [{table}.{name}] would be{did_you_mean(name, known)}'


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
            yield (*place, "against"), _no_such("target", against, "targets", targets)
        elif targets[against].get("role") == "candidate":
            yield (*place, "against"), f'"{against}" is a candidate itself: name the target that it would replace'


def _generator(place: Place, target: dict[str, Any], targets: dict[str, dict[str, Any]]) -> Iterator[Finding]:
    generator = target.get("generator")
    if target.get("provider") != "rag" or not isinstance(generator, str) or generator == BUILT_IN_GENERATOR:
        return
    if generator not in targets:
        yield (*place, "generator"), _no_such("target", generator, "targets", (*targets, BUILT_IN_GENERATOR))
    elif targets[generator].get("provider") == "rag":
        yield (*place, "generator"), f'"{generator}" is a rag target itself: name one that answers from a prompt'


def _params(place: Place, target: dict[str, Any]) -> Iterator[Finding]:
    params, provider = target.get("params"), target.get("provider")
    own = OWN_PARAMS.get(provider, frozenset()) if isinstance(provider, str) else frozenset()
    for name in params if isinstance(params, dict) else ():
        if name in own:
            yield (*place, "params", name), "is set by heldout itself: leave it out of params"


def _slack(document: dict[str, Any]) -> Iterator[Finding]:
    alerts = document.get("alerts")
    slack = alerts.get("slack") if isinstance(alerts, dict) else None
    if not isinstance(slack, dict):
        return
    place = ("alerts", "slack")
    if "token" in slack and "webhook_url" in slack:
        yield (*place, "webhook_url"), "give either token and channel, or webhook_url, not both"
    elif "webhook_url" in slack and "channel" in slack:
        yield (*place, "channel"), "has no effect with webhook_url, which posts to a channel of its own: leave it out"
    elif "token" in slack and "channel" not in slack:
        yield (*place, "channel"), 'is missing: name the channel to post to by its id, such as "C0123456789"'
    elif "token" not in slack and "webhook_url" not in slack:
        yield place, 'needs token = { env = "…" } and channel, or webhook_url = { env = "…" }'


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
