"""What may stand in a log: no secret, no line break, nothing that JSON lacks."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum, StrEnum
from pathlib import Path

import numpy as np
import pytest

from monitor.logs.values import LONGEST, REDACTED, escaped, field, plain, text


class Colour(Enum):
    RED = 1


class Level(StrEnum):
    PASS = "pass"


class Unshowable:
    def __repr__(self) -> str:
        raise RuntimeError("sk-secret-0123456789abcdef")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, None),
        (True, True),
        (0.5, 0.5),
        (math.nan, None),
        (-math.inf, None),
        (10**5000, None),
        (np.int64(3), 3),
        (np.float32(0.5), 0.5),
        (np.float64(math.nan), None),
        (Decimal("1.5"), "Decimal('1.5')"),
        (Colour.RED, 1),
        (Level.PASS, "pass"),
        (datetime(2026, 11, 16, 7, 0, 0, 123456, timezone(timedelta(hours=1))), "2026-11-16T06:00:00.123Z"),
        (datetime(2026, 11, 16, tzinfo=UTC), "2026-11-16T00:00:00.000Z"),
        (timedelta(minutes=1.5), 90.0),
        (Path("/a/b"), "/a/b"),
        (ValueError("no"), "ValueError: no"),
        (b"\x00\n", "b'\\x00\\n'"),
        ((1, {2: "b"}), [1, {"2": "b"}]),
        (Unshowable(), "<Unshowable that cannot be shown: RuntimeError>"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_every_value_is_one_of_jsons(value, shown):
    found = plain(value)
    json.dumps(found, allow_nan=False)
    if isinstance(value, int) and value > 2**64:
        assert found.startswith("0x")
        assert len(found) <= LONGEST
    else:
        assert found == shown


def test_what_refers_to_itself_and_what_is_deep_ends():
    loop: list[object] = []
    loop.append(loop)
    assert "[" in str(plain(loop))
    assert len(plain(list(range(10_000)))) == 50


@pytest.mark.parametrize("name", ["api_key", "Authorization", "X-Api-Key", "token", "smtp_password", "signing_secret"])
def test_what_is_named_as_a_credential_is_left_out_however_deep(name):
    assert field(name, "letmein") == REDACTED
    assert plain({"outer": [{name: "letmein"}]}) == {"outer": [{name: REDACTED}]}


@pytest.mark.parametrize("name", ["max_tokens", "tokens", "keys", "event", "monkey"])
def test_other_names_keep_their_values(name):
    assert field(name, 7) == 7


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("GET https://ann:pw@host:8/a/b?x=1#y failed", "GET https://host:8/a/b failed"),
        ("postgresql+psycopg://heldout:s3cr/et@db/heldout", "postgresql+psycopg://db/heldout"),
        ("http://127.0.0.1:8787/users/@me", "http://127.0.0.1:8787/users/@me"),
        ("POST /hooks/7/result?token=abc123 200", "POST /hooks/7/result?token=[redacted] 200"),
        ('{"api_key": "abc", "n": 1}', '{"api_key": [redacted], "n": 1}'),
        ("{'password': 'a b', 'n': 1}", "{'password': [redacted], 'n': 1}"),
        ("Authorization: Basic dXNlcjpwYXNz", "Authorization: [redacted]"),
        ("x-api-key: 12345", "x-api-key: [redacted]"),
        ("sent Bearer abcdefgh12345678", "sent [redacted]"),
        ("key sk-abcdefgh0123456789xyz", "key [redacted]"),
        ("xoxb-1234567890-abc", "[redacted]"),
        ("https://hooks.slack.com/services/T0/B0/xyz", "https://[redacted]"),
        ("the token: it has run out", "the token: it has run out"),
        ("max_tokens=400, seed=1", "max_tokens=400, seed=1"),
    ],
)
def test_a_text_loses_its_secrets_and_nothing_else(said, kept):
    assert text(said) == kept


def test_a_secret_at_the_cut_is_not_cut_in_two():
    long = "x" * (LONGEST - 10) + " sk-abcdefgh0123456789xyz " + "y" * LONGEST
    assert "sk-" not in text(long)
    assert len(text(long)) <= LONGEST
    assert text("z" * 5_000).endswith("…")


@pytest.mark.timeout(10)
@pytest.mark.parametrize("part", ["sk-", "token=", '"key": "', "http://a:b", "a@", "x-y: ", "Bearer ", "\\", "=:"])
def test_a_hostile_text_takes_no_long_time(part):
    for _ in range(20):
        text(part * 5_000)


def test_what_breaks_or_colours_a_line_is_escaped_and_json_stays_json():
    hostile = "a\r\nb\x1b[31m\x00\x7f\x85\u2028\u202e\ufeff\U000e0041"
    line = escaped(json.dumps({"a": text(hostile)}, ensure_ascii=False))
    assert line.isprintable()
    assert len(line.splitlines()) == 1
    assert json.loads(line)["a"] == hostile
    assert escaped("Grüße, 東京 ✓ 🙂") == "Grüße, 東京 ✓ 🙂"


def test_half_a_surrogate_pair_is_no_text():
    assert text("a\ud800b") == "a?b"
