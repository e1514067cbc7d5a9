"""edge-rt ps: the models in memory."""

from __future__ import annotations

import json
from pathlib import Path

import click

from edge_rt.cli.client import Client
from edge_rt.cli.views.status import residents_table
from edge_rt.cli.where import daemon_socket, socket_option
from edge_rt.cli.words.figures import members
from edge_rt.cli.words.paper import output, put


@click.command()
@socket_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def ps(socket: Path | None, as_json: bool) -> None:
    """List the models in memory.

    Each with its backend, the memory that it takes at most, the requests under way, and when it was
    last used and loaded. `edge-rt models list` shows all installed models.
    """
    with Client(daemon_socket(socket)) as client:
        residents = members(client.get("/edge/v1/status"), "residents")
    if as_json:
        click.echo(json.dumps({"models": residents}))
    else:
        put(output(), residents_table(residents))
