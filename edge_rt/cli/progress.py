"""Progress of work that takes long, on standard error."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager

from rich.cells import cell_len
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    ProgressColumn,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Column

from edge_rt.cli.text import clean, size

_BAR = 60  # columns that a short bar and its figures take
_FIGURES = 36  # columns that bytes done, time passed and time left take


@contextmanager
def bar(
    doing: str, then: str | None = None, console: Console | None = None, *, lines: bool = False
) -> Generator[Callable[[int, int], None]]:
    """A bar on standard error that says `doing`, and `then` once it is full.

    Yields a function of the bytes done and the bytes in all. Where standard error is no
    terminal that can redraw a line nothing is shown, or with `lines` a line for each ten percent.
    """
    console = console or Console(stderr=True)
    if not console.is_interactive:  # many versions of rich write a blank line for a hidden bar
        yield _tenths(doing, console) if lines else lambda done, total: None
        return
    columns = _columns(room=console.width - cell_len(doing))
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(clean(doing), total=None)

        def show(done: int, total: int) -> None:
            now = then if then is not None and done >= total else doing
            progress.update(task, completed=done, total=total, description=clean(now))

        yield show


def _columns(room: int) -> Iterator[ProgressColumn]:
    """As many figures as `room` columns beside the words hold; at least share and time."""
    if room < _FIGURES:
        yield TaskProgressColumn()
        yield TimeElapsedColumn()
        folding = Column(overflow="fold")
        yield TextColumn("{task.description}", markup=False, table_column=folding)
        return
    yield TextColumn("{task.description}", markup=False)
    if room >= _BAR:
        yield BarColumn()
    yield DownloadColumn(binary_units=True)
    if room >= _BAR:
        yield TransferSpeedColumn()
    yield TimeElapsedColumn()
    yield TimeRemainingColumn()


def _tenths(doing: str, console: Console) -> Callable[[int, int], None]:
    shown = -1

    def show(done: int, total: int) -> None:
        nonlocal shown
        if (tenths := 10 * done // total) > shown:
            shown = tenths
            console.file.write(f"{clean(doing)}: {10 * tenths} % of {size(total)}\n")
            console.file.flush()

    return show


_WIDE = 80  # columns from which on there is room for a bar


@contextmanager
def progress(console: Console | None = None) -> Generator[Callable[[float, str], None]]:
    """On standard error a bar where that is a terminal, else a line for each new thing.

    Yields a function of the share that is done, 0 to 1, and of what is being done.
    """
    console = console or Console(stderr=True)
    if not console.is_interactive:
        yield _lines(console)
        return
    with Progress(
        *([BarColumn()] if console.width >= _WIDE else []),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}", markup=False, table_column=Column(overflow="fold")),
        console=console,
        transient=True,
    ) as bar:
        task = bar.add_task("", total=1.0)
        yield lambda done, doing: bar.update(task, completed=done, description=clean(doing))


def _lines(console: Console) -> Callable[[float, str], None]:
    before = ""

    def show(done: float, doing: str) -> None:
        nonlocal before
        if doing != before:
            before = doing
            console.file.write(f"{100 * done:3.0f} % {clean(doing)}\n")
            console.file.flush()

    return show
