"""Reading knobs whose files are late.

cpufreq brings scaling_max_freq up to date in a work item of its own, some milliseconds after a
write to it and after a change of the throttling (cpufreq_notifier_max in drivers/cpufreq/cpufreq.c
of Linux). So one read right after the other tells nothing for sure.
"""

from __future__ import annotations

from collections.abc import Callable

from edge_rt.governor.knobs.knob import Knob, KnobBusy, Value

APART_S = 0.02
_READS = 25
STAND_S = 0.25  # after which a value that came is there to stay

Pause = Callable[[float], None]


def steady(knob: Knob, pause: Pause) -> tuple[Value, str | None]:
    """What the knob stands at, twice in a row, and why that may not be what was set.

    KnobBusy where it does not stand still.
    """
    before = _look(knob)
    for _ in range(_READS):
        pause(APART_S)
        now = _look(knob)
        if now == before:
            return now
        before = now
    raise KnobBusy(f"it does not stand still, now at {before[0]}; tried again later")


def settled(knob: Knob, wanted: Value, pause: Pause) -> tuple[Value, str | None]:
    """As `steady`, once it says `wanted` or has had the time to."""
    for _ in range(_READS):
        value, hidden = _look(knob)
        if value == wanted:
            return value, hidden
        pause(APART_S)
    return steady(knob, pause)


def stood(knob: Knob, wanted: Value, pause: Pause) -> tuple[Value, str | None]:
    """As `settled`, where `wanted` may be out of the knob's reach and be taken back."""
    value, hidden = settled(knob, wanted, pause)
    if value != wanted:
        return value, hidden
    pause(STAND_S)
    return steady(knob, pause)


def _look(knob: Knob) -> tuple[Value, str | None]:
    before = knob.hidden()
    value = knob.read()
    return value, before or knob.hidden()
