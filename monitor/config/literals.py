"""Finds credentials that stand in the configuration as literals, wherever they stand."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from monitor.config.addresses import WITHOUT_SECRETS, holds_password, looks_like_secret, names_a_credential
from monitor.config.fields import HOW_TO_REFER
from monitor.config.places import Finding, Place

_OPTION = re.compile(r"--?([A-Za-z][A-Za-z_-]*)=.+", re.DOTALL)


def literal_secrets(document: dict[str, Any]) -> Iterator[Finding]:
    """Every credential of `document` that is not a reference; no message repeats it."""
    yield from _database(document.get("database"))
    targets = document.get("targets")
    for name, target in targets.items() if isinstance(targets, dict) else ():
        if isinstance(target, dict):
            place = ("targets", name)
            yield from _headers((*place, "headers"), target.get("headers"))
            yield from _params((*place, "params"), target.get("params"))
            yield from _command((*place, "command"), target.get("command"))
    judges = document.get("judges")
    for name, judge in judges.items() if isinstance(judges, dict) else ():
        if isinstance(judge, dict):
            yield from _params(("judges", name, "params"), judge.get("params"))
    yield from _shapes((), document)


def _database(table: Any) -> Iterator[Finding]:
    url = table.get("url") if isinstance(table, dict) else None
    if isinstance(url, str) and holds_password(url):
        yield ("database", "url"), f"holds a password: {WITHOUT_SECRETS}; refer to it with {HOW_TO_REFER}"


def _headers(place: Place, headers: Any) -> Iterator[Finding]:
    for name, value in headers.items() if isinstance(headers, dict) else ():
        if not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", name):
            yield (*place, name), "is not the name of a header: it may hold letters, digits and hyphens"
        elif isinstance(value, str) and (names_a_credential(name) or name.lower().endswith("token")):
            yield (*place, name), f"must be a reference, never the secret itself: {HOW_TO_REFER}"
        elif isinstance(value, str) and not (value.isprintable() and value.strip() == value):
            yield (*place, name), "must be one line without spaces at its ends"


def _params(place: Place, value: Any) -> Iterator[Finding]:
    if isinstance(value, dict):
        for name, item in value.items():
            if names_a_credential(name):
                yield (*place, name), f"looks like a credential: {WITHOUT_SECRETS}; use api_key = {HOW_TO_REFER}"
            else:
                yield from _params((*place, name), item)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _params((*place, index), item)


def _command(place: Place, command: Any) -> Iterator[Finding]:
    for index, word in enumerate(command if isinstance(command, list) else ()):
        option = _OPTION.fullmatch(word) if isinstance(word, str) else None
        if option is not None and names_a_credential(option[1]):
            remedy = "everyone on the machine can read a command line; let the program read its own environment"
            yield (*place, index), f"gives a credential: {remedy}"


def _shapes(place: Place, value: Any) -> Iterator[Finding]:
    if isinstance(value, str):
        if looks_like_secret(value):
            yield place, f"holds what looks like a key: {WITHOUT_SECRETS}; where one is needed, write {HOW_TO_REFER}"
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from _shapes((*place, name), item)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _shapes((*place, index), item)
