"""How far something has come that takes a minute or many."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Column

from edge_rt.cli.words.clean import clean

_WIDE = 80  # columns from which on there is room for a bar


@contextmanager
def progress(console: Console | None = None) -> Generator[Callable[[float, str], None]]:
    """On standard error a bar where that is a terminal, else a line for each new thing.

    Gives what is to be called with the share that is done, 0 to 1, and what is being done.
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
