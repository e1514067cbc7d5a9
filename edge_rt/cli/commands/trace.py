"""edge-rt trace: why a request was served as it was."""

from __future__ import annotations

from urllib.parse import quote

import click
from rich.console import Group, RenderableType
from rich.text import Text

from edge_rt.cli.client import Client
from edge_rt.cli.document import pairs, table
from edge_rt.cli.shown import shown
from edge_rt.cli.tables import PairTable
from edge_rt.cli.text import Json, members

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
