"""The best placement, when to look for it, and whether a change is worth its loading."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

from edge_rt.core.limits import Guard
from edge_rt.core.routing import Prefer
from edge_rt.routing.choice.pareto import TIE
from edge_rt.routing.placement import (
    Placement,
    PlacementCost,
    PlacementProblem,
    State,
    better,
    feasible,
)


class Front:
    """The placements that none of those seen so far dominates, by rising joules.

    Of two with equal joules and seconds the one stays that has anything loaded.
    """

    def __init__(self) -> None:
        self.front: list[Placement] = []

    def add(self, placement: Placement) -> bool:
        """Add a placement and drop those that it dominates; False where it is not better."""
        front, cost = self.front, placement.cost
        place = bisect_left(front, _rank(placement), key=_rank)
        if place and front[place - 1].cost.seconds <= cost.seconds:
            return False
        end = place
        while end < len(front) and front[end].cost.seconds >= cost.seconds:
            end += 1
        front[place:end] = [placement]
        return True


def _rank(placement: Placement) -> tuple[PlacementCost, bool, State]:
    return placement.cost, not any(placement.state), placement.state


def enumerate_all(problem: PlacementProblem) -> list[Placement]:
    """Return the placements that no other dominates, by rising joules, of all that fit."""
    walk = _Walk(problem)
    walk.down(0, (), problem.unserved, [0.0] * len(problem.usable_bytes))
    return walk.seen.front


class _Walk:
    def __init__(self, problem: PlacementProblem) -> None:
        self._problem, self.seen = problem, Front()

    def down(
        self,
        variant: int,
        state: tuple[int, ...],
        served: tuple[PlacementCost, ...],
        taken: list[float],
    ) -> None:
        """All that begins with `state`, which serves as told and takes so much memory."""
        problem = self._problem
        pressure = problem.pressure(taken)
        if not feasible(pressure):
            return
        if variant == len(problem.variants):
            self.seen.add(problem.judged(state, served, pressure))
            return
        self.down(variant + 1, (*state, 0), served, taken)
        for place, one in enumerate(problem.variants[variant], 1):
            more = better(served, problem.costs(variant, place))
            sizes = [a + b for a, b in zip(taken, one.bytes, strict=True)]
            self.down(variant + 1, (*state, place), more, sizes)


PHI_MOVED = 0.05  # relative
TIGHTER, WIDER = 0.05, 0.2  # memory, relative
MIX_MOVED = 0.2  # of all requests, those of other kinds than before
MORE = 0.2  # requests, relative: where a change did not repay

HORIZON_S = 1800.0  # in which a change has to pay


@dataclass(frozen=True)
class Circumstances:
    """What a placement rests on; `phi` is the board's thermal yield, None: not known.

    `usable_bytes` are those of each memory, `mix` the share of each kind of requests, `per_second`
    the rate of all. Without `heavy` no model may be loaded; with `smaller` weaker models answer.
    """

    phi: float | None
    guard: Guard
    usable_bytes: tuple[float, ...]
    mix: Mapping[Hashable, float]
    per_second: float = 0.0
    heavy: bool = True
    smaller: bool = False


class Occasion:
    """Tells when the circumstances of the last placement have changed."""

    def __init__(self) -> None:
        self._planned: Circumstances | None = None
        self._waits = False

    def planned(self, now: Circumstances, *, waits: bool = False) -> None:
        """Models were placed; what is best `waits` until they may be loaded or that repays."""
        self._planned, self._waits = now, waits

    def due(self, now: Circumstances) -> str | None:
        """Return why models must be placed again; None: they need not."""
        then = self._planned
        if then is None:
            return "nothing was placed yet"
        if now.guard != then.guard:
            return f"the guard state went from {then.guard} to {now.guard}"
        if (now.phi is None) != (then.phi is None):
            return "the thermal yield came to be known, or is no longer"
        if now.smaller != then.smaller:
            return f"smaller models may {'now' if now.smaller else 'no longer'} answer"
        if now.phi is not None and then.phi and abs(now.phi / then.phi - 1.0) >= PHI_MOVED:
            return f"the thermal yield went from {then.phi:.2f} to {now.phi:.2f}"
        if self._waits and now.heavy and not then.heavy:
            return "models may be loaded again"
        if self._waits and now.per_second >= then.per_second * (1.0 + MORE):
            return "there are more requests, so that more repays"
        return _memory(then.usable_bytes, now.usable_bytes) or _mix(then.mix, now.mix)


@dataclass(frozen=True)
class Change:
    """Whether to go over to another placement, and why."""

    made: bool
    why: str


def judge(
    problem: PlacementProblem,
    before: State,
    after: Placement,
    per_second: float,
    prefer: Prefer = "energy",
    heavy: bool = True,
) -> Change:
    """Whether what `after` saves over the horizon repays what has to be loaded for it.

    `per_second` are the requests to expect. Seconds are compared where latency is preferred, joules
    otherwise. Without `heavy` nothing is loaded. What does not fit any more changes at any cost.
    """
    load = problem.load(before, after.state)
    if after.state == before:
        return Change(False, "it is the best already")
    loads = any(new and new != old for old, new in zip(before, after.state, strict=True))
    if loads and not heavy:
        return Change(False, "no model may be loaded now")
    present = problem.placement(before)
    if present is None:
        return Change(True, "what is loaded does not fit into memory any more")
    axis = _axis(prefer)
    unit, gain = "Js"[axis], _gain(present, after, per_second, axis)
    told = f"it saves {gain:.3g} {unit} in {HORIZON_S:.0f} s, and loading takes"
    return Change(gain > load[axis], f"{told} {load[axis]:.3g} {unit}")


def sparing(
    problem: PlacementProblem,
    before: State,
    after: Placement,
    per_second: float,
    prefer: Prefer = "energy",
) -> Placement:
    """Return `after`, but leave a loaded model where it is if its move alone does not repay its
    load.
    """
    axis = _axis(prefer)
    for variant, (old, new) in enumerate(zip(before, after.state, strict=True)):
        state = (*after.state[:variant], old, *after.state[variant + 1 :])
        kept = problem.placement(state) if old and new and old != new else None
        if kept is None:
            continue
        if _gain(kept, after, per_second, axis) <= problem.load(state, after.state)[axis]:
            after = kept
    return after


def _gain(present: Placement, after: Placement, per_second: float, axis: int) -> float:
    """Return what `after` saves over the horizon."""
    return (present.cost[axis] - after.cost[axis]) * per_second * HORIZON_S


def _axis(prefer: Prefer) -> int:
    """Which of its costs a placement is judged by."""
    return 1 if prefer == "latency" else 0


def _memory(then: tuple[float, ...], now: tuple[float, ...]) -> str | None:
    for before, after in zip(then, now, strict=True):
        if after < before * (1.0 - TIGHTER):
            return f"memory for models went from {before / 1e6:.0f} to {after / 1e6:.0f} MB"
        if after > before * (1.0 + WIDER):
            return f"memory for models grew from {before / 1e6:.0f} to {after / 1e6:.0f} MB"
    return None


def _mix(then: Mapping[Hashable, float], now: Mapping[Hashable, float]) -> str | None:
    kinds = {*then, *now}
    moved = sum(abs(now.get(kind, 0.0) - then.get(kind, 0.0)) for kind in kinds) / 2.0
    return f"{moved:.0%} of requests are of other kinds now" if moved >= MIX_MOVED else None


def pick(found: Sequence[Placement], prefer: Prefer) -> Placement:
    """Return the best of a front: the fewest joules, or the fewest seconds if preferred.

    Ties go to the other of the two, and then to what has anything loaded.
    """
    rest = found
    for axis in (1, 0) if prefer == "latency" else (0, 1):
        least = min(p.cost[axis] for p in rest)
        rest = [p for p in rest if p.cost[axis] <= least * (1.0 + TIE)]
    return min(rest, key=lambda p: (not any(p.state), p.cost))
