"""What every reader of the board has in common."""

from __future__ import annotations

import math
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

Kind = Literal[
    "power_w",
    "voltage_v",
    "current_a",
    "temp_c",
    "clock_hz",
    "energy_j",
    "flag",
    "fraction",
    "bytes",
    "rpm",
    "count",
]
Quality = Literal["measured", "modelled"]

PENDING = "no reading yet: this figure needs two reads"
POWER_LOW_W = -1.0  # an offset near zero, as Jetson Thor's -0.4 W, may be; less cannot


@dataclass(frozen=True)
class Channel:
    """One figure that a reader gives, in the unit that `kind` names.

    `flag` is 0.0 or 1.0, `fraction` lies between 0 and 1, `energy_j` and `count` only grow unless
    their source starts anew. `source` is the file or bus address that it is read from.
    """

    name: str
    kind: Kind
    source: str
    quality: Quality = "measured"


@dataclass(frozen=True)
class Skipped:
    """Something that was looked for or found and is not read, and why.

    `thread` is the one that still waits for an answer, where there is one.
    """

    name: str
    reason: str
    thread: threading.Thread | None = None

    @property
    def waiting(self) -> bool:
        """Whether it may still answer."""
        return self.thread is not None and self.thread.is_alive()


class Reader(Protocol):
    """Reads some channels at once."""

    @property
    def name(self) -> str:
        """What is read, such as "ina3221"."""
        ...

    @property
    def channels(self) -> tuple[Channel, ...]:
        """The channels, fixed for the life of the reader; empty where nothing was found."""
        ...

    @property
    def skipped(self) -> tuple[Skipped, ...]:
        """What the reader looked for or found and does not read."""
        ...

    @property
    def period_s(self) -> float:
        """Seconds between two reads."""
        ...

    @property
    def errors(self) -> Sequence[str | None]:
        """Why each channel's last reading is missing; None where it is not."""
        ...

    def read(self) -> Sequence[float | None]:
        """Values beside `channels`, None where missing; never raises.

        The list is used again by the next read.
        """
        ...

    def close(self) -> None:
        """Let go of files and buses, at the end."""
        ...


class BaseReader(ABC):
    """Keeps values and errors beside the channels, and any exception inside `read`."""

    def __init__(
        self,
        name: str,
        channels: Sequence[Channel],
        period_s: float,
        skipped: Sequence[Skipped] = (),
    ) -> None:
        self.name = name
        self.channels = tuple(channels)
        self.period_s = period_s
        self.skipped = tuple(skipped)
        self.values: list[float | None] = [None] * len(self.channels)
        self.errors: list[str | None] = [PENDING] * len(self.channels)
        self._least = [POWER_LOW_W if c.kind == "power_w" else -math.inf for c in self.channels]

    def read(self) -> Sequence[float | None]:
        """Values beside `channels`, None where missing; never raises."""
        try:
            self._read()
        except Exception as error:  # whatever a broken sensor does, the others are read on
            self._fail_all(f"{type(error).__name__}: {error}")
        return self.values

    def close(self) -> None:
        """Let go of what the reader holds."""
        return

    @abstractmethod
    def _read(self) -> None:
        """Set or fail every channel."""

    def _set(self, index: int, value: float) -> None:
        if value < self._least[index]:
            self._fail(index, f"gives {value:.3f} W, which cannot be: nothing feeds a rail back")
            return
        self.values[index] = value
        self.errors[index] = None

    def _fail(self, index: int, reason: str) -> None:
        self.values[index] = None
        self.errors[index] = reason

    def _fail_all(self, reason: str) -> None:
        for index in range(len(self.channels)):
            self._fail(index, reason)


def unique(names: Iterable[str]) -> list[str]:
    """The names, with "#2", "#3"... behind those that came before."""
    seen: dict[str, int] = {}
    result: list[str] = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        result.append(name if seen[name] == 1 else f"{name}#{seen[name]}")
    return result


def nothing(name: str, reason: str, found: object) -> tuple[Skipped, ...]:
    """What a reader says in `skipped` when it found nothing at all."""
    return () if found else (Skipped(name, reason),)
