"""Tables on standard output: on a terminal in its width, elsewhere in lines that are not cut."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable

import click
from rich.console import Console, RenderableType
from rich.text import Text

from edge_rt.cli.words.document import Json
from edge_rt.cli.words.figures import simulated

_UNBOUNDED = 1 << 14  # columns


class _Console(Console):
    """Has the command end as all others do where nobody reads the output any more."""

    def on_broken_pipe(self) -> None:
        """See Console."""
        raise BrokenPipeError


def terminal() -> Console:
    """The console on standard output; a character that its encoding lacks becomes a "?"."""
    if reconfigure := getattr(sys.stdout, "reconfigure", None):
        reconfigure(errors="replace")
    return _Console(highlight=False)


def output() -> Console:
    """The same for tables, as wide as they want to be where it is no terminal."""
    console = terminal()
    if not console.is_terminal:
        console.width = _UNBOUNDED  # a program reads it: every row on a line of its own
    return console


def put(console: Console, content: RenderableType) -> None:
    """Show `content`; a word that is longer than the terminal is wide goes on in its next line."""
    console.print(content, crop=False, overflow="ignore")


def put_document(document: Json, table: Callable[[Json], RenderableType], *, as_json: bool) -> None:
    """Show what the daemon said as `table` draws it, or as one JSON object."""
    if as_json:
        click.echo(json.dumps(document))
    else:
        put_simulated(document)
        put(output(), table(document))


def put_simulated(document: Json) -> None:
    """Say so where the figures that follow are a simulated board's."""
    if (words := simulated(document)) is not None:
        put(output(), Text(f"{words}\n"))
