"""edge-rt router: what answers and marks have taught, and forgetting it."""

from __future__ import annotations

from pathlib import Path

import click

from edge_rt.cli.client import Client
from edge_rt.cli.forgetting import to_forget
from edge_rt.cli.views.router import router_table
from edge_rt.cli.where import daemon_socket, socket_option
from edge_rt.cli.words.figures import counted
from edge_rt.cli.words.paper import put_document


@click.group()
def router() -> None:
    """Show or forget what was learnt of the ways in which requests can be served."""


@router.command()
@socket_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def show(socket: Path | None, as_json: bool) -> None:
    """Show the marks of each model and mode by kind of prompt, and what answers took."""
    with Client(daemon_socket(socket)) as client:
        report = client.get("/edge/v1/router")
    put_document(report, router_table, as_json=as_json)


@router.command()
@socket_option
@click.option("--model", help="Only of the model of that id.")
@click.option("--mode", help='Only of that mode, as `show` names it: "switch:early".')
@click.option("--all", "everything", is_flag=True, help="All of it.")
def reset(socket: Path | None, model: str | None, mode: str | None, everything: bool) -> None:
    """Forget what was learnt: that which all of the options fit."""
    which = to_forget({"model": model, "mode": mode}, everything=everything)
    with Client(daemon_socket(socket)) as daemon:
        done = daemon.post("/edge/v1/router/reset", which)
    click.echo(f"{counted(done.get('arms'), 'row')} forgotten")
