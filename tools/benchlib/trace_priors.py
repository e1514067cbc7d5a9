"""The priors of the boards, held against what was recorded of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import median

from benchlib.boards import load_boards
from benchlib.trace_power import Product
from benchlib.traces import CELLS_BOARD, Phase, Recorded
from edge_rt.config.board import Board
from edge_rt.governor.power.draws import priors_of
from edge_rt.thermal.leakage import LeakagePrior, fit_leakage

_WARM_C = 60.0  # temperature of the table of leakage


@dataclass(frozen=True)
class Compared:
    """One prior, and the median of what was measured."""

    board: str
    what: str
    prior: float
    measured: float
    unit: str

    @property
    def line(self) -> str:
        """For people."""
        return (
            f"{self.board}, {self.what}: prior {self.prior:.2f} {self.unit},"
            f" measured {self.measured:.2f} {self.unit}, {self.prior / self.measured:.2f} times"
        )


def compared(recorded: Sequence[Recorded]) -> Iterator[Compared]:
    """Rest, what a load adds, and prompts over answers, for each board and mode."""
    boards, groups = load_boards(), defaultdict[tuple[str, str], list[Recorded]](list)
    for one in recorded:
        groups[one.group, _mode(one)].append(one)
    for (group, mode), these in groups.items():
        name, board = f"{group} {mode}".strip(), boards[these[0].board]
        rest_w = median(one.phases[0].mean_w for one in these)
        yield Compared(name, "at rest", priors_of(board).idle_w, rest_w, "W")
        loads = [phase for one in these for phase in one.phases if phase.at.busy]
        plain = [phase for phase in loads if not phase.at.prompts]
        batches = [phase for phase in loads if phase.at.prompts]
        draws = [_drawn(board, phase, rest_w) for phase in plain or batches]
        yield Compared(
            name, "a load adds", median(d[0] for d in draws), median(d[1] for d in draws), "W"
        )
        for one in these:
            both = {phase.name: _drawn(board, phase, one.phases[0].mean_w) for phase in one.phases}
            if {"prompt", "answer"} <= set(both):
                prior, true = (both["prompt"][n] / both["answer"][n] for n in (0, 1))
                yield Compared(f"{name} {one.unit}", "prompts over answers", prior, true, "times")
                break


def per_kelvin(
    points: Sequence[tuple[float, float, float]], recorded: Sequence[Recorded]
) -> list[Compared]:
    """Power over temperature at constant work and at rest, of the board with a table of leakage."""
    name = CELLS_BOARD
    rest_w = next(one.phases[0].mean_w for one in recorded if one.group == name)
    fit = fit_leakage((), LeakagePrior(rest_w))
    slope, ratio = fit.leakage.slope_w_per_c(_WARM_C), fit.work_ratio
    square = sum(kelvins * kelvins for kelvins, _, _ in points)
    work, rest = (1e3 * sum(one[0] * one[n] for one in points) / square for n in (1, 2))
    drift = fit.drift_w_per_c
    return [
        Compared(name, "power at rest over kelvins", 1e3 * (slope + drift), rest, "mW/K"),
        Compared(name, "power at work over kelvins", 1e3 * (slope * ratio + drift), work, "mW/K"),
    ]


def _mode(one: Recorded) -> str:
    for word in (
        "MAXN",
        "MODE_15W",
        "MODE_30W_ALL",
        "MODE_30W_6",
        "MODE_30W_4",
        "MODE_30W",
        "MaxQ",
    ):
        if word in one.unit:
            return word
    return ""


def _drawn(board: Board, phase: Phase, rest_w: float) -> tuple[float, float]:
    """What a phase adds to rest, by the prior and as measured."""
    model, idle = Product(board), replace(phase.at, busy=0.0)
    return model.predict(phase.at) - model.predict(idle), phase.mean_w - rest_w
