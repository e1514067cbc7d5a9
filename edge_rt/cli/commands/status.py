"""edge-rt status and edge-rt ps: the daemon's state, and the models in memory."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import RenderableType

from edge_rt.cli.client import Client
from edge_rt.cli.document import pick, table, view
from edge_rt.cli.exits import CommandFailure, NoDaemon
from edge_rt.cli.options import daemon_socket, socket_option
from edge_rt.cli.shown import shown
from edge_rt.cli.tables import put_document
from edge_rt.cli.text import Json, member, members

_BOARD = ("id", "simulated", "power_w", "power_quality", "idle_w", "temp_c", "throttled")
_GOVERNOR = ("guard", "slowed", "spent_j")
_BUDGET = ("power_w", "temp_c", "energy_j", "energy_period")
_SHOWN = (
    *(f"board.{name}" for name in _BOARD),
    *(f"governor.{name}" for name in _GOVERNOR),
    *(f"governor.budget.{name}" for name in _BUDGET),
    *("engine.state", "requests", "queued", "tokens.completion", "uptime_s"),
    *("residents", "warm", "problems"),
)
_RESIDENT = (
    *("id", "backend", "size_bytes", "gpu_bytes", "gpu_simulated", "requests", "used_ago_s"),
    "loaded_ago_s",
)


def status_view(told: Json) -> RenderableType:
    """Return what matters most of the daemon's state: board, caps, work, models and problems."""
    health = member(told, "health")
    shown = {"health": health.get("message") or health.get("status")}
    shown |= pick(member(told, "status"), _SHOWN)
    return view(shown, residents=_RESIDENT, problems=("message", "fatal"))


def residents_table(residents: list[Json]) -> RenderableType:
    """Return the models in memory, a row each."""
    return table(residents, _RESIDENT) if residents else "No models are in memory."


@click.command()
@shown(lambda told: residents_table(told["models"]))
def ps(client: Client) -> Json:
    """List the models in memory.

    Each with its backend, the memory that it takes at most, the requests under way, and when it was
    last used and loaded. `edge-rt models list` shows all installed models.

    Example:
        edge-rt ps
    """
    return {"models": members(client.get("/edge/v1/status"), "residents")}


@click.command()
@socket_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object with everything.")
@click.pass_context
def status(ctx: click.Context, socket: Path | None, as_json: bool) -> None:
    """Show what the daemon is doing, and what is wrong.

    Ends with an exit code other than 0 when the daemon cannot answer. --json has everything that
    the daemon reports.

    Example:
        edge-rt status --json
    """
    with Client(daemon_socket(socket)) as client:
        health, code = proof(client)  # may wait for the engine's start, which changes the state
        state = client.get("/edge/v1/status")
    put_document({"status": state, "health": health}, status_view, as_json=as_json)
    ctx.exit(code)


def proof(client: Client) -> tuple[Json, int]:
    """Return what the daemon's health check said, and the exit code that it means."""
    try:
        return client.get("/health"), 0
    except NoDaemon:
        raise
    except CommandFailure as failure:
        return {"status": "failing", "message": failure.message}, failure.exit_code
