"""Logs of real processes into real pipes: closed, full and blocked ones stop nothing, nor does a signal or a fork."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BEGIN = """
import os, sys, time, logging
from monitor import logs
logs.setup({'HELDOUT_LOG': 'json'})
log = logging.getLogger('monitor.x')
"""


def program(body: str) -> list[str]:
    return [sys.executable, "-c", BEGIN + body]


def shell(line: str, body: str) -> subprocess.CompletedProcess[str]:
    """Run the program in a line of bash, where it is called by `$@`."""
    command = ["bash", "-c", line, "bash", *program(body)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("where", ['"$@" 2> /dev/full', '"$@" 2>&1 >/dev/null | true; exit ${PIPESTATUS[0]}'])
def test_a_stream_that_takes_nothing_stops_nothing(where):
    done = shell(where, "for i in range(20_000): log.info('line', extra={'i': i})\nlogs.teardown()")
    assert done.returncode == 0
    assert "rror" not in done.stderr


def test_a_reader_that_does_not_read_holds_up_nothing_and_is_told_later_what_it_missed():
    body = (
        "began = time.monotonic()\n"
        "for i in range(20_000): log.info('x' * 100, extra={'i': i})\n"
        "print(time.monotonic() - began, flush=True)\n"
        "sys.stdin.readline()\n"
        "log.info('after')\n"
        "logs.teardown()\n"
    )
    with subprocess.Popen(
        program(body), cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert float(process.stdout.readline()) < 20.0
            _, err = process.communicate("go on\n", timeout=60)
        finally:
            process.kill()
    assert process.returncode == 0
    lines = [json.loads(line) for line in err.splitlines()]
    numbers = [line["i"] for line in lines if "i" in line]
    assert numbers == sorted(numbers)
    lost = sum(line["lines"] for line in lines if line["event"].startswith("log lines were lost"))
    assert lost > 0
    assert len(numbers) + lost + ("after" in {line["event"] for line in lines}) in (20_000, 20_001)


def test_a_program_ends_though_nobody_reads_what_it_said():
    read, write = os.pipe()
    try:
        began = time.monotonic()
        done = subprocess.run(
            program("for i in range(3_000): log.info('x' * 1000)"), cwd=ROOT, stderr=write, timeout=60
        )
        assert done.returncode == 0
        assert time.monotonic() - began < 15.0
    finally:
        os.close(read)
        os.close(write)


def test_what_was_logged_last_is_written_though_the_program_fails():
    done = shell('"$@"', "log.info('last')\nraise KeyError('x\\ny')")
    first, second = [json.loads(line) for line in done.stderr.splitlines()]
    assert done.returncode == 1
    assert first["event"] == "last"
    assert (second["level"], second["exception"]["type"]) == ("critical", "KeyError")


def test_a_wrong_format_string_costs_neither_the_line_nor_the_program():
    done = shell('"$@"', "log.info('%d of %s', 'x')\nlog.info('all 100%', 1)")
    events = [json.loads(line)["event"] for line in done.stderr.splitlines()]
    assert events == ["%d of %s ['x']", "all 100% [1]"]


def test_a_signals_handler_may_log_at_any_moment():
    body = (
        "import signal\n"
        "def handle(*_): log.info('signal')\n"
        "signal.signal(signal.SIGALRM, handle)\n"
        "signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)\n"
        "until = time.monotonic() + 2\n"
        "while time.monotonic() < until:\n"
        "    log.info('main'); time.sleep(0.0002)\n"
        "signal.setitimer(signal.ITIMER_REAL, 0)\n"
        "logs.teardown()\n"
    )
    done = shell('"$@"', body)
    assert done.returncode == 0, done.stderr[-500:]
    events = [json.loads(line)["event"] for line in done.stderr.splitlines()]
    assert events.count("signal") > 20
    assert events.count("main") > 20


def test_a_child_that_was_forked_in_the_middle_of_logging_logs_as_well():
    body = (
        "import threading, warnings\n"
        "stop = threading.Event()\n"
        "def work():\n"
        "    while not stop.is_set(): log.info('thread'); time.sleep(0.0005)\n"
        "threads = [threading.Thread(target=work) for _ in range(4)]\n"
        "[thread.start() for thread in threads]\n"
        "for i in range(30):\n"
        "    child = os.fork()\n"
        "    if not child:\n"
        "        log.info('child', extra={'i': i}); logs.teardown(); os._exit(0)\n"
        "    assert os.waitpid(child, 0)[1] == 0\n"
        "stop.set()\n"
        "[thread.join() for thread in threads]\n"
        "logs.teardown()\n"
    )
    done = shell('"$@"', body)
    assert done.returncode == 0, done.stderr[-500:]
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert sorted(line["i"] for line in lines if line["event"] == "child") == list(range(30))


def test_lines_of_several_processes_in_one_pipe_stay_whole():
    body = "for i in range(300): log.info('x' * 500, extra={'i': i})"
    done = shell('"$@" & "$@" & "$@"; wait', body)
    assert len([json.loads(line) for line in done.stderr.splitlines()]) == 900
