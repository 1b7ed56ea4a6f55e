"""The progress bar: on a terminal alone, with rate, time left and cost."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from monitor.replay.runner import Tally

# Answers come faster than a bar can be read.
_EVERY = 0.1


class Watch:
    """Called with a stage's label and tally after every answer; shows nothing where there is no terminal."""

    def __init__(self, bar: Progress | None) -> None:
        self._bar = bar
        self._tasks: dict[str, TaskID] = {}
        self._shown: dict[str, float] = {}

    def __call__(self, label: str, tally: Tally) -> None:
        """Show how a stage is getting on."""
        if self._bar is None:
            return
        done, now = tally.answered + tally.failed, time.monotonic()
        if label not in self._tasks:
            self._tasks[label] = self._bar.add_task(label, total=tally.total, spent="")
        elif done < tally.total and now - self._shown.get(label, 0.0) < _EVERY:
            return
        self._shown[label] = now
        failed = f" · {tally.failed} failed" if tally.failed else ""
        spent = f"{tally.usd:.2f} USD{failed}" if tally.usd else failed.removeprefix(" · ")
        self._bar.update(self._tasks[label], completed=done, spent=spent)

    def pause(self) -> AbstractContextManager[None]:
        """While something is asked on the terminal, the bar stands aside."""
        return self._paused() if self._bar is not None else nullcontext()

    @contextmanager
    def _paused(self) -> Iterator[None]:
        assert self._bar is not None  # noqa: S101 - pause() looked
        self._bar.stop()
        try:
            yield
        finally:
            self._bar.start()


@contextmanager
def progress() -> Iterator[Watch]:
    """A watch for as long as something runs."""
    if not sys.stderr.isatty():
        yield Watch(None)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn
    from rich.text import Text

    class Rate(ProgressColumn):
        """Answers a second."""

        def render(self, task: object) -> Text:
            speed = getattr(task, "speed", None)
            return Text(f"{speed:.1f}/s" if speed else "", style="progress.data.speed")

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        Rate(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[spent]}", markup=False),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        yield Watch(bar)
