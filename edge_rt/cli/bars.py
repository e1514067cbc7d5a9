"""Progress bars for work on large files."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from edge_rt.cli.clean import clean


@contextmanager
def bar(
    doing: str, then: str | None = None, console: Console | None = None
) -> Generator[Callable[[int, int], None]]:
    """A bar on standard error that says `doing`, and `then` once it is full.

    Gives what is to be called with the bytes done and the bytes in all. Shows nothing where
    standard error is no terminal that can redraw a line.
    """
    console = console or Console(stderr=True)
    if not console.is_interactive:  # many versions of rich write a blank line for a hidden bar
        yield lambda done, total: None
        return
    with Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    ) as progress:
        task = progress.add_task(clean(doing), total=None)

        def show(done: int, total: int) -> None:
            words = then if then is not None and done >= total else doing
            progress.update(task, completed=done, total=total, description=clean(words))

        yield show
