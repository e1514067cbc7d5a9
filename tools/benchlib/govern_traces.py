"""The part of the governor's benchmark that rests on recorded traces of real boards."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor

from benchlib.govern import Ask, Found, Say, cores
from benchlib.trace_heat import Forecasts, forecasts, heat_errors
from benchlib.trace_power import Step, by_group, errors, steps
from benchlib.traces import Recorded, Traces

HEADLINE = ("trace_power_error", "trace_power_vs_last", "trace_heat_error", "trace_heat_vs_last")


def traces(say: Say, ask: Ask) -> Found:
    """Predict power and heat of the recorded boards; nothing is measured without one.

    - trace_power_error: median error of watts, as a share, at steps into unseen modes and loads
    - trace_heat_error: mean error in K of temperatures half a minute later
    - trace_power_vs_last, trace_heat_vs_last: over the error of carrying on the last value
    """
    if ask.traces is None:
        return Found(notes=["No recorded traces: name their folder with --traces."])
    known = Traces(ask.traces)
    with ProcessPoolExecutor(cores()) as pool:
        jobs = [pool.submit(forecasts, *one) for one in _heat(known, ask.quick)]
        groups = [pool.submit(steps, group) for group in by_board(known.power())]
        ours = [step for job in groups for step in job.result()]
        heat = [job.result() for job in jobs]
    lines = [*by_group(ours), *(one.line for one in heat)]
    for line in lines:
        say(line)
    details = {"lines": lines}
    return Found(values=_values(ours, heat), details={"traces": details})


def by_board(recorded: Sequence[Recorded]) -> list[list[Recorded]]:
    """The traces of each board and set-up."""
    found: dict[str, list[Recorded]] = defaultdict(list)
    for one in recorded:
        found[one.group].append(one)
    return list(found.values())


def _heat(known: Traces, quick: bool) -> list[tuple[str, list[tuple[float, float, float]]]]:
    """Return all of them, or every fourth."""
    return list(known.heat())[:: 4 if quick else 1]


def _values(power: Sequence[Step], heat: Sequence[Forecasts]) -> dict[str, float]:
    values: dict[str, float] = {}
    if power:
        values |= zip(HEADLINE[:2], errors(power), strict=True)
    if heat:
        values |= zip(HEADLINE[2:], heat_errors(heat), strict=True)
    return values
