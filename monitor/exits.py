"""The exit codes of the command."""

from __future__ import annotations

PASS, FAILED, USAGE, INVESTIGATE, INCONCLUSIVE, ROLLBACK = range(6)
OF_VERDICT = {"pass": PASS, "investigate": INVESTIGATE, "inconclusive": INCONCLUSIVE, "rollback": ROLLBACK}
