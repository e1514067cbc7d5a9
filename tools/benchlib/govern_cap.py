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
SETTLE_S, MEASURE_S = 5.0, 15.0
ROUNDS = 2  # each with daemons of its own: one may run some percent faster than the next
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
    """What came of one case: the governor's turns, and the best constant setting around them."""

    case: Case
    chosen: Constant | None  # the best constant setting; None: none keeps the cap
    served: list[Constant] = field(default_factory=list[Constant])  # it, right before and after
    spans: list[Span] = field(default_factory=list[Span])

    @property
    def windows_w(self) -> list[float]:
        """Mean power of the governor's windows."""
        return [power_w for span in self.spans for power_w in windows_w(span.looks)]

    @property
    def ok_share(self) -> float:
        """The share of the governor's windows that are within the cap."""
        return share_within(self.windows_w, self.case.cap_w)

    @property
    def tokens_per_s(self) -> float | None:
        """The mean speed of the governor's turns."""
        speeds = [span.tokens_per_s for span in self.spans]
        return statistics.mean(speeds) if speeds else None

    @property
    def best_tokens_per_s(self) -> float | None:
        """The mean speed of the best constant setting, served around the governor's turns."""
        speeds = [one.tokens_per_s for one in self.served]
        return statistics.mean(speeds) if speeds else None

    @property
    def vs_best(self) -> float | None:
        """The governor's tokens over those of the best constant setting."""
        own_speed, best_speed = self.tokens_per_s, self.best_tokens_per_s
        return own_speed / best_speed if own_speed and best_speed else None

    def plain(self) -> dict[str, object]:
        """For the report."""
        case, windows, chosen = self.case, self.windows_w, self.chosen
        return {
            "board": case.board.name,
            "seed": case.board.seed,
            "share": case.share,
            "uncapped_w": case.uncapped_w,
            "cap_w": case.cap_w,
            "ok_share": self.ok_share,
            "windows": len(windows),
            "highest_window": max(windows, default=0.0) / case.cap_w,
            "mean_w": [mean_w(span.looks) for span in self.spans],
            "tokens_per_s": [span.tokens_per_s for span in self.spans],
            "best": chosen.plain() if chosen else None,
            "best_ok_share": [case.within(on_board(one, case.board)) for one in self.served],
            "best_tokens_per_s": [one.tokens_per_s for one in self.served],
            "vs_best": self.vs_best,
        }

    def told(self) -> str:
        """For people."""
        kept = f"Cap, {self.case.label}: {self.ok_share:.2%} of the windows within"
        if self.chosen is None or self.vs_best is None:
            return f"{kept}; no constant setting keeps it."
        setting = f"{self.chosen.threads} threads, duty {self.chosen.duty:.3g}"
        return f"{kept}, {self.tokens_per_s:.4g} tok/s, {self.vs_best:.3f} of {setting}."


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
        """Look closer for the best constant setting."""
        async with self._fixed(f"nearer, {case.label}") as one:
            nearer = await serve(one, finer(scan, case.keeps))
        self.outcomes.append(Outcome(case, best([*scan, *nearer], case.keeps)))

    async def constant(self) -> None:
        """Serve the last case's best constant setting, if there is one.

        For as long as the governor: a few seconds may hold more or fewer prompts than usual.
        """
        outcome = self.outcomes[-1]
        if outcome.chosen is not None:
            setting = outcome.chosen.threads, outcome.chosen.duty
            async with self._fixed(f"constant, {outcome.case.label}") as one:
                outcome.served += await serve(one, [setting], SETTLE_S, MEASURE_S)

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
        outcome.spans.append(one.span(times))

    def _fixed(self, label: str) -> AbstractAsyncContextManager[Turn]:
        return turn(self.setup, label, BOARDS[-1], False, self.samples)


async def cap(setup: Setup) -> Found:
    """All boards at all caps."""
    bench = Bench(setup)
    scan = await bench.scan()
    for case in cases(scan, setup.quick):
        await bench.search(case, scan)
        for _ in range(1 if setup.quick else ROUNDS):
            await bench.constant()
            await bench.govern()
        await bench.constant()
        setup.say(bench.outcomes[-1].told())
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
