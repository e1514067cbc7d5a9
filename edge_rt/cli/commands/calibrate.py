"""edge-rt calibrate: measure what the board does, so that predictions hold."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import click

from edge_rt.cli.client import Client
from edge_rt.cli.exits import Failure
from edge_rt.cli.progress import progress
from edge_rt.cli.views.calibration import calibration_tables
from edge_rt.cli.where import daemon_socket, socket_option
from edge_rt.cli.words.document import Json
from edge_rt.cli.words.figures import line, number
from edge_rt.cli.words.paper import put_document


@click.command()
@socket_option
@click.option("--quick", is_flag=True, help="Within a minute: the default model, fewer runs.")
@click.option("-m", "--model", help="Only this model; all of them otherwise.")
@click.option("--force", is_flag=True, help="Although other programs keep the board busy.")
@click.option("--show", is_flag=True, help="Measure nothing: show what is known.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def calibrate(
    socket: Path | None, quick: bool, model: str | None, force: bool, show: bool, as_json: bool
) -> None:
    """Measure ceilings, speeds and watts of the board and its models.

    Predictions, plans and the governor rest on it. The board must be cool and have nothing else
    to do; other requests are refused meanwhile. Ctrl-C ends it, and what was not complete is not
    kept.
    """
    if show and (quick or model is not None or force):
        raise click.UsageError("--show measures nothing: leave the other options out.")
    with Client(daemon_socket(socket)) as client:
        if show:
            found = client.get("/edge/v1/calibration")
        else:
            body: Json = {"quick": quick, "force": force}
            found = _measure(client, body if model is None else body | {"model": model})
    put_document(found, calibration_tables, as_json=as_json)


def _measure(client: Client, body: Json) -> Json:
    """What was found in the end; Failure with the reason where nothing was."""
    with progress() as tell, closing(client.events("/edge/v1/calibrate", body)) as events:
        for event in events:
            if event.get("type") == "progress":
                tell(number(event.get("done")) or 0.0, line(event.get("doing")))
            elif event.get("type") == "refused":
                raise Failure(f"not calibrated: {line(event.get('reason'))}")
            else:
                return event
    raise Failure("the daemon told nothing of what it found")
