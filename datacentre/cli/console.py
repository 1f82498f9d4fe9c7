"""How commands speak: tables and progress for people, JSON for machines, one line for a failure."""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from decimal import Decimal
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import typer
from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from datacentre.errors import DataCentreError, SourceUnavailable

P = ParamSpec("P")
R = TypeVar("R")

_PIPED_WIDTH = 200
# Packages whose errors speak of the disk, the database or the broker, not of this program.
_OUTSIDE = frozenset({"_duckdb", "_internal", "cimpl", "confluent_kafka", "deltalake", "duckdb", "kafka", "sqlalchemy"})

out = Console(soft_wrap=True, width=None if sys.stdout.isatty() else _PIPED_WIDTH)
err = Console(stderr=True, soft_wrap=True)


def one_line_errors(command: Callable[P, R]) -> Callable[P, R]:
    """Turn a DataCentreError, or what disk, database or broker report, into one line and an exit code."""

    @wraps(command)
    def guarded(*arguments: P.args, **options: P.kwargs) -> R:
        try:
            return command(*arguments, **options)
        except DataCentreError as problem:
            err.print(f"[bold red]{type(problem).__name__}[/]: ", end="")
            err.print(str(problem), markup=False, highlight=False)
            raise typer.Exit(problem.exit_code) from None
        except KeyboardInterrupt:
            raise typer.Exit(130) from None
        except Exception as problem:
            if not isinstance(problem, OSError) and _package(problem) not in _OUTSIDE:
                raise  # a mistake of ours: its traceback is what helps
            err.print(f"[bold red]{type(problem).__name__}[/]: ", end="")
            said = getattr(problem, "orig", None) or problem  # SQLAlchemy adds the statement and its values
            err.print(" ".join(str(said).split()), markup=False, highlight=False)
            raise typer.Exit(SourceUnavailable.exit_code) from None

    return guarded


def _package(problem: Exception) -> str:
    return type(problem).__module__.partition(".")[0]


def print_json(value: Any) -> None:
    sys.stdout.write(json.dumps(value, default=_plain, ensure_ascii=False) + "\n")


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    return str(value)


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """One line per row; where that is wider than the terminal, one line per value."""
    cells = [[_cell(value) for value in row] for row in rows]
    if title:
        out.print(title, style="bold")
    widths = [max([len(name), *(len(row[n]) for row in cells)]) for n, name in enumerate(columns)]
    if sum(widths) + 2 * len(widths) > out.width:
        _print_records(columns, cells)
        return
    out.print(table_of(columns, rows))


def table_of(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> Table:
    """Numbers stand to the right; what doesn't fit the terminal is cut."""
    table = Table(header_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for position, name in enumerate(columns):
        values = [row[position] for row in rows if row[position] is not None]
        is_number = bool(values) and all(isinstance(v, int | float | Decimal) for v in values)
        table.add_column(name, justify="right" if is_number else "left", no_wrap=True)
    for row in rows:
        table.add_row(*(Text(_cell(value)) for value in row))
    return table


def _print_records(columns: Sequence[str], cells: Sequence[Sequence[str]]) -> None:
    width = max(len(name) for name in columns)
    for number, row in enumerate(cells, start=1):
        out.print(f"-- {number}", style="dim")
        for name, value in zip(columns, row, strict=True):
            out.print(f"{name:<{width}}  {value}", markup=False, highlight=False)


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}" if abs(value) >= 10_000 else str(value)
    return f"{value:.3f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


class Bar:
    """A progress bar on standard error; gone when its block ends."""

    def __init__(self, progress: Progress, task: TaskID):
        self._progress, self._task = progress, task

    def by(self, count: int) -> None:
        """So many more are done."""
        self._progress.advance(self._task, count)

    def to(self, count: int) -> None:
        """So many are done in all."""
        self._progress.update(self._task, completed=count)


@contextmanager
def progress_bar(label: str, total: int | None) -> Iterator[Bar]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True) as progress:
        yield Bar(progress, progress.add_task(label, total=total))
