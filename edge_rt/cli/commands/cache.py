"""edge-rt cache: what is kept of answers and prompts, and forgetting it."""

from __future__ import annotations

from pathlib import Path

import click

from edge_rt.cli.client import Client
from edge_rt.cli.document import view
from edge_rt.cli.options import Range, daemon_socket, socket_option
from edge_rt.cli.shown import shown
from edge_rt.cli.text import Json, counted


@click.group()
def cache() -> None:
    """Show or forget kept answers and beginnings of prompts.

    Answers are given again to the very same question, and beginnings of prompts need not be read
    again.
    """


@cache.command()
@shown(view)
def show(client: Client) -> Json:
    """Show how much is kept, of which model and for whom, and what that saved.

    Example:
        edge-rt cache show
    """
    return client.get("/edge/v1/cache")


@cache.command()
@socket_option
@click.option("--model", help="Only those of the model of that id.")
@click.option("--client", help='Only those for that client, as `show` names it: "uid:1000".')
@click.option(
    "--older", "older_s", type=Range(0, 1e9), help="Only those that are older, in seconds."
)
@click.option("--all", "everything", is_flag=True, help="All of them.")
def purge(
    socket: Path | None,
    model: str | None,
    client: str | None,
    older_s: float | None,
    everything: bool,
) -> None:
    """Forget answers and beginnings of prompts: those that all of the options fit.

    Example:
        edge-rt cache purge --older 86400
    """
    said: Json = {"model": model, "client": client, "older_s": older_s}
    which = {name: value for name, value in said.items() if value is not None}
    if which and everything:
        raise click.UsageError(
            "--all forgets everything: leave it out, or what is named beside it."
        )
    if not which and not everything:
        raise click.UsageError("Say what to forget, or --all.")
    with Client(daemon_socket(socket)) as daemon:
        purged = daemon.post("/edge/v1/cache/purge", which)
    gone = counted(purged.get("answers"), "answer")
    if purged.get("prefixes"):
        gone += f" and {counted(purged.get('prefixes'), 'beginning')} of prompts"
    click.echo(f"{gone} forgotten")
