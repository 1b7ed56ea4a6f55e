"""Answers: JSON without NaN, errors for programs and for people, texts without tricks, and colours one can read."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import pytest

import monitor.web
from monitor.web.render import Renderer, json_answer, plain

CSS = (Path(monitor.web.__file__).parent / "templates" / "heldout.css").read_text("utf-8")


def test_json_never_holds_nan_and_says_the_rest():
    value = {"a": math.nan, "b": [1.5, math.inf, {"c": -math.inf}], "d": "\ud800 é"}
    body = bytes(json_answer(value).body)
    assert body.isascii()
    assert json.loads(body, parse_constant=pytest.fail) == {
        "a": None,
        "b": [1.5, None, {"c": None}],
        "d": "\ud800 é",
    }


def test_texts_lose_what_is_no_text():
    assert plain("a\u202eb\x00c\x1bd\ud800e\u200bf") == "a\ufffdb\ufffdc\ufffdd\ufffde\ufffdf"
    assert plain("Grüße, 東京 🙂\n") == "Grüße, 東京 🙂\n"
    assert plain(3) == 3


@pytest.mark.parametrize("path", ["/api", "/api/x", "/readyz", "/metrics", "/flagger/x/gate", "/openapi.json"])
def test_a_program_gets_json(path):
    answer = Renderer().error(path, 404, "no\u202e such <b>", permanent=False, headers={"Retry-After": "3"})
    assert json.loads(bytes(answer.body)) == {"error": "no\ufffd such <b>", "permanent": False}
    assert (answer.status_code, answer.headers["retry-after"]) == (404, "3")


@pytest.mark.parametrize("path", ["/", "/apix", "/targets/x"])
def test_a_person_gets_a_page(path):
    answer = Renderer().error(path, 503, "no <b>such</b>\ud800", permanent=False)
    text = bytes(answer.body).decode()
    assert answer.media_type == "text/html"
    assert "no &lt;b&gt;such&lt;/b&gt;\ufffd" in text
    assert "Service Unavailable" in text
    assert "try again" in text


def test_the_style_is_let_in_by_its_hash_alone():
    render = Renderer()
    assert "'unsafe" not in render.policy
    assert "script" not in render.policy
    assert f"<style>{CSS}</style>" in bytes(render.error("/", 404, "x").body).decode()


def _colours() -> list[dict[str, str]]:
    light, dark = CSS.split("prefers-color-scheme: dark", 1)
    pattern = r"--([a-z-]+): (#[0-9a-f]{6});"
    return [dict(re.findall(pattern, light)), dict(re.findall(pattern, dark))]


def _luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one: str, other: str) -> float:
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_every_text_stands_out_from_what_is_behind_it(scheme):
    colours = _colours()[scheme]
    behind = [(text, ground) for text in ("text", "muted", "link") for ground in ("ground", "card")]
    states = ("pass", "inconclusive", "investigate", "rollback")
    behind += [(state, f"{state}-ground") for state in states]
    behind += [("text", "investigate-ground"), ("text", "rollback-ground"), ("card", "link")]
    too_faint = {pair: _contrast(colours[pair[0]], colours[pair[1]]) for pair in behind}
    assert {pair: ratio for pair, ratio in too_faint.items() if ratio < 4.5} == {}
