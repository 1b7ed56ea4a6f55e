"""A daemon's child and its parent: the configuration comes on standard input, which ends with the parent."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from monitor.config.faults import ConfigError, Fault
from monitor.config.load import load_config

if TYPE_CHECKING:
    from monitor.config.models import Config

logger = logging.getLogger(__name__)

_STDIN = 0
# Where memory runs out, the kernel ends the process with the highest number: the child, whose work goes on later.
_FIRST_TO_GO = "500"


def configuration(path: Path) -> Config:
    """The configuration that the parent holds for good, as of the file `path`; raises ConfigError."""
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_FIRST_TO_GO, encoding="ascii")
    line = bytearray()
    while not line.endswith(b"\n") and (part := os.read(_STDIN, 65_536)):
        line += part
    try:
        content = json.loads(line)["config"].encode("utf-8", "surrogateescape")
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ConfigError([Fault(path, "was not handed over: --as-child is for `heldout serve` alone")]) from None
    return load_config(path, os.environ, content)


def stop_when_gone(stop: asyncio.Event) -> None:
    """Set `stop` when the parent's end of standard input is closed; call it in the event loop."""
    loop = asyncio.get_running_loop()

    def look() -> None:
        if not os.read(_STDIN, 1024):
            loop.remove_reader(_STDIN)
            logger.warning("the daemon is gone: this run stops, and the next one goes on with it")
            stop.set()

    loop.add_reader(_STDIN, look)
