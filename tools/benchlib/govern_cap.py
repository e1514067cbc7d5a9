"""A cap on power in real time: daemon, engine and model on simulated boards."""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

from benchlib.govern import Found, Setup, cores, worst
from benchlib.govern_scan import Constant, best, finer, grid, serve
from benchlib.govern_turns import Span, Turn, turn
from benchlib.looks import Look, mean_w, share_within, windows_w
from benchlib.noise import Sample
from benchlib.sim_board import SimBoard

# This machine's cores stand for all of the board's: its full draw is that of a board at full speed.
BOARDS = tuple(
    SimBoard.whole(name, 0, cores()) for name in ("jetson-orin-nano-8gb", "raspberry-pi-5")
)
SHARES = (0.60, 0.75, 0.90)  # of the uncapped draw
IDLE_S = 8.0  # the daemon has nothing to do before the stream
SETTLE_S, MEASURE_S = 5.0, 30.0
WANTED = 0.995  # of the windows must be within the cap


@dataclass(frozen=True)
class Case:
    """One board under one cap."""

    board: SimBoard
    share: float
    uncapped_w: float

    @property
    def cap_w(self) -> float:
        """The cap."""
        return self.share * self.uncapped_w

    @property
    def label(self) -> str:
        """For people."""
        return f"{self.board.name} at {self.share:.0%}, {self.cap_w:.2f} W"

    def within(self, looks: Sequence[Look]) -> float:
        """The share of the windows that are within the cap."""
        return share_within(windows_w(looks), self.cap_w)

    def keeps(self, one: Constant) -> bool:
        """Whether a constant setting would have kept the cap as long as the governor has to."""
        return self.within(on_board(one, self.board)) >= WANTED


@dataclass
class Outcome:
    """What came of one case: the governor's turn, and the best constant setting around it."""

    case: Case
    chosen: Constant | None  # the best constant setting; None: none keeps the cap
    served: list[Constant] = field(default_factory=list[Constant])  # it, right before and after
    span: Span | None = None

    @property
    def ok_share(self) -> float:
        """The share of the governor's windows that are within the cap."""
        return self.case.within(self.span.looks) if self.span else 0.0

    @property
    def best_tokens_per_s(self) -> float | None:
        """Of the best constant setting, as served around the governor's turn."""
        speeds = [one.tokens_per_s for one in self.served]
        return statistics.mean(speeds) if speeds else None

    @property
    def vs_best(self) -> float | None:
        """The governor's tokens over those of the best constant setting."""
        best_speed = self.best_tokens_per_s
        return self.span.tokens_per_s / best_speed if self.span and best_speed else None

    def plain(self) -> dict[str, object]:
        """For the report."""
        case, looks, chosen = self.case, self.span.looks if self.span else [], self.chosen
        return {
            "board": case.board.name,
            "seed": case.board.seed,
            "share": case.share,
            "uncapped_w": case.uncapped_w,
            "cap_w": case.cap_w,
            "ok_share": self.ok_share,
            "windows": len(windows_w(looks)),
            "highest_window": max(windows_w(looks)) / case.cap_w,
            "mean_w": mean_w(looks),
            "tokens_per_s": self.span.tokens_per_s if self.span else None,
            "best": chosen.plain() if chosen else None,
            "best_ok_share": case.within(on_board(chosen, case.board)) if chosen else None,
            "best_tokens_per_s": self.best_tokens_per_s,
            "vs_best": self.vs_best,
        }

    def told(self) -> str:
        """For people."""
        kept = f"Cap, {self.case.label}: {self.ok_share:.2%} of the windows within"
        if self.chosen is None or self.span is None or self.vs_best is None:
            return f"{kept}; no constant setting keeps it."
        setting = f"{self.chosen.threads} threads, duty {self.chosen.duty:.3g}"
        return f"{kept}, {self.span.tokens_per_s:.4g} tok/s, {self.vs_best:.3f} of {setting}."


