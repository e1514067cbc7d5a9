"""What happens around the second plant: work, other programs, the room, the fan, the case."""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Work:
    """What callers ask for: `streams` of them, one request after the other.

    Each waits `pause_s` on average before the next. Tokens are those of a request, on average.
    """

    streams: int = 1
    prompt_tokens: float = 100.0
    answer_tokens: float = 150.0
    pause_s: float = 0.0


Fault = Literal["frozen", "jumping", "missing"]  # of the power sensor

WORKS: Mapping[str, Work] = {
    "1x100/150": Work(1, 100.0, 150.0),
    "1x600/40": Work(1, 600.0, 40.0),
    "4x400/60": Work(4, 400.0, 60.0),
    "1x3000/50": Work(1, 3000.0, 50.0),
    "2x200/100 with pauses": Work(2, 200.0, 100.0, pause_s=6.0),
    "8x1200/100": Work(8, 1200.0, 100.0),
}


@dataclass(frozen=True)
class Others:
    """Other programs and devices."""

    cores: float = 0.0  # that they keep busy
    activity: float = 1.0  # power of such a core over that of one of ours
    gpu: float = 0.0  # share of the time that they keep the GPU busy
    rail_w: float = 0.0  # of devices, which show as power only


NOBODY = Others()


@dataclass(frozen=True)
class Weather:
    """The room's temperature, and the state of fan and case."""

    room_c: float = 25.0
    fan_works: bool = True
    shut: bool = False


FINE = Weather()


@dataclass(frozen=True)
class Program:
    """Others, weather and the power sensor's fault by time: an entry holds from its time on."""

    others: tuple[tuple[float, Others], ...] = ((0.0, NOBODY),)
    weather: tuple[tuple[float, Weather], ...] = ((0.0, FINE),)
    faults: tuple[tuple[float, Fault | None], ...] = ((0.0, None),)

    def others_at(self, time_s: float) -> Others:
        """The other programs at a time."""
        return self.others[bisect_right(self.others, time_s, key=_when) - 1][1]

    def weather_at(self, time_s: float) -> Weather:
        """The weather at a time."""
        return self.weather[bisect_right(self.weather, time_s, key=_when) - 1][1]

    def fault_at(self, time_s: float) -> Fault | None:
        """The power sensor's fault at a time."""
        return self.faults[bisect_right(self.faults, time_s, key=_when) - 1][1]


QUIET = Program()


def coming_and_going(
    seed: int, seconds: float, cores: float, begin_s: float, gpu: float = 0.0, rail_w: float = 0.0
) -> tuple[tuple[float, Others], ...]:
    """Others that are there and away for 6 to 30 s by turns, with at most these cores, GPU, watts.

    Every third time it is a device on a rail, which processor time does not show.
    """
    dice = random.Random(f"others {seed}")
    found, time_s, number = [(0.0, NOBODY)], begin_s, seed
    while time_s < seconds:
        share, number = dice.uniform(0.4, 1.0), number + 1
        device = number % 3 == 0 and rail_w > 0.0
        others = Others(
            0.0 if device else cores * share,
            dice.uniform(0.7, 1.2),
            0.0 if device else gpu * share,
            rail_w * share if device else 0.0,
        )
        found += [(time_s, others), (time_s + dice.uniform(6.0, 30.0), NOBODY)]
        time_s = found[-1][0] + dice.uniform(6.0, 30.0)
    return tuple(found)


def _when(entry: tuple[float, object]) -> float:
    return entry[0]
