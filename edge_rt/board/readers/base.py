"""What every reader of the board has in common, and how one that does not answer is found."""

from __future__ import annotations

import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from edge_rt.board.readers.bounds import IMPOSSIBLE, USUAL, Kind, ReadingBounds, contradiction
from edge_rt.board.readers.sysfs import HeldFile
from edge_rt.core.reports.finding import Finding

Quality = Literal["measured", "modelled"]

PENDING = "no reading yet: this figure needs two reads"
PATIENCE_S = 3.0  # with one sensor; the slowest programs that are asked get a second
T = TypeVar("T")
COOL = "# improve its cooling: heat sink, fan, free air"


@dataclass(frozen=True)
class Channel:
    """One figure that a reader gives, in the unit that `kind` names.

    `flag` is 0.0 or 1.0, `fraction` lies between 0 and 1, `energy_j` and `count` only grow unless
    their source restarts. `source` is the file or bus address that it is read from.
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


@dataclass(frozen=True)
class SensorAccess:
    """What a kind of sensor needs to be read: a module of the kernel, and rights.

    Only root may read its files unless `rule` of udev, for events of `subsystem`, gives them to a
    group. `device` is the device node below dev that it is read through, of `group`.
    """

    what: str
    readers: tuple[str, ...]
    module: str | None = None
    group: str = "edge-rt"
    subsystem: str = ""
    rule: Callable[[str], str] | None = None
    device: str = ""
    advice: tuple[str, ...] = ()


class BaseReader(ABC):
    """Reads some channels at once, each `period_s` seconds.

    It keeps values and errors beside the channels, and any exception inside `read`. A value outside
    its channel's bounds is refused: it is missing, and the error tells why.
    """

    def __init__(
        self,
        name: str,
        channels: Sequence[Channel],
        period_s: float,
        skipped: Sequence[Skipped] = (),
        bounds: Mapping[int, ReadingBounds] | None = None,
        absent: str = "",
    ) -> None:
        """`name` is what is read, such as "ina3221"; without `channels` nothing was found.

        `skipped` names sensors that were found, or looked for, but are not read. `bounds` are by
        the index of a channel; other channels have the usual bounds of their kind. `absent` is why
        there are no channels, where there are none.
        """
        self.name = name
        self.channels = tuple(channels)
        self.period_s = period_s
        self.skipped = tuple(skipped)
        if absent and not self.channels:
            self.skipped += (Skipped(name, absent),)
        self.values: list[float | None] = [None] * len(self.channels)
        self.errors: list[str | None] = [PENDING] * len(self.channels)
        known = bounds or {}
        self._bounds = [known.get(i, USUAL.get(c.kind)) for i, c in enumerate(self.channels)]

    def read(self) -> Sequence[float | None]:
        """Values beside `channels`, None where missing; never raises.

        The list is used again by the next read.
        """
        try:
            self._read()
        except Exception as error:  # whatever a broken sensor does, the others are read on
            self._fail_all(f"{type(error).__name__}: {error}")
        return self.values

    def close(self) -> None:
        """Let go of what the reader holds."""
        return

    def diagnose(self, supply_w: float | None = None) -> Iterable[Finding]:
        """Return what the values of the last read tell whoever uses the board.

        `supply_w` is what the board's own supply gives, where a profile states it.
        """
        return ()

    @property
    def raised(self) -> dict[str, float]:
        """The values of the last read that are neither missing nor 0, by the channel's name."""
        pairs = zip(self.channels, self.values, strict=True)
        return {channel.name: value for channel, value in pairs if value}

    @abstractmethod
    def _read(self) -> None:
        """Set or fail every channel."""

    def _set(self, index: int, value: float) -> None:
        """Set a channel, or fail it where it cannot have that value."""
        bounds, kind = self._bounds[index], self.channels[index].kind
        refusal = None if bounds is None else bounds.refusal(kind, value)
        if refusal is not None:
            self._fail(index, refusal)
            return
        self.values[index] = 0.0 if kind == "power_w" and value < 0.0 else value
        self.errors[index] = None

    def _put(self, index: int, value: float | str) -> None:
        """Set a channel, or fail it for the reason that stands in place of a value."""
        if isinstance(value, str):
            self._fail(index, value)
        else:
            self._set(index, value)

    def _put_rail(
        self, index: int, volts: float | str, amps: float | str, watts: float | str | None = None
    ) -> None:
        """Put power, voltage and current of a rail, which are three channels from `index` on.

        `watts` None: the power is voltage times current. Where one of the two is refused, so is it.
        """
        self._put(index + 1, volts)
        self._put(index + 2, amps)
        known_v, known_a = self.values[index + 1], self.values[index + 2]
        if isinstance(watts, str):
            self._fail(index, watts)
        elif known_v is None or known_a is None:
            errors = [e for e in self.errors[index + 1 : index + 3] if e is not None]
            refused = next((error for error in errors if IMPOSSIBLE in error), None)
            unknown = errors[0] if watts is None else watts
            self._put(index, unknown if refused is None else refused)
        else:
            power_w = known_v * known_a if watts is None else watts
            refused = contradiction(power_w, known_v, known_a)
            self._put(index, power_w if refused is None else refused)

    def _fail(self, index: int, reason: str) -> None:
        self.values[index] = None
        self.errors[index] = reason

    def _fail_all(self, reason: str) -> None:
        for index in range(len(self.channels)):
            self._fail(index, reason)


