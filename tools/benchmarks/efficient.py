"""How near the power mode that is found by five probes comes to the best one."""

from __future__ import annotations

import random
from pathlib import Path
from statistics import mean

import click
from benchlib.mode_tables import efficiency, made, published
from benchlib.publish import published as reported
from benchlib.report import Report

_MODES = (4, 6, 9, 12)  # of made tables
_NOTES = (
    "efficient_point: tokens a joule in the mode found, over those in the best fixed mode that is "
    "fast enough; the mean over all tables. A probe is off by 2 %, and half of the made tables "
    "want 0.6 of the fastest mode's speed. Published tables come from --data.",
)


@click.command()
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="The folder that holds traces/llm_boards.csv; else made tables only.",
)
@click.option("--tables", default=100, show_default=True, type=click.IntRange(1))
@click.option("--seed", default=0, show_default=True)
@reported
async def command(directory: Path, data: Path | None, tables: int, seed: int) -> Report:
    """Search the most efficient power mode in tables of modes, published and made."""
    groups = {f"made, {modes} modes": made(seed + modes, tables, modes) for modes in _MODES}
    if data is not None:
        groups = {"published": published(data), **groups}
    dice, values, every, probes = random.Random(seed), dict[str, float | None](), list[float](), 0
    for name, group in groups.items():
        found = [efficiency(table, dice) for table in group]
        values[name] = mean(share for share, _ in found) if found else None
        every += [share for share, _ in found]
        probes = max(probes, *(count for _, count in found))
    values |= {"efficient_point": mean(every), "worst": min(every), "most_probes": float(probes)}
    about = {"seed": seed, "tables": len(every)}
    return Report(name="efficient", values=values, about=about, notes=_NOTES)
