"""edge-rt calibrate: measure what the board does, so that predictions hold."""

from __future__ import annotations

from pathlib import Path

import click

from edge_rt.cli.against_meter import compare, put_fit
from edge_rt.cli.client import Client
from edge_rt.cli.document import view
from edge_rt.cli.options import daemon_socket, socket_option
from edge_rt.cli.progress import calibrated
from edge_rt.cli.tables import put_document
from edge_rt.cli.text import Json, members, note

_NONE = "Nothing is calibrated: edge-rt calibrate --quick"


@click.command()
@socket_option
@click.option("--quick", is_flag=True, help="Within a minute: the default model, fewer runs.")
@click.option("-m", "--model", help="Only this model; all of them otherwise.")
@click.option("--force", is_flag=True, help="Although other programs keep the board busy.")
@click.option("--show", is_flag=True, help="Measure nothing: show what is known.")
@click.option(
    "--meter",
    "readings",
    type=click.IntRange(min=2),
    metavar="READINGS",
    help="Compare the power sensors with a wall or USB meter, of which you type so many readings.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def calibrate(
    *,
    socket: Path | None,
    quick: bool,
    model: str | None,
    force: bool,
    show: bool,
    readings: int | None,
    as_json: bool,
) -> None:
    """Measure speeds and watts of the models on this board.

    Predictions, plans and the governor rest on it. The board must be cool and have nothing else
    to do; other requests are refused meanwhile. Ctrl-C ends it; measurements
    that are not complete are not kept. With --meter nothing is measured but power: at rest, at
    work, and so on by turns, each time as your meter reads it and as the sensors do.

    Example:
        edge-rt calibrate --quick
        edge-rt calibrate --meter 4
    """
    if show and (quick or model is not None or force):
        raise click.UsageError("--show measures nothing: leave the other options out.")
    if readings is not None:
        if quick or show or force:
            raise click.UsageError("--meter goes with --model and --json alone.")
        put_fit(compare(daemon_socket(socket), readings, model), as_json=as_json)
        return
    with Client(daemon_socket(socket)) as client:
        if show:
            found = client.get("/edge/v1/calibration")
        else:
            body: Json = {"quick": quick, "force": force}
            found = calibrated(client, body if model is None else body | {"model": model})
    put_document(found, view, as_json=as_json)
    if not members(found, "models"):
        note(_NONE)
