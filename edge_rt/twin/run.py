"""The simulated board as a process, which follows its load and a script of events."""

from __future__ import annotations

import math
import re
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast, get_args

from edge_rt.config.board import Board
from edge_rt.twin.load import WatchedLoad, WatchedUsage
from edge_rt.twin.plant import Conditions, Plant, PlantState
from edge_rt.twin.shape import Shape, draw
from edge_rt.twin.tree import BoardTree

Kind = Literal["ambient", "fan-failure", "undervoltage"]
FORM = "KIND@START[+SECONDS][=VALUE]"
_FORM = re.compile(
    r"(?P<kind>[a-z-]+)@(?P<start>\d+(?:\.\d+)?)(?:\+(?P<length>\d+(?:\.\d+)?))?"
    r"(?:=(?P<value>-?\d+(?:\.\d+)?))?"
)
AMBIENT_C = (-60.0, 125.0)  # coldest and hottest air
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_MOST_OWED_S = 2.0  # seconds that were used within one step and are felt in the next ones


@dataclass(frozen=True)
class Event:
    """One thing that happens from `start_s` until before `end_s` after the twin's start.

    - ambient: the air has `value` °C
    - fan-failure: the fan stands still
    - undervoltage: the supply sags
    """

    kind: Kind
    start_s: float
    end_s: float = math.inf
    value: float = 0.0

    @classmethod
    def parse(cls, text: str) -> Event:
        """Return it from its short form, such as "ambient@60=40"; raises ValueError."""
        match = _FORM.fullmatch(text)
        if match is None:
            raise ValueError(f"{text!r} is no event: expected {FORM}, such as ambient@60=40")
        kind = match["kind"]
        if kind not in get_args(Kind):
            raise ValueError(f"{kind!r} is no kind of event: expected {', '.join(get_args(Kind))}")
        if (kind == "ambient") != (match["value"] is not None):
            need = "needs a temperature, such as =40" if kind == "ambient" else "has no value"
            raise ValueError(f"{text!r}: {kind} {need}")
        value = float(match["value"] or 0)
        low_c, high_c = AMBIENT_C
        if not low_c <= value <= high_c:
            raise ValueError(f"{text!r}: expected a temperature from {low_c:g} to {high_c:g} °C")
        start_s = float(match["start"])
        end_s = start_s + float(match["length"]) if match["length"] else math.inf
        return cls(cast("Kind", kind), start_s, end_s, value)

    def holds(self, time_s: float) -> bool:
        return self.start_s <= time_s < self.end_s


class Script:
    """All events of a run."""

    def __init__(self, events: Sequence[Event], ambient_c: float) -> None:
        self._events, self._ambient_c = tuple(events), ambient_c

    def conditions(self, time_s: float) -> Conditions:
        """Return what the plant feels; of several ambient temperatures the latest one's."""
        now = [event for event in self._events if event.holds(time_s)]
        kinds = {event.kind for event in now}
        steps = sorted((e for e in now if e.kind == "ambient"), key=lambda event: event.start_s)
        ambient_c = steps[-1].value if steps else self._ambient_c
        return Conditions(ambient_c, "fan-failure" not in kinds, "undervoltage" in kinds)


class Twin:
    """A plant with its script and its files. `clock` is in seconds."""

    def __init__(
        self,
        board: Board,
        root: Path,
        watched: WatchedLoad,
        ambient_c: float = 25.0,
        seed: int = 0,
        events: Sequence[Event] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.shape = Shape.of(board)
        self.parameters = draw(self.shape, seed)
        self._plant = Plant(self.shape, self.parameters, ambient_c)
        self._script = Script(events, ambient_c)
        self._watched, self._clock = watched, clock
        self._tree = BoardTree(root, self.shape, self.parameters)
        self._last_s: float | None = None
        self._cores, self._gpu = _Owed(), _Owed()

    def step(self) -> PlantState | None:
        """Catch up with the clock; None once the watched process has ended."""
        usage = self._watched.look()
        # Only then, as a look lists all processes first, which may take a while: what they used
        # meanwhile would be felt as the use of a shorter time.
        now_s = self._clock()
        if usage is None:
            return None
        dt_s = 0.0 if self._last_s is None else now_s - self._last_s
        self._last_s = now_s
        state = self._advance(dt_s, usage)
        self._tree.show(state, dt_s, usage)
        return state

    def close(self) -> None:
        self._tree.remove()

    def _advance(self, dt_s: float, usage: WatchedUsage) -> PlantState:
        dt_s = max(dt_s, 1e-6)
        # CPU time is told in ticks, late for new children, and by a machine with other cores.
        busy_s = self._cores.felt_s(usage.busy_s, self.shape.cores * dt_s)
        gpu_s = self._gpu.felt_s(usage.gpu_s, dt_s)
        conditions = self._script.conditions(self._plant.time_s)
        clocks = self._tree.limits_hz(), gpu_s / dt_s, self._tree.gpu_limit_hz()
        return self._plant.step(dt_s, busy_s / dt_s, conditions, *clocks)


class _Owed:
    """Seconds that were used and are still to be felt."""

    def __init__(self) -> None:
        self._owed_s = 0.0

    def felt_s(self, used_s: float, most_s: float) -> float:
        """Return what is felt of them in a step that has room for `most_s`, after `used_s` more."""
        self._owed_s = min(self._owed_s + used_s, most_s + _MOST_OWED_S)
        felt_s = min(self._owed_s, most_s)
        self._owed_s -= felt_s
        return felt_s


def run(
    twin: Twin,
    period_s: float,
    ready: Callable[[], None],
    needed: Callable[[], bool] = lambda: True,
) -> str:
    """Step until the end, and say what ended it; `ready` is called once the files are there.

    It also ends once the board is not `needed` any more.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)  # waited for, not handled
    try:
        return _loop(twin, period_s, ready, needed)
    finally:
        twin.close()
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _loop(
    twin: Twin, period_s: float, ready: Callable[[], None], needed: Callable[[], bool]
) -> str:
    due_s = time.monotonic()
    waiting = True
    while True:
        state = twin.step()
        if state is None:
            return "the watched process has ended"
        if not needed():
            return "nobody reads its output any more"
        if state.off:
            return f"the board has switched itself off at {state.chip_c:.1f} °C"
        if waiting:
            waiting = False
            ready()
        now_s = time.monotonic()
        due_s = max(due_s + period_s, now_s)
        caught = signal.sigtimedwait(_SIGNALS, due_s - now_s)
        if caught is not None:
            return f"ended by {signal.Signals(caught.si_signo).name}"
