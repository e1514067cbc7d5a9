"""Which models stay loaded: the search against enumeration, and with momentum against without."""

from __future__ import annotations

import time
from pathlib import Path

import click
from benchlib import machine, noise
from benchlib.placement import INSTANCES, STATES, instance, values
from benchlib.publish import show
from benchlib.report import Report
from bootstrap.paths import CHECKOUT
from bootstrap.signals import end_cleanly_on_signals

_NOTES = (
    "placement_hv: what the search finds of the true front's hypervolume, up to a tenth of the "
    "front's span beyond its worst values; placement_s: the longest search.",
    "momentum_gain: hypervolume that momentum adds to a short search in the same time.",
)


@click.command()
@click.option("--quick", is_flag=True, help="Five boards.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write the result here.")
@click.option(
    "--wait", default=20.0, show_default=True, help="Seconds to wait, at most, for a quiet machine."
)
def command(quick: bool, json_file: Path | None, wait: float) -> None:
    """Place models on random boards of 65,536 states, and compare with the best placements."""
    end_cleanly_on_signals()
    watch = noise.Watch("all", wait)
    begin_s = time.process_time()
    instances = [instance(seed) for seed in range(5 if quick else INSTANCES)]
    found = values(instances, lambda line: click.echo(line, err=True))
    report = Report(
        name="placement",
        commit=machine.commit(CHECKOUT),
        machine={**machine.describe(), "boards": len(instances), "states": STATES},
        samples=[watch.finish(time.process_time() - begin_s)],
        rows=[],
        values=found,
        ratios={},
        notes=_NOTES,
    )
    show(report, json_file)
