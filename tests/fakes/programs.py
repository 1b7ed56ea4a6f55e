"""What tests need and a machine may not have: a test that lacks it is skipped, but fails in CI, where all is there."""

from __future__ import annotations

import os
import shutil
from typing import NoReturn

import pytest


def lacking(why: str) -> NoReturn:
    """Skip the test, or fail it where CI is set."""
    if os.environ.get("CI", "").lower() in ("1", "true"):
        pytest.fail(why)
    pytest.skip(why)


def installed(*names: str, package: str) -> list[str]:
    """The paths of programs, all of which the test needs."""
    missing = [name for name in names if shutil.which(name) is None]
    if missing:
        lacking(f"{', '.join(missing)} not installed (Debian package {package})")
    return [str(shutil.which(name)) for name in names]
