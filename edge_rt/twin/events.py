"""What is scripted to happen to a simulated board, and when."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, cast, get_args

from edge_rt.twin.plant import Conditions

Kind = Literal["ambient", "fan-failure", "undervoltage", "vanish", "storm", "stuck"]
FORM = "KIND@START[+SECONDS][:SENSOR][=VALUE]"
_FORM = re.compile(
    r"(?P<kind>[a-z-]+)@(?P<start>\d+(?:\.\d+)?)(?:\+(?P<length>\d+(?:\.\d+)?))?"
    r"(?::(?P<sensor>[^=]+))?(?:=(?P<value>-?\d+(?:\.\d+)?))?"
)
_OF_SENSORS: tuple[Kind, ...] = ("vanish", "storm", "stuck")
AMBIENT_C = (-60.0, 125.0)  # coldest and hottest air
_STORM = 0.8  # share of the steps at which a read fails


@dataclass(frozen=True)
class Event:
    """One thing that happens from `start_s` until before `end_s` after the twin's start.

    - ambient: the air has `value` °C
    - fan-failure: the fan stands still
    - undervoltage: the supply sags
    - vanish: the files of `sensor` are gone
    - storm: most reads of `sensor` fail. A driver says EAGAIN then; no ordinary file can, so a
      socket takes the file's place, and opening it gives ENXIO
    - stuck: `sensor` shows what it showed when it began
    """

    kind: Kind
    start_s: float
    end_s: float = math.inf
    sensor: str = ""  # a thermal zone or a rail
    value: float = 0.0

    @classmethod
    def parse(cls, text: str) -> Event:
        """From its short form, such as "ambient@60=40"; ValueError says what is wrong."""
        match = _FORM.fullmatch(text)
        if match is None:
            raise ValueError(f"{text!r} is no event: expected {FORM}, such as ambient@60=40")
        kind = match["kind"]
        if kind not in get_args(Kind):
            raise ValueError(f"{kind!r} is no kind of event: expected {', '.join(get_args(Kind))}")
        if (kind in _OF_SENSORS) != (match["sensor"] is not None):
            need = (
                "needs a sensor, such as :cpu-thermal" if kind in _OF_SENSORS else "has no sensor"
            )
            raise ValueError(f"{text!r}: {kind} {need}")
        if (kind == "ambient") != (match["value"] is not None):
            need = "needs a temperature, such as =40" if kind == "ambient" else "has no value"
            raise ValueError(f"{text!r}: {kind} {need}")
        value = float(match["value"] or 0)
        low_c, high_c = AMBIENT_C
        if not low_c <= value <= high_c:
            raise ValueError(f"{text!r}: expected a temperature from {low_c:g} to {high_c:g} °C")
        start_s = float(match["start"])
        end_s = start_s + float(match["length"]) if match["length"] else math.inf
        known = cast("Kind", kind)
        return cls(known, start_s, end_s, match["sensor"] or "", value)

    def holds(self, time_s: float) -> bool:
        """Whether it is happening."""
        return self.start_s <= time_s < self.end_s


class Script:
    """All events of a run. Which reads fail in a storm comes from the seed."""

    def __init__(self, events: Sequence[Event], ambient_c: float, seed: int) -> None:
        self._events = tuple(events)
        self._ambient_c = ambient_c
        self._dice = random.Random(seed)

    @property
    def sensors(self) -> frozenset[str]:
        """Every sensor that an event names."""
        return frozenset(event.sensor for event in self._events if event.sensor)

    def conditions(self, time_s: float) -> Conditions:
        """What the plant feels; of several ambient temperatures the latest one's."""
        now = [event for event in self._events if event.holds(time_s)]
        kinds = {event.kind for event in now}
        steps = sorted((e for e in now if e.kind == "ambient"), key=lambda event: event.start_s)
        ambient_c = steps[-1].value if steps else self._ambient_c
        return Conditions(ambient_c, "fan-failure" not in kinds, "undervoltage" in kinds)

    def faults(self, time_s: float) -> dict[str, Kind]:
        """The sensors that fail at this step, and how; the worst where several would."""
        found: dict[str, Kind] = {}
        for kind in ("stuck", "storm", "vanish"):
            for sensor in _targets(self._events, kind, time_s):
                if kind != "storm" or self._dice.random() < _STORM:
                    found[sensor] = kind
        return found


def _targets(events: Iterable[Event], kind: Kind, time_s: float) -> list[str]:
    return [e.sensor for e in events if e.kind == kind and e.holds(time_s)]
