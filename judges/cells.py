"""Texts as cells of a spreadsheet: what would be run there as a formula has an apostrophe in front of it; pure.

A spreadsheet computes a cell that begins with =, +, - or @ (or with a tab or line end before one), and what a model
wrote could send what else is on the sheet elsewhere. The apostrophe is taken off again where labels are read.
"""

from __future__ import annotations

import re

_RISKY = re.compile(r"'*[\s\ufeff]*[=+\-@\uff1d\uff0b\uff0d\uff20]")
MARK = "'"


def guarded(text: str) -> str:
    """`text` fit for a cell; `unguarded` gives it back."""
    return f"{MARK}{text}" if _RISKY.match(text) else text


def unguarded(cell: str) -> str:
    """What `guarded` was given; any other text as it is."""
    return cell[1:] if cell.startswith(MARK) and _RISKY.match(cell[1:]) else cell
