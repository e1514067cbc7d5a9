"""edge-rt ledger: what answers cost."""

from __future__ import annotations

from functools import partial

import click

from edge_rt.cli.client import Client
from edge_rt.cli.document import view
from edge_rt.cli.shown import shown
from edge_rt.cli.text import Json, line, members, number

COLUMNS = {
    "days": (
        *("day", "energy_j", "attributed_j", "unattributed_j", "quality", "covered_s"),
        "missing_s",
    ),
    "models": (
        *("day", "model", "energy_j", "requests", "unresolved", "prompt_tokens"),
        *("completion_tokens", "hits", "saved_j"),
    ),
    "apps": (),  # by the day; `--by app` has their sums
    "last": (
        *("ended", "model", "energy_j", "seconds", "prompt_tokens", "completion_tokens"),
        *("power_w", "temp_c", "status", "quality", "mode", "partner", "saved_j", "answer_id"),
    ),
}


COUNTED = {"energy_j": float, "requests": int, "unresolved": int, "tokens": int}


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
@click.option(
    "--by",
    type=click.Choice(["model", "app"]),
    default="model",
    show_default=True,
    help="By model and day, or by application.",
)
@shown(partial(view, **COLUMNS))
def ledger(client: Client, days: int, last: int, by: str) -> Json:
    """Show what answers cost, by day and by model or by application, and the newest requests.

    Joules are those of the rails that form the board's supply. What the board draws anyway, and
    what no answer caused, is the rest. `edge-rt trace` takes the ids of requests. A request's
    application is what its header X-Edge-App says, or else its key or its user.

    Examples:
        edge-rt ledger --days 7 --last 5
        edge-rt ledger --by app
    """
    found = client.get(f"/edge/v1/ledger?days={days}&last={last}")
    return found if by == "model" else by_app(found)


def by_app(report: Json) -> Json:
    """Return each application's sums over all days, with its share of all joules."""
    sums: dict[str, Json] = {}
    for row in members(report, "apps"):
        total = sums.setdefault(line(row.get("app")), {})
        for name, kind in COUNTED.items():
            total[name] = total.get(name, kind()) + kind(number(row.get(name)) or 0.0)
    all_j = sum(total["energy_j"] for total in sums.values())
    rows = [
        {"app": app, "energy_share": total["energy_j"] / all_j if all_j else None} | total
        for app, total in sums.items()
    ]
    rows.sort(key=lambda row: number(row["energy_j"]) or 0.0, reverse=True)
    kept = {
        name: report[name]
        for name in ("stored", "simulated", "battery_s", "budgets")
        if name in report
    }
    return kept | {"applications": rows}
