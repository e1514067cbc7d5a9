"""edge-rt trace: why a request was served as it was."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import click
from rich.console import Group, RenderableType

from edge_rt.cli.client import Client
from edge_rt.cli.views.assessment import assessment_lines
from edge_rt.cli.views.learnt import learnt_lines
from edge_rt.cli.views.trace import trace_table
from edge_rt.cli.where import daemon_socket, socket_option
from edge_rt.cli.words.document import Json
from edge_rt.cli.words.figures import line, member, members, number
from edge_rt.cli.words.paper import output, put, put_simulated
from edge_rt.cli.words.tables import Prose


@click.command()
@click.argument("id")
@socket_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def trace(id: str, socket: Path | None, as_json: bool) -> None:
    """Say why a request was served as it was; ID is that of its answer.

    Every way to serve it is told with what it would have taken, the chosen one first and marked,
    and why the others were not; then how likely each model was to give a good answer, what speaks
    for and against that in log-odds, and what marks and answers have taught of such prompts. Only
    requests for which there was something to choose have a trace, and those that asked for one; the
    last 256 are kept.
    """
    with Client(daemon_socket(socket)) as client:
        found = client.get(f"/edge/v1/trace/{quote(id, safe='')}")
    if as_json:
        click.echo(json.dumps(found))
        return
    put_simulated(found)
    put(output(), Group(*trace_view(found)))


def trace_view(found: Json) -> Iterator[RenderableType]:
    """All of a trace: the reason, the candidates, and what is known of the prompt and the board."""
    considered = members(found, "considered")
    yield Prose(f"{line(found.get('why'))}\n")
    yield trace_table(considered)
    if assessed := member(found, "assessed"):
        yield Prose("\n" + "\n".join(assessment_lines(assessed)))
    yield from map(Prose, learnt_lines(considered))
    if (phi := number(found.get("phi"))) is not None:
        source = " (leakage assumed)" if found.get("phi_source") == "assumed" else ""
        words = "what leakage leaves of the chip's power, as warm as it was"
        yield Prose(f"\nPhi {phi:.2f}{source}: {words}")
