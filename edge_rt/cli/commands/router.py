"""edge-rt router and edge-rt trace: the marks of answers, and why a model was chosen."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import click
from rich.console import Group, RenderableType
from rich.text import Text

from edge_rt.cli.client import Client
from edge_rt.cli.document import pairs, table, view
from edge_rt.cli.options import daemon_socket, socket_option, to_forget
from edge_rt.cli.shown import shown
from edge_rt.cli.tables import PairTable
from edge_rt.cli.text import Json, counted, members

_SETTING = "candidate.setting"
_CONSIDERED = (
    *(f"{_SETTING}.{name}" for name in ("variant", "threads", "mode", "partner")),
    *(f"candidate.{name}" for name in ("seconds", "energy_j", "power_w", "quality")),
    *("candidate.error_ratio", "candidate.basis", "candidate.backend", "candidate.quantisation"),
    *("candidate.loaded", f"{_SETTING}.gpu_layers", f"{_SETTING}.kv_type"),
    *("candidate.prompt_tokens", "candidate.completion_tokens", "reason"),
)


def trace_view(found: Json) -> RenderableType:
    """Return a trace: the reason and what else is known, then every candidate."""
    considered = [
        one | {"chosen": one.get("state") == "chosen"} for one in members(found, "considered")
    ]
    return Group(PairTable(pairs(found)), Text(""), table(considered, _CONSIDERED, marked="chosen"))


@click.command()
@click.argument("id")
@shown(trace_view)
def trace(client: Client, id: str) -> Json:
    """Say why a request was served as it was; ID is that of its answer.

    Every way to serve it is told with what it would have taken, the chosen one first and marked,
    and why the others were not. Only requests for which there was something to choose have a trace,
    and those that asked for one; the last 256 are kept.

    Example:
        edge-rt trace chatcmpl-5f1c
    """
    return client.get(f"/edge/v1/trace/{quote(id, safe='')}")


@click.group()
def router() -> None:
    """Show or forget the marks of answers."""


@router.command()
@shown(view)
def show(client: Client) -> Json:
    """Show the marks of each model and mode; they decide nothing.

    Example:
        edge-rt router show
    """
    return client.get("/edge/v1/router")


@router.command()
@socket_option
@click.option("--model", help="Only of the model of that id.")
@click.option("--mode", help='Only of that mode, as `show` names it: "switch:ead".')
@click.option("--all", "everything", is_flag=True, help="All of it.")
def reset(socket: Path | None, model: str | None, mode: str | None, everything: bool) -> None:
    """Forget the marks of the model and mode that the options name.

    Example:
        edge-rt router reset --model smollm2-135m-instruct
    """
    which = to_forget({"model": model, "mode": mode}, everything=everything)
    with Client(daemon_socket(socket)) as daemon:
        done = daemon.post("/edge/v1/router/reset", which)
    click.echo(f"{counted(done.get('models'), 'row')} forgotten")
