"""What the user sees in the terminal: stages, progress, tables."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Console as RichConsole
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from rich.progress import TaskID


@dataclass(frozen=True, slots=True)
class Bar:
    """A progress bar in use."""

    _progress: Progress
    _task: "TaskID"

    def advance(self, steps: int = 1, *, note: str = "") -> None:
        """Move the bar, and say beside it how things stand."""
        self._progress.update(self._task, advance=steps, note=note)

    def at(self, done: int, total: int, *, note: str = "") -> None:
        """Set the bar to `done` of `total`."""
        self._progress.update(self._task, completed=done, total=total, note=note)


def printable(text: str) -> str:
    """Replace control characters, with which untrusted text could steer a terminal."""
    return "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text)


class Console:
    """Plain lines and progress bars. Text of agents and teachers is never markup here."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._rich = RichConsole(quiet=quiet, highlight=False)

    def say(self, text: str, *, style: str = "") -> None:
        """Print one line."""
        self._rich.print(Text(printable(text), style=style))

    @contextmanager
    def bar(self, label: str, total: int | None) -> Iterator[Bar]:
        """Show a progress bar while the enclosed work runs."""
        columns = (
            TextColumn("  {task.description}", markup=False),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}", markup=False),
        )
        with Progress(*columns, console=self._rich) as progress:
            yield Bar(progress, progress.add_task(label.ljust(28), total=total, note=""))

    def table(self, title: str, columns: list[str], rows: list[list[str]]) -> None:
        """Print a table; all but the first column are aligned to the right."""
        table = Table(title=Text(printable(title)), title_justify="left", title_style="bold")
        for number, name in enumerate(columns):
            table.add_column(Text(printable(name)), justify="left" if number == 0 else "right")
        for row in rows:
            table.add_row(*(Text(printable(cell)) for cell in row))
        self._rich.print(table)
