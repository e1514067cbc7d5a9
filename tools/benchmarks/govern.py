"""The governor and the models it rests on, against a second plant and recorded boards."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import click
from benchlib import BenchError
from benchlib.govern import Ask, Found, Say
from benchlib.govern_ablation import ablate
from benchlib.govern_plant_part import HEADLINE, plant, scenes_part
from benchlib.govern_traces import HEADLINE as TRACES
from benchlib.govern_traces import traces
from benchlib.publish import json_option, show
from benchlib.report import Report
from bootstrap.paths import cache_dir
from bootstrap.signals import end_cleanly_on_signals

VALUES = (*HEADLINE, *TRACES)
PARTS: Mapping[str, Callable[[Say, Ask], Found]] = {
    "plant": plant,
    "scenes": scenes_part,
    "traces": traces,
    "ablation": ablate,
}
_USUAL = ("plant", "scenes", "traces")
_MORE_IS_WORSE = frozenset(
    {"throttles", "plant_step_s_max", "power_error_max", "fault_far_s_max", "fault_refused_max"}
)


@click.command()
@click.option(
    "--part",
    "parts",
    multiple=True,
    type=click.Choice(list(PARTS)),
    help="Only this one; may be given several times.",
)
@click.option(
    "--ablate",
    "ablating",
    is_flag=True,
    help="Run the scenes with each term of the governor off in turn, and nothing else.",
)
@click.option("--quick", is_flag=True, help="Fewer seeds, boards and caps.")
@click.option(
    "--only",
    default="",
    metavar="WORDS",
    help="Of the parts plant (if none is named), scenes and ablation only cases with all these"
    " words, such as 'plain pi5 75%'.",
)
@click.option(
    "--traces",
    "folder",
    envvar="EDGE_RT_TRACES",
    type=click.Path(path_type=Path),
    help="Folder with recorded traces of real boards; without it none are looked at.",
)
@json_option
def command(
    parts: tuple[str, ...],
    ablating: bool,
    quick: bool,
    only: str,
    folder: Path | None,
    json_file: Path | None,
) -> None:
    """Hold the governor, and the models it decides with, against simulated boards.

    They are boards of a second plant, which shares no equation with the governor's models. All of
    it takes an hour.
    """
    end_cleanly_on_signals()
    names = ("ablation",) if ablating else parts or (("plant",) if only else _USUAL)
    found, failed = run(names, Ask(quick, only, folder, cache_dir() / "bench/plant"), _say)
    show(replace(report_of(found, {"quick": quick}), failed=failed), json_file)


def _say(line: str) -> None:
    click.echo(line, err=True)


def run(names: Sequence[str], ask: Ask, say: Say) -> tuple[list[Found], list[str]]:
    """Return what the parts found, and what ended those that failed; a failure ends no other."""
    found: list[Found] = []
    failed: list[str] = []
    for name in names:
        begin_s = time.monotonic()
        try:
            found.append(PARTS[name](say, ask))
        except BenchError as error:
            failed.append(f"{name}: {error}")
            say(failed[-1])
        else:
            figures = ", ".join(f"{key} {value}" for key, value in found[-1].values.items())
            say(f"{name}: {figures}")
        say(f"{name} took {time.monotonic() - begin_s:.0f} s")
    return found, failed


def report_of(found: Sequence[Found], about: Mapping[str, object]) -> Report:
    """Return all parts in one report; of a figure that several tell, the worst."""
    details: dict[str, object] = {}
    for one in found:
        details |= one.details
    return Report(
        name="govern",
        about={**about},
        values={name: worst(name, [one.values.get(name) for one in found]) for name in VALUES},
        notes=[note for one in found for note in one.notes],
        details=details,
    )


def worst(name: str, found: Sequence[float | None]) -> float | None:
    """Return the worst of what was measured of the figure `name`; None where nothing was."""
    known = [value for value in found if value is not None]
    return (max if name in _MORE_IS_WORSE else min)(known, default=None)
