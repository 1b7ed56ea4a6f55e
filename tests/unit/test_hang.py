"""A process whose event loop stands still ends by itself and says where; one that works does not."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import asyncio, time
from monitor.hang import ends_when_it_hangs
turns = []
async def main():
    async with ends_when_it_hangs(lambda: turns.append(1), after=1.5):
        {work}
    print("ended well", len(turns))
def stand_still():
    time.sleep(60)
asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("work", "code"), [("await asyncio.sleep(3)", 0), ("stand_still()", 1), ("(0x7fffffff).__pow__(10**8)", 1)]
)
def test_a_loop_that_stands_still_ends_the_process(work, code):
    began = time.monotonic()
    program = PROGRAM.format(work=work)
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == code, done.stderr
    if code == 0:
        assert "ended well" in done.stdout
        assert done.stderr == ""
    else:
        assert time.monotonic() - began < 30
        assert "Timeout" in done.stderr
        assert "in main" in done.stderr
