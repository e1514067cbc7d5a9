"""The power of recorded boards: a model that knows some modes and loads, held against the others.

For each mode and load of a board, a model learns all others of the board. It then sees the rest
before the unknown load, and predicts the watts of each phase to come before it sees them. It is
compared with carrying on the last value. Only steps count: while a load goes on, the last value is
right within a hundredth.
"""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean, median

from benchlib.boards import load_boards
from benchlib.traces import Conditions, Phase, Recorded
from edge_rt.config.board import Board
from edge_rt.governor.policy.setting import BoardLoad, EngineSetting
from edge_rt.governor.power.draws import priors_of
from edge_rt.governor.power.model import PowerModel

_LAST_S = 3.0  # of a phase, whose mean is carried on
_CORES = 12


class BoardModel:
    """Learns the power of a board from one look after the other, by the product's model."""

    def __init__(self, board: Board) -> None:
        cores = sum(cluster.cores for cluster in board.clusters.values()) or _CORES
        self._power = PowerModel(cores, priors_of(board))

    def learn(self, at: Conditions, dt_s: float, power_w: float) -> None:
        """Take a reading over the last `dt_s`."""
        self._power.learn(
            dt_s, BoardLoad(_setting(at), at.busy, at.prompts, awake=at.busy > 0.0), power_w
        )

    def predict(self, at: Conditions) -> float:
        """Return the watts under these conditions."""
        return self._power.power_w(_setting(at), at.busy, at.prompts)


def _setting(at: Conditions) -> EngineSetting:
    return EngineSetting(at.threads, at.cpu, at.gpu)


@dataclass(frozen=True)
class Step:
    """One step into a phase of an unknown load; errors are shares of the true watts."""

    group: str
    unit: str
    phase: str
    true_w: float
    told_w: float
    last_w: float

    @property
    def error(self) -> float:
        """Of the prediction."""
        return abs(self.told_w / self.true_w - 1.0)

    @property
    def last_error(self) -> float:
        """Of the last value."""
        return abs(self.last_w / self.true_w - 1.0)


def steps(
    recorded: Sequence[Recorded], make: Callable[[Board], BoardModel] = BoardModel
) -> list[Step]:
    """Return all steps into phases of loads that the model has not seen."""
    boards, groups = load_boards(), defaultdict[str, list[Recorded]](list)
    for one in recorded:
        groups[one.group].append(one)
    found: list[Step] = []
    for group in groups.values():
        for unit in dict.fromkeys(one.unit for one in group):
            known = [one for one in group if one.unit != unit]
            if known:
                model = make(boards[known[0].board])
                for one in known:
                    _learn(model, one.phases)
                for one in group:
                    if one.unit == unit:
                        found += _judge(copy.deepcopy(model), one)
    return found


def _learn(model: BoardModel, phases: Sequence[Phase]) -> None:
    for phase in phases:
        for watts in phase.watts:
            model.learn(phase.at, phase.dt_s, watts)


def _judge(model: BoardModel, one: Recorded) -> Iterator[Step]:
    _learn(model, one.phases[:1])
    for before, phase in zip(one.phases, one.phases[1:], strict=False):
        last = before.watts[-max(1, round(_LAST_S / before.dt_s)) :]
        told_w = model.predict(phase.at)
        yield Step(one.group, one.unit, phase.name, phase.mean_w, told_w, fmean(last))
        _learn(model, [phase])


def errors(found: Sequence[Step]) -> tuple[float, float]:
    """The median error, and its ratio to that of the last value.

    A unit counts once, with its median, however many traces of it there are.
    """
    units: dict[tuple[str, str], list[Step]] = defaultdict(list)
    for one in found:
        units[one.group, one.unit].append(one)
    error = median(median(one.error for one in each) for each in units.values())
    last = median(median(one.last_error for one in each) for each in units.values())
    return error, error / last


def by_group(found: Sequence[Step]) -> Iterator[str]:
    """A line for each board."""
    for group in dict.fromkeys(one.group for one in found):
        these = [one for one in found if one.group == group]
        error, ratio = errors(these)
        count = len({one.unit for one in these})
        yield f"{group}: {error:.1%} off, {ratio:.2f} of the last value's, {count} modes and loads"
