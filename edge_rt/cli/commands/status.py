"""edge-rt status: what the daemon is doing."""

from __future__ import annotations

import json
from pathlib import Path

import click

from edge_rt.cli.client import Client
from edge_rt.cli.exits import Failure, NoDaemon
from edge_rt.cli.views.status import status_table
from edge_rt.cli.where import daemon_socket, socket_option
from edge_rt.cli.words.document import Json
from edge_rt.cli.words.paper import output, put


@click.command()
@socket_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object with everything.")
@click.pass_context
def status(ctx: click.Context, socket: Path | None, as_json: bool) -> None:
    """Show in six lines what the daemon is doing, and what is wrong.

    Ends with an exit code other than 0 when the daemon cannot answer. `edge-rt ps` lists the models
    in memory, and --json has everything that the daemon reports.
    """
    with Client(daemon_socket(socket)) as client:
        health, code = proof(client)  # may wait for the engine's start, which changes the state
        state = client.get("/edge/v1/status")
    if as_json:
        click.echo(json.dumps({"status": state, "health": health}))
    else:
        put(output(), status_table(state, health))
    ctx.exit(code)


def proof(client: Client) -> tuple[Json, int]:
    """What the daemon's health check said, and the exit code that it means."""
    try:
        return client.get("/health"), 0
    except NoDaemon:
        raise
    except Failure as failure:
        return {"status": "failing", "message": failure.message}, failure.exit_code