def better_supply(supply_w: float | None) -> tuple[str, ...]:
    """Return the remedy for a supply that is too weak."""
    size = "the board's own supply" if supply_w is None else f"a {supply_w:g} W supply"
    return (
        f"# use {size} and a short, thick cable; feed USB devices apart",
        "# what happened since boot is forgotten at the next one",
    )


def rail_channels(
    name: str, power: str, voltage: str | None = None, current: str | None = None
) -> tuple[Channel, Channel, Channel]:
    """Return the channels of a rail by their sources; those not named are that of the power."""
    return (
        Channel(name, "power_w", power),
        Channel(name, "voltage_v", voltage or power),
        Channel(name, "current_a", current or power),
    )


class CounterRate:
    """The growth a second of a counter that is read again and again."""

    def __init__(self) -> None:
        self._last: tuple[float, float] | None = None  # time and counter

    def take(self, now_s: float, total: float | None) -> float | None:
        """Take the counter, None where it cannot be read; return None while two reads lack."""
        before, self._last = self._last, None if total is None else (now_s, total)
        if total is None or before is None or now_s <= before[0]:
            return None
        return (total - before[1]) / (now_s - before[0])


def share(rate: float | None) -> float | str:
    """Return a rate that is a share of the time, or that it is not known yet."""
    return PENDING if rate is None else min(1.0, max(0.0, rate))


def unique(names: Iterable[str]) -> list[str]:
    """Return the names, with "#2", "#3"... behind those that came before."""
    seen: dict[str, int] = {}
    result: list[str] = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        result.append(name if seen[name] == 1 else f"{name}#{seen[name]}")
    return result


class Hung(Exception):
    """Raised where work does not end; its thread is left to wait."""

    def __init__(self, skipped: Skipped) -> None:
        super().__init__(skipped.reason)
        self.skipped = skipped


def within(name: str, work: Callable[[], T], patience_s: float = PATIENCE_S) -> T:
    """Do `work` in a thread; raises Hung where it does not end in `patience_s`."""
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, name=f"edge-rt-{name}", daemon=True)
    thread.start()
    thread.join(patience_s)
    if errors:
        raise errors[0]
    if not results:
        raise Hung(hung(name, thread))
    return results[0]


def hung(name: str, thread: threading.Thread, channels: Sequence[Channel] = ()) -> Skipped:
    """Return what is told of a sensor that keeps `thread` waiting."""
    place = _place(thread) or (channels[0].source if channels else "it")
    return Skipped(name, f"no answer: a read of {place} does not return", thread)


def _place(thread: threading.Thread) -> str | None:
    """Return the file that `thread` is at, by the local variables of its innermost functions.

    Taken from the stack once a thread hangs, so that reading costs nothing more.
    """
    frame = sys._current_frames().get(thread.ident or 0)  # pyright: ignore[reportPrivateUsage]
    while frame is not None:
        for value in frame.f_locals.values():
            if isinstance(value, HeldFile):
                return str(value.path)
            if isinstance(value, Path):
                return str(value)
        frame = frame.f_back
    return None
