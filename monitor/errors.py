"""Errors that a person can mend, and the exit code of each: they become a message, never a traceback."""

from __future__ import annotations

import asyncio

from monitor.exits import FAILED, USAGE


def expected() -> tuple[type[BaseException], ...]:
    """The errors that are explained. Called when one has been raised: until then none of these modules is needed."""
    return tuple(_codes())


def exit_code(error: BaseException) -> int:
    """1 failed, or 2 usage or configuration."""
    from monitor.web.server import ListenError

    if isinstance(error, ListenError):
        return error.exit_code
    return next(code for kind, code in _codes().items() if isinstance(error, kind))


def message(error: BaseException) -> str:
    """What to print."""
    from monitor.collect import DeclinedError
    from monitor.replay.runner import RunInterruptedError

    if isinstance(error, DeclinedError):
        return "Nothing more is asked. What was answered so far is stored; the same command goes on with it."
    if isinstance(error, RunInterruptedError):
        return "Stopped. Every answer is stored; the same command goes on, and asks only for what is missing."
    if isinstance(error, (KeyboardInterrupt, asyncio.CancelledError)):
        return "Stopped at once. What was answered is stored; the same command goes on."
    from monitor.show import plain

    # A provider's own words may stand in it.
    return plain(str(error))


def _codes() -> dict[type[BaseException], int]:
    from alerts.incident import NotAllowedError
    from judges.labels import LabelError
    from judges.rubric_file import RubricError
    from monitor.collect import CollectError, DeclinedError
    from monitor.config.faults import FaultsError
    from monitor.config.secrets import SecretError
    from monitor.incidents.office import RefusedError, UnknownError
    from monitor.judge_run import JudgeError
    from monitor.logs import LogSettingError
    from monitor.replay.runner import RunInterruptedError
    from monitor.rounds import NothingToRunError
    from monitor.stats.spec import ThresholdError
    from monitor.store.database import DatabaseError
    from monitor.store.leases import LeaseLostError
    from monitor.store.lock import LockedError
    from monitor.targets.build import TargetConfigError
    from monitor.web.server import ListenError

    return {
        FaultsError: USAGE,
        SecretError: USAGE,
        LogSettingError: USAGE,
        TargetConfigError: USAGE,
        ThresholdError: USAGE,
        NothingToRunError: USAGE,
        RubricError: USAGE,
        LabelError: USAGE,
        UnknownError: USAGE,
        NotAllowedError: FAILED,
        RefusedError: FAILED,
        JudgeError: FAILED,
        DatabaseError: FAILED,
        LockedError: FAILED,
        ListenError: USAGE,
        LeaseLostError: FAILED,
        CollectError: FAILED,
        DeclinedError: FAILED,
        RunInterruptedError: FAILED,
        KeyboardInterrupt: FAILED,
        asyncio.CancelledError: FAILED,
    }
