"""Heat in real time: warmer air, then a dead fan, with the governor and without."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace

from benchlib.govern import Found, Setup, cores
from benchlib.govern_scan import Constant, best, finer, grid, serve
from benchlib.govern_turns import Turn, turn
from benchlib.looks import Look, throttles
from benchlib.noise import Sample
from benchlib.sim_board import SimBoard

# After the board's start: 45 °C, the fan stops, the end. With a dead fan the board's mass takes a
# quarter of an hour to warm: in less time the best constant setting would be one that only has not
# throttled yet.
AMBIENT_S, FAN_S, END_S = 120, 240, 1100
# It has served at full speed in air of 35 °C until nothing changed any more.
BOARD = replace(
    SimBoard.whole("raspberry-pi-5", 0, cores()),
    ambient_c=35.0,
    events=(f"ambient@{AMBIENT_S}=45", f"fan-failure@{FAN_S}"),
    past_s=1200.0,
)
SETTLE_S = 1.0
_LOOK_S = 5.0
_STEP = 0.2  # between the duties that are tried first


@dataclass(frozen=True)
class Course:
    """What was served on the way, and what the board did since its start."""

    tokens_per_s: float
    looks: Sequence[Look]

    @property
    def throttles(self) -> int:
        """How often the board slowed itself down."""
        return throttles(self.looks)

    def plain(self) -> dict[str, float | None]:
        """For the report."""
        start_s = self.looks[0].time_s
        first = next((k.time_s - start_s for k in self.looks if k.throttle_state), None)
        return {
            "tokens_per_s": self.tokens_per_s,
            "seconds": self.looks[-1].time_s - start_s,
            "throttles": self.throttles,
            "first_throttle_s": first,
            "hottest_c": max(k.chip_c for k in self.looks),
            "chip_c_at_the_end": self.looks[-1].chip_c,
        }


@dataclass
class Bench:
    """The same board under constant settings, full speed among them, and governed."""

    setup: Setup
    samples: list[Sample] = field(default_factory=list[Sample])
    constants: list[Constant] = field(default_factory=list[Constant])
    chosen: Constant | None = None  # the fastest of them that does not throttle
    again: list[Constant] = field(default_factory=list[Constant])  # that, around the governor

    @property
    def full(self) -> Constant:
        """Full speed."""
        return max(self.constants, key=lambda one: (one.threads, one.duty))

    @property
    def board(self) -> SimBoard:
        """The board, which has been at full speed before."""
        return replace(BOARD, past_cores=self.full.mean_cores)

    async def scan(self) -> None:
        """Serve constant settings, near the best one closer, and that once more."""
        async with self._turn("heat, constant settings", BOARD, governed=False) as one:
            self.constants += await serve(one, grid(cores(), _STEP))
            self.constants += await serve(one, finer(self.constants, self.holds))
            self.chosen = best(self.constants, self.holds)
            await self._best(one)

    async def best_again(self) -> None:
        """Serve the best constant setting, after the governor's course."""
        async with self._turn("heat, best constant setting", BOARD, governed=False) as one:
            await self._best(one)

    async def governed(self) -> Course:
        """Serve to the end."""
        async with self._turn("heat, governed", self.board, governed=True) as one:
            async with one.stream():
                begin_s, end_s = await one.watch(SETTLE_S, 0.0)
                while not over(one.looks()):
                    _, end_s = await one.watch(0.0, _LOOK_S)
            return Course(one.span((begin_s, end_s)).tokens_per_s, one.looks())

    def ungoverned(self) -> Course:
        """The board under what full speed uses."""
        return Course(self.full.tokens_per_s, self.full.on(self.board, END_S))

    def holds(self, one: Constant) -> bool:
        """Whether the board would not throttle under a constant setting."""
        return not throttles(one.on(self.board, END_S))

    async def _best(self, one: Turn) -> None:
        if (chosen := self.chosen) is not None:
            self.again += await serve(one, [(chosen.threads, chosen.duty)] * 2)

    def _turn(
        self, label: str, board: SimBoard, governed: bool
    ) -> AbstractAsyncContextManager[Turn]:
        return turn(self.setup, label, board, governed, self.samples)


async def heat(setup: Setup) -> Found:
    """The governed board, the best constant setting around it, and the board at full speed."""
    bench = Bench(setup)
    await bench.scan()
    governed = await bench.governed()
    await bench.best_again()
    return gathered(bench, governed)


def over(looks: Sequence[Look]) -> bool:
    """Whether a course has come to its end."""
    return looks[-1].time_s - looks[0].time_s >= END_S


def gathered(bench: Bench, governed: Course) -> Found:
    """Throttles with and without the governor, and its tokens against the best constant's."""
    full = bench.ungoverned()
    chosen, speeds = bench.chosen, [one.tokens_per_s for one in bench.again]
    ratio = governed.tokens_per_s / statistics.mean(speeds) if speeds else None
    details = {
        "board": BOARD.name,
        "seed": BOARD.seed,
        "events": BOARD.events,
        "governed": governed.plain(),
        "full_speed": full.plain(),
        "best": chosen.plain() if chosen else None,
        "best_tokens_per_s": speeds,
        "constants": [one.plain() for one in bench.constants],
    }
    return Found(
        values={
            "throttles": governed.throttles,
            "throttles_without": full.throttles,
            "heat_vs_best": ratio,
        },
        details={"heat": details},
        samples=bench.samples,
        notes=[
            f"Heat, {BOARD.name}: {governed.throttles} throttles governed, up to "
            f"{governed.plain()['hottest_c']:.1f} °C; {full.throttles} at full speed, the first "
            f"after {full.plain()['first_throttle_s']} s."
        ],
    )
