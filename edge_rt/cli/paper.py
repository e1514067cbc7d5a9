"""Tables on standard output: on a terminal in its width, elsewhere in lines that are not cut."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable

import click
from rich.console import Console, RenderableType

from edge_rt.cli.document import Json

_UNBOUNDED = 1 << 14  # columns


def terminal() -> Console:
    """The console on standard output; a character that its encoding lacks becomes a "?"."""
    if reconfigure := getattr(sys.stdout, "reconfigure", None):
        reconfigure(errors="replace")
    return Console(highlight=False)


def output() -> Console:
    """The same for tables, as wide as they want to be where it is no terminal."""
    console = terminal()
    if not console.is_terminal:
        console.width = _UNBOUNDED  # a program reads it: every row on a line of its own
    return console


def put(console: Console, content: RenderableType) -> None:
    """Show `content`; where no terminal shows it, without the blanks that fill a table."""
    if console.is_terminal:
        console.print(content)
        return
    with console.capture() as captured:
        console.print(content)
    lines = captured.get().split("\n")
    console.file.write("\n".join(text.rstrip() for text in lines))
    console.file.flush()


def put_document(document: Json, table: Callable[[Json], RenderableType], *, as_json: bool) -> None:
    """Show what the daemon said as `table` draws it, or as one JSON object."""
    if as_json:
        click.echo(json.dumps(document))
    else:
        put(output(), table(document))
