"""The governor's observations and limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Guard = Literal["ok", "caution", "hold", "evacuate"]
Admission = Literal["open", "queue", "refuse"]
Sacrifice = Literal["pace", "model", "queue", "refuse"]
BoundBy = Literal["power_w", "temp_c", "energy_j", "guard"]


@dataclass(frozen=True)
class Observation:
    """The board and the engine since the last look, `dt_s` seconds before `time_s`.

    Figures that cannot be read are None. `busy_s` are the engine's seconds inside passes, and
    `prompt_s` the part of them that read prompts; `tokens` were drawn in the rest. `running` and
    `waiting` count requests, and `asked` is the most threads that one of them asks for, None: all.
    """

    time_s: float  # monotonic
    dt_s: float
    power_w: float | None  # the supply's mean over `dt_s`
    temp_c: float | None  # the hottest zone that counts
    trip_c: float | None  # where the zone nearest to its trip point makes the board throttle
    fan: float | None  # drive of the fan, 0 to 1
    threads: int  # in force over `dt_s`
    busy_s: float
    tokens: int
    running: int
    waiting: int
    others: float | None  # cores that other processes kept busy
    supply_j: float | None = None  # of the budget's present hour or day so far
    period_left_s: float | None = None  # of that hour or day
    prompt_s: float = 0.0
    prompt_tokens: int = 0  # read in `prompt_s`
    cpu_s: float | None = None  # core seconds of the engine, passes under way included
    spare_s: float = 0.0  # of `busy_s`, times the threads that requests had no use for
    asked: int | None = None
    # Seconds in passes of models with layers on a GPU, a pass under way included; None: no model
    # has layers there.
    gpu_s: float | None = None
    gpu_load: float | None = None  # share of the time that any program kept the GPU busy
    cpu_hz: float | None = None  # highest clock allowed now, as read back
    gpu_hz: float | None = None
    real_cpu_hz: float | None = None  # clock of cores at work; None: not known, or none works
    real_gpu_hz: float | None = None
    helped: float = 0.0  # of `others`, the cores of processes that the engine started
    near_c: float | None = None  # temperature of the zone of `trip_c`; None: the hottest one's
    trip_assumed: bool = False  # whether nothing tells `trip_c`
    sag: str | None = None  # the flag or counter that tells of a supply that sags; None: none does

    @property
    def rivals(self) -> float | None:
        """The cores that programs which are not the daemon's kept busy."""
        return None if self.others is None else max(0.0, self.others - self.helped)

    @property
    def guarded_c(self) -> float | None:
        """The temperature to be compared with `trip_c`."""
        return self.temp_c if self.near_c is None else self.near_c

    @property
    def hot_trip_c(self) -> float | None:
        """How hot the hottest zone is once that zone is at its trip point."""
        if self.trip_c is None or self.temp_c is None or self.near_c is None:
            return self.trip_c
        return self.trip_c + self.temp_c - self.near_c


@dataclass(frozen=True)
class Limits:
    """What the engine may use from now on, and why.

    `duty` is the share of time that the engine may compute: after a pass of t seconds it rests
    t·(1/duty - 1); `prompt_duty` is the same for passes that read prompts. `prefill_chunk` is the
    most prompt tokens of one pass, None where a pass may be as long as the engine likes.
    `admission` tells what happens to new requests; `smaller` asks for a smaller model where one is
    named for that. Without `heavy` no model may be loaded now.
    """

    threads: int
    duty: float = 1.0
    prefill_chunk: int | None = None
    admission: Admission = "open"
    smaller: bool = False
    heavy: bool = True
    retry_after_s: float = 0.0
    guard: Guard = "ok"
    allowance_w: float | None = None  # the most that the board may draw now; None: nothing binds
    bound_by: BoundBy | None = None  # what sets the allowance
    why: str = "nothing holds back"  # one sentence for people
    slows: bool = False  # whether that slows answers
    cpu_hz: float | None = None  # highest clock from now on; None: leave it alone
    gpu_hz: float | None = None
    prompt_duty: float | None = None  # None: as `duty`

    @property
    def least_duty(self) -> float:
        """The lower one of both duties."""
        return self.duty if self.prompt_duty is None else min(self.duty, self.prompt_duty)


@dataclass(frozen=True)
class ClockSteps:
    """The clocks to choose from, in Hz, lowest first; empty: that clock may not be changed."""

    cpu_hz: tuple[float, ...] = ()
    gpu_hz: tuple[float, ...] = ()
