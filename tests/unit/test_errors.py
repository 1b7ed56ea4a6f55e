"""Errors that a person can mend become a message, with no character that moves a terminal, and an exit code."""

from __future__ import annotations

import unicodedata

import pytest

from monitor import errors
from monitor.collect import CollectError, DeclinedError
from monitor.replay.runner import RunInterruptedError
from monitor.rounds import NothingToRunError
from monitor.stats.spec import GapTooSmallError
from monitor.store.database import DatabaseError
from monitor.store.lock import LockedError


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (CollectError("provider: \x1b[2J \x9b31m \u202egnp.exe \ud800"), 1, "provider: "),
        (DatabaseError("the disk is full"), 1, "the disk is full"),
        (LockedError("another heldout run"), 1, "another heldout run"),
        (GapTooSmallError(2.0, 4.5, 300), 2, "the smallest gap that works is 4.5"),
        (NothingToRunError("no slot"), 2, "no slot"),
        (DeclinedError(), 1, "Nothing more is asked"),
        (RunInterruptedError(), 1, "the same command goes on"),
        (KeyboardInterrupt(), 1, "Stopped at once"),
    ],
)
def test_errors_become_a_message_and_an_exit_code(error, code, said):
    assert isinstance(error, errors.expected())
    assert errors.exit_code(error) == code
    assert said in errors.message(error)
    assert [c for c in errors.message(error) if unicodedata.category(c) in ("Cc", "Cf", "Cs")] == []


def test_a_mistake_in_the_program_is_not_explained_away():
    assert not isinstance(ValueError("a bug"), errors.expected())
