"""Power sensors beside a wall or USB meter, which a person reads."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing, contextmanager, nullcontext, suppress
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

import click

from edge_rt.cli.client import Client
from edge_rt.cli.exits import CommandFailure
from edge_rt.cli.text import member, note, number

_LOOK_S = 0.5  # between two readings of the sensors
_READ = 6  # of these make a mean
_APART_W = 0.5  # between rest and work, at least
_PROMPT = "Count from one to ten thousand, one number a line."
_FAULT = (
    "The readings are not of one board: {:.2f} W of the meter for one of the sensors, and {:.2f} W "
    "more. Were they typed in the order asked for?"
)
_NOTHING = "No sensor tells the power of this board: edge-rt doctor says why."


class MeterReading(NamedTuple):
    """Watts of the supply as the sensors and the meter read them at about the same time."""

    sensors_w: float
    meter_w: float


class MeterComparison(NamedTuple):
    """What the meter reads by the sensors, and how far each reading is from that in watts."""

    scale: float
    offset_w: float
    pairs: list[MeterReading]
    errors_w: list[float]


def fitted(pairs: Sequence[MeterReading]) -> MeterComparison:
    """Return the line through two or more pairs by least squares; raises CommandFailure.

    scale = Σ(p - p̄)(m - m̄)/Σ(p - p̄)² and offset = m̄ - scale · p̄, for sensors p and a meter m.
    A meter sees all that sensors see: where the offset would be below 0 the line goes through 0.
    """
    low, high = min(pair.sensors_w for pair in pairs), max(pair.sensors_w for pair in pairs)
    if high - low < _APART_W:
        told = f"the sensors read {low:.2f} to {high:.2f} W, which is too little between them"
        raise CommandFailure(f"Rest and work look alike: {told}.")
    p, m = fmean(pair.sensors_w for pair in pairs), fmean(pair.meter_w for pair in pairs)
    scale = sum((a - p) * (b - m) for a, b in pairs) / sum((a - p) ** 2 for a, _ in pairs)
    offset_w = m - scale * p
    if offset_w < 0.0:
        scale, offset_w = sum(a * b for a, b in pairs) / sum(a * a for a, _ in pairs), 0.0
    scale, offset_w = round(scale, 4), round(offset_w, 3)
    if not 0.5 <= scale <= 3.0 or offset_w > 100.0:  # no configuration takes more either
        raise CommandFailure(_FAULT.format(scale, offset_w))
    errors = [meter_w - scale * sensors_w - offset_w for sensors_w, meter_w in pairs]
    return MeterComparison(scale, offset_w, list(pairs), errors)


def compare(
    socket: Path,
    readings: int,
    model: str | None,
    ask: Callable[[str], float] = lambda text: click.prompt(text, type=float, err=True),
) -> MeterComparison:
    """Have a person read the meter, at rest and at work by turns; raises CommandFailure.

    `ask` returns the watts that were typed.
    """
    pairs: list[MeterReading] = []
    with Client(socket) as client:
        if _sensors_w(client) is None:
            raise CommandFailure(_NOTHING)
        note("Type what the meter reads once its figure is steady; then the sensors are read.")
        for place in range(readings):
            state, at_work = (
                ("work", _working(socket, model)) if place % 2 else ("rest", nullcontext())
            )
            with at_work:
                meter_w = ask(f"{place + 1}. At {state}, the meter in watts")
                pairs.append(MeterReading(_mean_w(client), meter_w))
    return fitted(pairs)


def put_fit(found: MeterComparison, *, as_json: bool) -> None:
    """Print the comparison, as the configuration takes it."""
    if as_json:
        pairs = [pair._asdict() for pair in found.pairs]
        click.echo(json.dumps(found._asdict() | {"pairs": pairs}))
        return
    for pair, error_w in zip(found.pairs, found.errors_w, strict=True):
        note(f"sensors {pair.sensors_w:.2f} W, meter {pair.meter_w:.2f} W: {error_w:+.2f} W off")
    note("In the configuration this corrects power, caps and joules from the next start on:")
    click.echo(f"sensors:\n  meter: {{scale: {found.scale}, offset_w: {found.offset_w}}}")


def _sensors_w(client: Client) -> float | None:
    """Return what the sensors read, without the correction that is in force."""
    supply = member(client.get("/edge/v1/board"), "supply")
    power_w, meter = number(supply.get("power_w")), member(supply, "meter")
    if power_w is None:
        return None
    return (power_w - meter.get("offset_w", 0.0)) / meter.get("scale", 1.0)


def _mean_w(client: Client) -> float:
    """Return the mean of what the sensors read in the next seconds; raises CommandFailure."""
    seen: list[float] = []
    for _ in range(_READ):
        if (power_w := _sensors_w(client)) is not None:
            seen.append(power_w)
        time.sleep(_LOOK_S)
    if not seen:
        raise CommandFailure("The sensors told no power meanwhile: edge-rt sensors shows them.")
    return fmean(seen)


@contextmanager
def _working(socket: Path, model: str | None) -> Generator[None]:
    """Have a model write while the block runs, in a thread."""
    over = threading.Event()
    body: dict[str, Any] = {"prompt": _PROMPT, "max_tokens": 512, "ignore_eos": True}
    body |= {"stream": True, "edge": {"cache": "off"}} | ({} if model is None else {"model": model})

    def work() -> None:
        with Client(socket) as client:
            while not over.is_set():
                answer = client.events("/v1/completions", body)
                with suppress(CommandFailure), closing(answer):
                    for _ in answer:
                        if over.is_set():
                            return
                time.sleep(_LOOK_S)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