@dataclass
class Bench:
    """Turns with constant settings and turns with the governor, one after the other."""

    setup: Setup
    samples: list[Sample] = field(default_factory=list[Sample])
    outcomes: list[Outcome] = field(default_factory=list[Outcome])

    async def scan(self) -> list[Constant]:
        """Every setting of a grid, the uncapped one too."""
        settings = grid(cores(), 0.25 if self.setup.quick else 0.1)
        async with self._fixed("constant settings") as one:
            return await serve(one, settings)

    async def search(self, case: Case, scan: Sequence[Constant]) -> None:
        """Look closer for the best constant setting, and serve it once more."""
        async with self._fixed(f"constant, {case.label}") as one:
            await self._after(one)
            nearer = await serve(one, finer(scan, case.keeps))
            outcome = Outcome(case, best([*scan, *nearer], case.keeps))
            self.outcomes.append(outcome)
            await self._after(one)

    async def govern(self) -> None:
        """Serve under the last case's cap, of which the daemon knows before the stream."""
        outcome = self.outcomes[-1]
        case, label = outcome.case, f"governed, {outcome.case.label}"
        async with turn(self.setup, label, case.board, True, self.samples) as one:
            await one.budget(power_w=case.cap_w)
            await asyncio.sleep(IDLE_S)
            async with one.stream():
                times = await one.watch(SETTLE_S, MEASURE_S)
                await one.budget(power_w=None)  # soon to the end
            outcome.span = one.span(times)

    async def end(self) -> None:
        """Serve the last case's best constant setting after the governor's turn too."""
        async with self._fixed("constant, at last") as one:
            await self._after(one)

    async def _after(self, one: Turn) -> None:
        """Serve the best constant setting of the last case that there was."""
        outcome = self.outcomes[-1] if self.outcomes else None
        if outcome is not None and outcome.chosen is not None:
            chosen = outcome.chosen
            outcome.served += await serve(one, [(chosen.threads, chosen.duty)] * 2)
            if outcome.span is not None:
                self.setup.say(outcome.told())

    def _fixed(self, label: str) -> AbstractAsyncContextManager[Turn]:
        return turn(self.setup, label, BOARDS[-1], False, self.samples)


async def cap(setup: Setup) -> Found:
    """All boards at all caps."""
    bench = Bench(setup)
    scan = await bench.scan()
    for case in cases(scan, setup.quick):
        await bench.search(case, scan)
        await bench.govern()
    await bench.end()
    return gathered(bench.outcomes, scan, bench.samples)


def cases(scan: Sequence[Constant], quick: bool) -> list[Case]:
    """Every board at every cap, which follow from the engine where it is busiest."""
    full = max(scan, key=lambda one: one.mean_cores)
    boards, shares = (BOARDS[-1:], SHARES[1:2]) if quick else (BOARDS, SHARES)
    return [
        Case(board, share, mean_w(on_board(full, board))) for board in boards for share in shares
    ]


def on_board(one: Constant, board: SimBoard) -> list[Look]:
    """What `board` would do under a constant setting while the governor is measured."""
    looks = one.on(board, SETTLE_S + MEASURE_S)
    return [look for look in looks if look.time_s > SETTLE_S]


def gathered(
    outcomes: Sequence[Outcome], scan: Sequence[Constant], samples: Sequence[Sample]
) -> Found:
    """The worst of all cases."""
    ratios = [one.vs_best for one in outcomes]
    details = {
        "cases": [one.plain() for one in outcomes],
        "constants": [one.plain() for one in sorted(scan, key=lambda one: (one.threads, one.duty))],
    }
    return Found(
        values={
            "cap_ok_share": min((one.ok_share for one in outcomes), default=None),
            "cap_vs_best": worst("cap_vs_best", ratios),
        },
        details={"cap": details},
        samples=samples,
        notes=[one.told() for one in outcomes],
    )
