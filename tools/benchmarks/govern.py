"""The governor and the models it rests on, against our simulated boards and a second plant."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import click
from benchlib import BenchError, govern_ablation, govern_model, govern_traces, machine, prompts
from benchlib.govern import Ask, Found, Setup, Values, cores, worst
from benchlib.govern_cap import cap
from benchlib.govern_contention import contention
from benchlib.govern_heat import heat
from benchlib.govern_parameters import parameters
from benchlib.govern_plant_part import HEADLINE, plant, scenes_part
from benchlib.govern_prediction import prediction
from benchlib.publish import show
from benchlib.report import Report, row_ratios
from bootstrap.paths import CHECKOUT, cache_dir
from bootstrap.signals import end_cleanly_on_signals

_SEEDS, _QUICK_SEEDS = 20, 3
VALUES = (
    "tdbl_err_median",
    "leak_err_median",
    "forecast_mae_k",
    "band_coverage",
    "cap_ok_share",
    "cap_vs_best",
    "throttles",
    "throttles_without",
    "heat_vs_best",
    "runtime_err_median",
    "energy_err_median",
    "recovery_s",
    *HEADLINE,
    *govern_traces.HEADLINE,
)
_RATIOS = ("hogged_vs_peer", "hogged_vs_best")


@dataclass(frozen=True)
class Part:
    """What is worked out without the engine, and what is measured in real time."""

    calculate: Callable[[Ask], Found] | None = None
    measure: Callable[[Setup], Found] | None = None


def _say(line: str) -> None:
    click.echo(line, err=True)


def _parameters(ask: Ask) -> Found:
    return told("parameters", parameters(_QUICK_SEEDS if ask.quick else _SEEDS, _say))


def _cap_model(ask: Ask) -> Found:
    return told("cap", govern_model.cap(_say, _model_seeds(ask)))


def _heat_model(ask: Ask) -> Found:
    return told("heat", govern_model.heat(_say, _model_seeds(ask)))


def _model_seeds(ask: Ask) -> tuple[int, ...]:
    return govern_model.SEEDS[:1] if ask.quick else govern_model.SEEDS


def _plant(ask: Ask) -> Found:
    return plant(_say, ask.quick, ask.only, _kept())


def _scenes(ask: Ask) -> Found:
    return scenes_part(_say, ask.quick, ask.only, _kept())


def _ablation(ask: Ask) -> Found:
    return govern_ablation.ablate(_say, ask, _kept())


def _traces(ask: Ask) -> Found:
    return govern_traces.traces(_say, ask.traces, ask.quick)


def _kept() -> Path:
    return cache_dir() / "bench/plant"


def _cap(setup: Setup) -> Found:
    return asyncio.run(cap(setup))


def _heat(setup: Setup) -> Found:
    if setup.quick:
        return Found(notes=["Heat in real time takes a quarter of an hour: not with --quick."])
    return asyncio.run(heat(setup))


def _contention(setup: Setup) -> Found:
    return asyncio.run(contention(setup))


def _prediction(setup: Setup) -> Found:
    return asyncio.run(prediction(setup))


PARTS: Mapping[str, Part] = {
    "parameters": Part(_parameters),
    "cap": Part(_cap_model, _cap),
    "heat": Part(_heat_model, _heat),
    "contention": Part(measure=_contention),
    "prediction": Part(measure=_prediction),
    "plant": Part(_plant),
    "scenes": Part(_scenes),
    "traces": Part(_traces),
    "ablation": Part(_ablation),
}
_USUAL = tuple(name for name in PARTS if name != "ablation")


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
    is_flag=True,
    help="Run the scenes with each term of the governor off in turn, and nothing else.",
)
@click.option("--quick", is_flag=True, help="Fewer seeds, boards, caps and rounds.")
@click.option(
    "--only",
    default="",
    metavar="WORDS",
    help="Of the parts plant (if none is named), scenes and ablation only cases with all these"
    " words, such as 'plain pi5 75%'.",
)
@click.option(
    "--traces",
    envvar="EDGE_RT_TRACES",
    type=click.Path(path_type=Path),
    help="Folder with recorded traces of real boards; without it none are looked at.",
)
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write the result here.")
@click.option(
    "--data",
    default=CHECKOUT.parent / "shared/data",
    type=click.Path(path_type=Path),
    help="Public prompts; text of our own is used when the folder is not there.",
)
@click.option(
    "--wait",
    default=20.0,
    show_default=True,
    help="Seconds to wait, at most, for a quiet machine before each turn.",
)
def command(
    parts: tuple[str, ...],
    ablate: bool,
    quick: bool,
    only: str,
    traces: Path | None,
    json_file: Path | None,
    data: Path,
    wait: float,
) -> None:
    """Hold the governor, and the models it decides with, against simulated boards.

    Cap and heat run twice: in real time, with daemon, engine and model, and faster, with a model
    of the engine. The worse of both counts. The part plant runs on a second plant that shares no
    equation with the governor's models. All of it takes two hours.
    """
    end_cleanly_on_signals()
    store = cache_dir() / "store"
    try:
        with tempfile.TemporaryDirectory(prefix="edge-rt-bench-") as directory:
            setup = Setup(
                python=Path(sys.executable),
                store=store,
                directory=Path(directory),
                prompts=prompts.load(data),
                patience_s=wait,
                quick=quick,
                say=_say,
            )
            parts = ("ablation",) if ablate else parts
            ask = Ask(quick, only, traces)
            found, failed = run(parts or (("plant",) if only else _USUAL), setup, ask)
    except BenchError as error:
        raise click.ClickException(str(error)) from error
    report = report_of(found, {"quick": quick, "prompts": setup.prompts.source})
    show(report, json_file)
    if failed:
        raise click.ClickException("; ".join(failed))


def run(names: Sequence[str], setup: Setup, ask: Ask) -> tuple[list[Found], list[str]]:
    """What the parts found, and what ended those that failed; a failure ends no other part.

    First all that is worked out, on all cores; then one part after the other is measured.
    """
    found: list[Found] = []
    failed: list[str] = []

    def take(label: str, what: Callable[[], Found]) -> None:
        begin_s = time.monotonic()
        try:
            found.append(what())
        except BenchError as error:
            failed.append(f"{label}: {error}")
            setup.say(failed[-1])
        else:
            setup.say(f"{label}: {_in_words(found[-1].values)}")
        setup.say(f"{label} took {time.monotonic() - begin_s:.0f} s")

    parts = {name: PARTS[name] for name in names}
    with ProcessPoolExecutor(cores()) as pool:
        waiting = {
            name: pool.submit(part.calculate, ask)
            for name, part in parts.items()
            if part.calculate is not None
        }
        for name, future in waiting.items():
            take(f"{name}, worked out", future.result)
    for name, part in parts.items():
        if part.measure is not None:
            take(f"{name}, measured", partial(part.measure, setup))
    return found, failed


def told(name: str, figures: Mapping[str, float]) -> Found:
    """A part that tells figures by name: those of the report, and all of them as details."""
    values = {key: figures[key] for key in VALUES if key in figures}
    return Found(values=values, details={f"{name}, worked out": dict(figures)})


def _in_words(values: Values) -> str:
    """For people, as soon as they are known."""
    return ", ".join(f"{name} {value}" for name, value in values.items())


def report_of(found: Sequence[Found], about: Mapping[str, object]) -> Report:
    """All parts in one; of a value that several tell, the worst."""
    details: dict[str, object] = {}
    for one in found:
        details.update(one.details)
    rows = [row for one in found for row in one.rows]
    return Report(
        name="govern",
        commit=machine.commit(CHECKOUT),
        machine={**machine.describe(), **about},
        samples=[sample for one in found for sample in one.samples],
        rows=rows,
        values={name: worst(name, [one.values.get(name) for one in found]) for name in VALUES},
        ratios={**dict.fromkeys(_RATIOS), **row_ratios(rows)},
        notes=[note for one in found for note in one.notes],
        details=details,
    )
