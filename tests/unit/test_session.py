"""Who is at work, and which time is meant, whatever the machine knows of its users."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
import typer

from monitor.session import moment

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become a user that has no entry")
def test_a_user_without_an_entry_has_a_number():
    program = "import getpass, os, pwd; from monitor.session import user; os.setuid(54321); print(user())"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env={"PATH": os.environ["PATH"]}, capture_output=True, timeout=60
    )
    assert (done.stdout, done.stderr) == (b"uid 54321\n", b"")


@pytest.mark.parametrize(
    "text", ["2026-11-16T06:00Z", "2026-11-16T06:00", "2026-11-16 06:00:00+00:00", "2026-11-16T07:00+01:00"]
)
def test_a_slot_is_in_utc_unless_it_says_otherwise(text):
    assert moment(text) == datetime(2026, 11, 16, 6, tzinfo=UTC)
    assert moment(text).tzinfo is UTC


def test_what_is_no_time_is_refused():
    with pytest.raises(typer.BadParameter, match="is no time in ISO 8601"):
        moment("monday")
