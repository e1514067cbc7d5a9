"""What a simulated board truly drew, look by look, and how its windows kept a cap."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate, pairwise
from pathlib import Path
from typing import NamedTuple

WINDOW_S = 1.0
_ROUNDING = 1e-9  # of the cap


class Look(NamedTuple):
    """The time up to `time_s` of the monotonic clock, `dt_s` long: means, and the end's state."""

    time_s: float
    dt_s: float
    busy_cores: float
    power_w: float
    chip_c: float
    throttle_state: int


def write_line(look: Look) -> str:
    """One line of a record."""
    return " ".join(f"{value:.6g}" if n else f"{value:.6f}" for n, value in enumerate(look)) + "\n"


def read(record: Path) -> list[Look]:
    """The whole lines of a record, which may still grow."""
    return read_from(record, 0)[0]


def read_from(record: Path, offset: int) -> tuple[list[Look], int]:
    """The whole lines of a record from a byte on, and the byte at which to go on."""
    with record.open("rb") as file:
        file.seek(offset)
        content = file.read()
    whole = content[: content.rfind(b"\n") + 1]
    return [_look(line.split()) for line in whole.decode().splitlines()], offset + len(whole)


def between(looks: Sequence[Look], begin_s: float, end_s: float) -> list[Look]:
    """Return the looks that lie within the time."""
    return [k for k in looks if begin_s <= k.time_s - k.dt_s and k.time_s <= end_s]


def mean_w(looks: Sequence[Look]) -> float:
    """The mean power over `looks`, of which there must be one."""
    return sum(k.power_w * k.dt_s for k in looks) / sum(k.dt_s for k in looks)


def windows_w(looks: Sequence[Look], window_s: float = WINDOW_S) -> list[float]:
    """Mean power of each window that ends with a look and lies within `looks`.

    Within a look power is taken to be even. Looks follow each other without a gap.
    """
    ends = list(accumulate((k.dt_s for k in looks), initial=0.0))
    energies = list(accumulate((k.power_w * k.dt_s for k in looks), initial=0.0))

    def energy_j(time_s: float) -> float:
        at = max(1, bisect_left(ends, time_s))
        return energies[at] - (ends[at] - time_s) * looks[at - 1].power_w

    whole = [end for end in ends if end >= window_s - 1e-9]
    return [(energy_j(end) - energy_j(max(0.0, end - window_s))) / window_s for end in whole]


def share_within(powers_w: Sequence[float], cap_w: float) -> float:
    """The share of `powers_w` at or under the cap; 0 where there are none."""
    within = sum(power <= cap_w * (1.0 + _ROUNDING) for power in powers_w)
    return within / len(powers_w) if powers_w else 0.0


def throttles(looks: Sequence[Look]) -> int:
    """How often the board slowed itself down, or slowed down further."""
    states = [k.throttle_state for k in looks]
    return sum(after > before for before, after in pairwise(states))


def _look(words: Sequence[str]) -> Look:
    time_s, dt_s, busy_cores, power_w, chip_c = (float(word) for word in words[:-1])
    return Look(time_s, dt_s, busy_cores, power_w, chip_c, int(words[-1]))
