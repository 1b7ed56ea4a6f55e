"""Whatever is logged, by whomever, is one line, and as JSON one object with the fixed fields."""

from __future__ import annotations

import json
import logging

from hypothesis import given
from hypothesis import strategies as st

from monitor.logs.lines import as_json, as_text
from monitor.logs.values import LONGEST

TEXT = st.text(st.characters(), max_size=60)
VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT | st.binary(max_size=8) | st.datetimes(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT | st.integers(), inner, max_size=3),
    max_leaves=8,
)
FIXED = ["time", "level", "logger", "event"]


def record(event: str, args: tuple[object, ...], fields: dict[str, object]) -> logging.LogRecord:
    made = logging.makeLogRecord({"name": "any", "levelno": 20, "levelname": "INFO", "msg": event, "args": args})
    made.__dict__.update({f"f{i}_{name}": value for i, (name, value) in enumerate(fields.items())})
    return made


@given(TEXT, st.lists(VALUE, max_size=2), st.dictionaries(TEXT, VALUE, max_size=4), st.dictionaries(TEXT, VALUE))
def test_a_line_is_a_line(event, args, fields, context):
    made = record(event, tuple(args), fields)
    for line in (as_json(made, context), as_text(made, context), as_text(made, context, colour=True)):
        plain = line.replace("\x1b[32m", "").replace("\x1b[0m", "")
        assert len(plain.splitlines()) == 1
        assert plain.isprintable()
    found = json.loads(as_json(made, context), parse_constant=lambda name: 1 / 0)
    assert list(found)[:4] == FIXED
    assert all(len(value) <= LONGEST for value in found.values() if isinstance(value, str))


@given(TEXT, TEXT)
def test_an_error_is_on_the_same_line(message, note):
    try:
        error = ValueError(message)
        error.add_note(note)
        raise error
    except ValueError as raised:
        made = logging.makeLogRecord(
            {"msg": "x", "levelname": "ERROR", "exc_info": (ValueError, raised, raised.__traceback__)}
        )
    found = json.loads(as_json(made, {}))
    assert found["exception"]["type"] == "ValueError"
    assert found["exception"]["traceback"][-1].endswith("test_an_error_is_on_the_same_line")
    assert len(as_text(made, {}).splitlines()) == 1
