"""Logs as a program sets them up: form, level, ids, and what libraries and the interpreter say."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import os
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from monitor import logs
from monitor.logs.handler import Handler
from monitor.logs.program import OWN

logger = logging.getLogger("monitor.test")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def undone() -> Iterator[None]:
    yield
    logs.teardown()


def said(stream: io.StringIO) -> list[dict[str, Any]]:
    """What was logged so far, as JSON."""
    for handler in logging.getLogger().handlers:
        handler.flush()
    return [json.loads(line) for line in stream.getvalue().splitlines()]


@pytest.fixture
def stream() -> io.StringIO:
    found = io.StringIO()
    logs.setup({"HELDOUT_LOG": "json"}, found)
    return found


def test_a_line_has_time_level_logger_event_and_the_fields(stream):
    logger.info("run begins", extra={"target": "bot", "answers": 0})
    (line,) = said(stream)
    assert line.pop("time").endswith("Z")
    assert line == {"level": "info", "logger": "monitor.test", "event": "run begins", "target": "bot", "answers": 0}


def test_a_field_that_has_a_fixed_ones_name_stands_beside_it(stream):
    logger.info("x", extra={"event": "y", "time": 1})
    (line,) = said(stream)
    assert (line["event"], line["event_"], line["time_"]) == ("x", "y", 1)


async def test_what_is_bound_reaches_tasks_and_threads_and_nothing_else(stream):
    async def one(name: str) -> None:
        with logs.bound(run=name):
            await asyncio.sleep(0)
            logger.info("task")
            await asyncio.to_thread(logger.info, "thread")
            await asyncio.create_task(inner())

    async def inner() -> None:
        with logs.bound(phase="main"):
            logger.info("inner", extra={"run": "own wins"})

    with logs.bound(target="bot"):
        await asyncio.gather(one("a"), one("b"))
    logger.info("outside")
    lines = said(stream)
    outside = lines.pop()
    assert "run" not in outside
    assert "target" not in outside
    assert all(line["target"] == "bot" for line in lines)
    for event in ("task", "thread"):
        assert sorted(line["run"] for line in lines if line["event"] == event) == ["a", "b"]
    assert [(line["run"], line["phase"]) for line in lines if line["event"] == "inner"] == [("own wins", "main")] * 2


def test_a_line_about_an_error_has_the_ids_of_where_it_was_raised(stream):
    def fail() -> None:
        with logs.bound(run="r1", target="bot"), logs.bound(phase="main"):
            raise KeyError("a\nb sk-abcdefgh0123456789xyz") from OSError("token=abc")

    try:
        fail()
    except KeyError as raised:
        error = raised
    logger.error("broken", exc_info=error)
    (line,) = said(stream)
    assert (line["run"], line["target"], line["phase"]) == ("r1", "bot", "main")
    assert line["exception"]["type"] == "KeyError"
    assert line["exception"]["message"] == repr("a\nb [redacted]")
    assert [frame.split()[1] for frame in line["exception"]["traceback"]] == [
        "test_a_line_about_an_error_has_the_ids_of_where_it_was_raised",
        "fail",
    ]
    assert line["exception"]["traceback"][0].startswith("tests/unit/logs/test_program.py:")
    assert line["exception"]["causes"] == ["OSError: token=[redacted] (not raised)"]
    assert dict(logs.bound_to(error)) == {"run": "r1", "target": "bot", "phase": "main"}


def test_a_group_says_what_it_holds_and_a_deep_recursion_is_cut(stream):
    def deep(n: int) -> None:
        if n:
            deep(n - 1)
        raise ValueError("bottom")

    try:
        deep(300)
    except ValueError as raised:
        logger.error("both", exc_info=ExceptionGroup("several", [raised, KeyError("k")]))
        logger.error("deep", exc_info=raised)
    both, deeply = said(stream)
    assert [cause.split(" (")[0] for cause in both["exception"]["causes"]] == ["ValueError: bottom", "KeyError: 'k'"]
    assert len(deeply["exception"]["traceback"]) == 41
    assert "262 more" in deeply["exception"]["traceback"][5]


def test_libraries_are_heard_from_warnings_on_also_where_we_debug(monkeypatch):
    stream = io.StringIO()
    # A server that ran in this process before has cut it off.
    monkeypatch.setattr(logging.getLogger("uvicorn.access"), "propagate", True)
    logs.setup({"HELDOUT_LOG": "json", "HELDOUT_LOG_LEVEL": "debug"}, stream)
    for name in (
        "apscheduler.executors.default",
        "uvicorn.error",
        "uvicorn.access",
        "openai",
        "slack_sdk",
        "monitor.x",
    ):
        logging.getLogger(name).info("%s at info", name)
        logging.getLogger(name).debug("%s at debug", name)
        logging.getLogger(name).warning("%s warns", name, extra={"color_message": "\x1b[36mx"})
    events = [line["event"] for line in said(stream)]
    assert [event for event in events if not event.endswith("warns")] == ["monitor.x at info", "monitor.x at debug"]
    assert len([event for event in events if event.endswith("warns")]) == 6
    assert all("color_message" not in line for line in said(stream))


def test_the_interpreters_own_words_are_lines_too(stream):
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("careful\nplease", UserWarning, stacklevel=1)
    thread = threading.Thread(target=lambda: 1 / 0)
    thread.start()
    thread.join()

    class Broken:
        def __del__(self) -> None:
            raise ValueError("in del")

    Broken()
    sys.excepthook(KeyError, KeyError("end"), None)
    lines = said(stream)
    assert "careful\nplease" in lines[0]["event"]
    assert [line["exception"]["type"] for line in lines[1:]] == ["ZeroDivisionError", "ValueError", "KeyError"]
    assert {line["level"] for line in lines[1:]} == {"critical"}


async def test_an_error_of_a_task_that_nobody_awaited_is_one_line(stream):
    async def fail() -> None:
        raise ValueError("nobody looks")

    task = asyncio.create_task(fail())
    await asyncio.wait([task])
    del task
    (line,) = said(stream)
    assert line["logger"] == "asyncio"
    assert line["exception"]["message"] == "nobody looks"


@pytest.mark.parametrize(
    ("terminal", "environ", "colour"),
    [
        (True, {}, True),
        (True, {"NO_COLOR": ""}, False),
        (True, {"TERM": "dumb"}, False),
        (False, {}, False),
    ],
)
def test_text_is_one_line_and_coloured_only_for_someone_who_sees_it(terminal, environ, colour):
    stream = Terminal() if terminal else io.StringIO()
    logs.setup(environ, stream)
    with logs.bound(run="r1"):
        logger.warning("a\nb", extra={"why": "it said \x1b[31m", "n": 1, "nothing": None, "api_key": "x"})
    logs.teardown()
    (line,) = stream.getvalue().splitlines()
    assert ("\x1b[33m" in line) is colour
    line = line.replace("\x1b[33m", "").replace("\x1b[0m", "")
    when, rest = line[:25], line[26:]
    assert when[10] == " "
    assert rest == r'WARNING  a\nb  run=r1  why="it said \u001b[31m"  n=1  api_key=[redacted]'


def test_text_has_an_error_on_the_same_line():
    stream = io.StringIO()
    logs.setup({"HELDOUT_LOG": "text"}, stream)
    try:
        raise ValueError("x\ny")
    except ValueError:
        logger.exception("boom")
    logs.teardown()
    (line,) = stream.getvalue().splitlines()
    assert r'boom  exception="ValueError: x\ny"  at="tests/unit/logs/test_program.py:' in line


def test_json_is_for_the_stream_that_is_the_journal_alone():
    with tempfile.TemporaryFile("w") as journal, tempfile.TemporaryFile("w") as other:
        found = os.fstat(journal.fileno())
        environ = {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"}
        assert logs.wanted(environ, journal)
        assert not logs.wanted(environ, other)
        assert not logs.wanted(environ, io.StringIO())
        assert not logs.wanted({}, journal)
        assert logs.wanted({"HELDOUT_LOG": "text"}, other)
        for stream, more, structured in (
            (journal, {}, True),
            (journal, {"HELDOUT_LOG": "text"}, False),
            (other, {}, False),
        ):
            logs.setup(environ | more, stream)
            logger.info("x")
            logs.teardown()
            size = os.lseek(stream.fileno(), 0, os.SEEK_END)
            assert os.pread(stream.fileno(), size, 0).startswith(b"{") is structured
            os.ftruncate(stream.fileno(), 0)
            os.lseek(stream.fileno(), 0, os.SEEK_SET)


@pytest.mark.parametrize(
    ("environ", "named"), [({"HELDOUT_LOG": "xml"}, '"json" or "text"'), ({"HELDOUT_LOG_LEVEL": "loud"}, "DEBUG, INFO")]
)
def test_a_setting_that_is_none_is_refused_and_changes_nothing(environ, named):
    with pytest.raises(logs.LogSettingError, match=named):
        logs.setup(environ, io.StringIO())
    assert not any(isinstance(one, Handler) for one in logging.getLogger().handlers)


def test_setting_up_again_replaces_and_teardown_leaves_things_as_they_were(monkeypatch):
    before = (sys.excepthook, sys.unraisablehook, threading.excepthook, logging.getLogger().level)
    first, second = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stderr", first)
    logs.setup({"HELDOUT_LOG": "json"})
    logs.setup({"HELDOUT_LOG": "json"})
    logger.info("once")
    assert len(said(first)) == 1
    logs.setup({"HELDOUT_LOG": "json"}, second)
    logger.info("there")
    assert sys.stderr is first
    assert (len(said(first)), len(said(second))) == (1, 1)
    logs.teardown()
    logs.teardown()
    assert before == (sys.excepthook, sys.unraisablehook, threading.excepthook, logging.getLogger().level)
    assert logging.getLogger("monitor").level == logging.NOTSET


def test_what_is_printed_on_standard_error_becomes_a_line(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    logs.setup({"HELDOUT_LOG": "json"})
    print("one sentence", "in two parts", file=sys.stderr)
    sys.stderr.write("a paragraph\nthat was wrapped\n")
    sys.stderr.write("\n")
    with pytest.raises(TypeError):
        sys.stderr.write(b"bytes")
    lines = said(stream)
    assert [line["event"] for line in lines] == ["one sentence in two parts", "a paragraph that was wrapped"]
    assert {(line["logger"], line["level"]) for line in lines} == {("monitor.stderr", "warning")}


def test_without_setup_nothing_of_ours_is_printed(capfd):
    for _ in range(3):
        logs.be_silent_unless_set_up()
    for name in OWN:
        assert len([one for one in logging.getLogger(name).handlers if isinstance(one, logging.NullHandler)]) == 1
    logger.warning("unheard")
    assert capfd.readouterr().err == ""
