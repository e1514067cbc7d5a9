"""edge-rt budget: what the board may draw, how warm it may get, and what is done about it."""

from __future__ import annotations

import math
from typing import Any

import click

from edge_rt.cli.client import Client
from edge_rt.cli.document import view
from edge_rt.cli.options import Range
from edge_rt.cli.shown import shown
from edge_rt.cli.text import Json

_PATH = "/edge/v1/budget"
_NONE = "none"


def cap(text: str) -> float | str:
    """Return a positive number, or "none", which takes the cap away."""
    word = text.strip().lower()
    if word == _NONE:
        return _NONE
    try:
        number = float(word)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise click.BadParameter(f"{text!r} is neither a positive number nor none")
    return number


_CAP: dict[str, Any] = {"type": cap, "metavar": "NUMBER|none"}


@click.command()
@click.option("--power", "power_w", **_CAP, help="Most watts of the board's supply.")
@click.option(
    "--window",
    "power_window_s",
    type=Range(0.2, 60),
    help="Seconds over which these watts are a mean.",
)
@click.option(
    "--peak",
    "peak_ratio",
    type=Range(1, 10),
    help="By how much the predicted power may exceed them for a moment: 1.5 is half as much again.",
)
@click.option("--temp", "temp_c", **_CAP, help="Highest temperature, in °C.")
@click.option("--energy", "energy_j", **_CAP, help="Most joules of each hour or day.")
@click.option("--per", "energy_period", type=click.Choice(["hour", "day"]), help="Hour or day.")
@shown(view)
def budget(client: Client, **caps: Any) -> Json:
    """Show or change the budget, and what the daemon allows itself to keep it.

    Without options it is shown. What is changed holds until the daemon ends: what is to hold at
    each start belongs into the configuration, under `budget`.

    Examples:
        edge-rt budget --power 7.5 --temp 70
        edge-rt budget --power none
    """
    change: Json = {
        name: None if cap == _NONE else cap for name, cap in caps.items() if cap is not None
    }
    return client.put(_PATH, change) if change else client.get(_PATH)
