"""Structured logs on the standard library's `logging`: one line an event, JSON under systemd, readable on a terminal.

`setup` at a program's beginning; `bound(run=…, target=…)` around what belongs to a run. Then any
`logger.info("event", extra={…})`, of a library too, becomes a line. Nothing that reads the log can hold up the work.
"""

from monitor.logs.context import bound, bound_to
from monitor.logs.program import LogSettingError, be_silent_unless_set_up, setup, teardown, wanted

__all__ = ["LogSettingError", "be_silent_unless_set_up", "bound", "bound_to", "setup", "teardown", "wanted"]
