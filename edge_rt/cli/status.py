"""edge-rt status: what the daemon is doing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from edge_rt.cli.clean import clean
from edge_rt.cli.client import Client, Json
from edge_rt.cli.exits import Failure, NoDaemon
from edge_rt.cli.quantity import readable
from edge_rt.cli.where import daemon_socket, socket_option


@click.command()
@socket_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def status(ctx: click.Context, socket: Path | None, as_json: bool) -> None:
    """Show what the daemon is doing, and whether it can answer.

    Ends with an exit code other than 0 when it cannot.
    """
    with Client(daemon_socket(socket)) as client:
        state = client.get("/edge/v1/status")
        health, code = proof(client)
    if as_json:
        click.echo(json.dumps({"status": state, "health": health}))
    else:
        _show(state | {"health": health})
    ctx.exit(code)


def proof(client: Client) -> tuple[Json, int]:
    """What the daemon's health check said, and the exit code that it means."""
    try:
        return client.get("/health"), 0
    except NoDaemon:
        raise
    except Failure as failure:
        return {"status": "failing", "message": failure.message}, failure.exit_code


def _show(state: Json) -> None:
    console = Console()
    if console.is_terminal:
        console.print(table(state))
        return
    found = [(clean(name), clean(value)) for name, value in rows("", state)]
    longest = max(len(name) for name, _ in found)
    for name, value in found:  # a program reads it: every row is a line of its own
        click.echo(f"{name:<{longest}}  {value}")


def table(state: Json) -> Table:
    """Two columns: the dotted name of each value, and the value as people read it."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column()
    grid.add_column(overflow="fold")
    for name, value in rows("", state):
        # Text, not str: what the daemon says is never markup.
        grid.add_row(Text(clean(name), style="bold"), Text(clean(value)))
    return grid


def rows(prefix: str, value: object) -> Iterator[tuple[str, str]]:
    """`value` flattened; a list's items are named by their id, else by their place."""
    if isinstance(value, dict):
        for name, inner in cast(Json, value).items():
            yield from rows(f"{prefix}.{name}" if prefix else name, inner)
        return
    items = cast("list[object]", value) if isinstance(value, list) else []
    if items and all(isinstance(item, dict) for item in items):
        for place, item in enumerate(cast("list[Json]", items)):
            yield from rows(f"{prefix}[{item.get('id', place)}]", item)
    else:
        yield prefix, readable(prefix, cast(object, value))
