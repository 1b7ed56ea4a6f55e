"""The command within the test's own process: many verbs in the time that one process takes to start."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from monitor import cli, errors


@dataclass(frozen=True)
class Result:
    """How it ended, and what it said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def said(self) -> str:
        """Both outputs in one line each, so that a sentence is found wherever it was wrapped."""
        return " ".join(self.out.split()) + "\n" + " ".join(self.err.split())


@dataclass
class Command:
    """`heldout` in a folder with a config.toml; nobody sits at a terminal."""

    folder: Path
    capsys: pytest.CaptureFixture[str]

    def __call__(self, *arguments: str, code: int = 0) -> Result:
        self.capsys.readouterr()
        try:
            cli.app([*arguments, "--config", str(self.folder / "config.toml")], prog_name="heldout")
        except SystemExit as end:
            found, message = end.code, ""
        except errors.expected() as error:
            found, message = errors.exit_code(error), f"{errors.message(error)}\n"
        said = self.capsys.readouterr()
        result = Result(found or 0, said.out, said.err + message)
        assert result.code == code, f"exit {result.code}\n--- out\n{result.out}\n--- err\n{result.err}"
        return result
