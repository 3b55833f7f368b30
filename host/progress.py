"""Progress on the terminal: a board of steps, several of which may run at once.

On a terminal the board is redrawn in place; elsewhere (CI, a pipe) each change is one line.
Everything is also written to a log file.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

LINE_INTERVAL = 5.0  # seconds between lines of one step where the board cannot be redrawn


def wide_console() -> Console:
    """Standard output. Tables are not squeezed into 80 columns when it is not a terminal."""
    console = Console()
    return console if console.is_terminal else Console(width=140)


@dataclass
class Step:
    """One line of the board; `say` may be called from any thread."""

    title: str
    board: Board
    began: float = field(default_factory=time.monotonic)
    ended: float | None = None
    failed: bool = False
    detail: str = ""
    _last_line: float = 0.0

    @property
    def seconds(self) -> float:
        return (self.ended or time.monotonic()) - self.began

    def say(self, detail: str) -> None:
        """Replace the text beside the title."""
        lines = detail.strip().splitlines()
        if lines and lines[-1] != self.detail:
            self.detail = lines[-1]
            self.board.changed(self)


class Board:
    """Context manager that shows steps while they run."""

    def __init__(self, console: Console, log: Path) -> None:
        self.console = console
        self.steps: list[Step] = []
        self.log_path = log
        self._log: TextIO | None = None
        self._lock = threading.Lock()
        self._live: Live | None = None

    def __enter__(self) -> Self:
        self.log_path.parent.mkdir(parents=True, exist_ok=True)
        self._log = self.log_path.open("a", encoding="utf-8")
        if self.console.is_terminal:
            self._live = Live(self, console=self.console, refresh_per_second=8)
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live:
            self._live.stop()
        if self._log:
            self._log.close()
            self._log = None

    @contextmanager
    def step(self, title: str) -> Iterator[Step]:
        """Show `title` until the block ends; an exception marks the step as failed."""
        step = Step(title, self)
        with self._lock:
            self.steps.append(step)
        self.changed(step, force=True)
        try:
            yield step
        except BaseException:
            step.failed = True
            raise
        finally:
            step.ended = time.monotonic()
            self.changed(step, force=True)

    def changed(self, step: Step, *, force: bool = False) -> None:
        """Write the step to the log and, where the board is not redrawn, to the console."""
        state = "FAILED" if step.failed else "done" if step.ended else "..."
        line = f"{step.seconds:6.1f}s  {step.title}: {state} {step.detail}".rstrip()
        with self._lock:
            if self._log:
                self._log.write(f"{time.strftime('%H:%M:%S')} {line}\n")
                self._log.flush()
            now = time.monotonic()
            if self._live is None and (force or now - step._last_line > LINE_INTERVAL):
                step._last_line = now if step.detail else 0.0  # what it begins with is news
                self.console.print(line, markup=False, emoji=False, highlight=False, soft_wrap=True)

    def __rich__(self) -> Table:
        table = Table.grid(padding=(0, 1))
        table.add_column(width=1)
        table.add_column(no_wrap=True)
        table.add_column(justify="right", style="dim")
        table.add_column(ratio=1, no_wrap=True, overflow="ellipsis", style="dim")
        for step in list(self.steps):
            mark: Text | Spinner
            if step.failed:
                mark = Text("✗", style="bold red")
            elif step.ended:
                mark = Text("✓", style="green")
            else:
                mark = Spinner("dots", style="cyan")
            table.add_row(mark, step.title, f"{step.seconds:.1f} s", step.detail)
        return table
