"""edge-rt ledger: what answers cost."""

from __future__ import annotations

from functools import partial

import click

from edge_rt.cli.client import Client
from edge_rt.cli.document import view
from edge_rt.cli.shown import shown
from edge_rt.cli.text import Json

COLUMNS = {
    "days": (
        *("day", "energy_j", "attributed_j", "unattributed_j", "quality", "covered_s"),
        "missing_s",
    ),
    "models": (
        *("day", "model", "energy_j", "requests", "unresolved", "prompt_tokens"),
        *("completion_tokens", "hits", "saved_j"),
    ),
    "last": (
        *("ended", "model", "energy_j", "seconds", "prompt_tokens", "completion_tokens"),
        *("power_w", "temp_c", "status", "quality", "mode", "partner", "saved_j", "answer_id"),
    ),
}


@click.command()
@click.option(
    "--days",
    type=click.IntRange(1, 3650),
    default=7,
    show_default=True,
    help="How many days to tell of, today included.",
)
@click.option(
    "--last",
    type=click.IntRange(0, 1000),
    default=10,
    show_default=True,
    help="How many of the newest requests to list.",
)
@shown(partial(view, **COLUMNS))
def ledger(client: Client, days: int, last: int) -> Json:
    """Show what answers cost, by day and by model, and the newest requests.

    Joules are those of the rails that form the board's supply. What the board draws anyway, and
    what no answer caused, is the rest. `edge-rt trace` takes the ids of requests.

    Example:
        edge-rt ledger --days 7 --last 5
    """
    return client.get(f"/edge/v1/ledger?days={days}&last={last}")
