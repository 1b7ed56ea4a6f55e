"""How loud a request is in the log, and what of its address may stand there."""

from __future__ import annotations

import logging

import pytest

from monitor.web.observe import level_of, shown


@pytest.mark.parametrize(
    ("method", "path", "status", "level"),
    [
        ("GET", "/", 200, logging.DEBUG),
        ("GET", "/nope", 404, logging.DEBUG),
        ("GET", "/readyz", 503, logging.DEBUG),
        ("POST", "/api/v1/runs", 202, logging.INFO),
        ("POST", "/api/v1/runs", 422, logging.DEBUG),
        ("POST", "/login", 303, logging.INFO),
        ("GET", "/", 401, logging.INFO),
        ("GET", "/", 421, logging.INFO),
        ("GET", "/metrics", 503, logging.WARNING),
        ("GET", "/", 500, logging.WARNING),
    ],
)
def test_how_loud(method, path, status, level):
    assert level_of(method, path, status) == level


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("/api/v1/runs", "/api/v1/runs"),
        ("/flagger/s3cret/gate", "/flagger/…/gate"),
        ("/flagger/s3cret", "/flagger/…"),
        ("//flagger//s3cret/gate", "//flagger//…/gate"),
        ("/flagger/s3/gate/cret/rollback-check", "/flagger/…/rollback-check"),
        ("/flagger/s3\ncret/gate\n", "/flagger/…/gate\\n"),
        ("/x/../flagger/s3cret/gate", "/x/../flagger/…/gate"),
        ("/Flagger/s3cret/gate", "/Flagger/…/gate"),
        ("/a\nb\x1b[31m", "/a\\nb\\x1b[31m"),
        ("/\ud800", "/\\ud800"),
    ],
)
def test_what_stands_in_the_log(path, line):
    assert shown(path) == line


def test_a_long_address_is_cut():
    assert len(shown("/" + "a" * 10_000)) == 200
