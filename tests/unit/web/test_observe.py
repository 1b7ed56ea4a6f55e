"""How loud a request is in the log, and what of its address may stand there."""

from __future__ import annotations

import logging

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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


@settings(max_examples=40)
@given(
    st.text(st.characters(codec="utf-8", exclude_characters="…\\"), min_size=6, max_size=40).filter(
        lambda t: t.strip("/")
    ),
    st.sampled_from(["/flagger/{}/gate", "//flagger//{}/rollback-check", "/flagger/{}", "/x/flagger/{}/gate/"]),
)
def test_no_token_of_flaggers_stands_in_the_log(secret, path):
    assert secret.strip("/") not in shown(path.format("!" + secret.strip("/") + "!"))
