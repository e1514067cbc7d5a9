"""The board's power as a sum that is linear in figures to be learnt."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from edge_rt.config.board import Board
from edge_rt.governor.policy.setting import LOW_CLOCK, BoardLoad, EngineSetting
from edge_rt.thermal.kalman import KalmanFilter

_IDLE_W, _CORE_W = 3.0, 1.5  # where nothing better is known: a board of the size of a Pi
# Places of the figures. In watts: power at rest, and power that nothing here explains. As multiples
# of the priors' watts: what short pauses draw above rest, as clocks stay up; a core of other
# programs; the engine on all cores at the top clock, its corrections over threads and over clocks,
# and what prompts add; the same on a GPU, and the GPU's load by other programs.
BASE, AWAKE, HIDDEN, CORES, LEVEL, BEND, CLOCK, READ = range(8)
GPU, GPU_CLOCK, GPU_READ, GPU_OTHERS = range(8, 12)
OWN = frozenset((LEVEL, BEND, CLOCK, READ, GPU, GPU_CLOCK, GPU_READ))  # what the engine adds
# Means of the priors, and their deviations where the name ends in OWN.
_OTHERS, _OTHERS_OWN = 0.5, 0.5  # times one thread's draw
_LEVEL_OWN, _BEND_OWN, _CLOCK_OWN = 0.4, 0.08, 0.35
_READ, _READ_OWN = 0.15, 0.25  # where calibration has not measured it
_READ_KNOWN = 0.05  # deviation where it has
_GPU_OWN, _GPU_OTHERS = 0.5, 0.8
STIRS = 0.1  # cores of other programs that keep clocks up
_AWAKE, _AWAKE_OWN, _AWAKES = 0.0, 0.3, (0.0, 2.0)  # times one thread's draw; bounds
_GPU_CORES = 6  # an unknown GPU is taken to draw at least as much as so many cores
_EXPONENT = 2.1  # of power over clock: voltage falls with the clock, but not in proportion
# Bounds, as multiples of the level where that is not the figure itself.
_LEVELS, _BENDS, _CLOCKS, _READS = (0.15, 6.0), (-0.5, 0.5), (-0.8, 0.6), (-0.4, 1.2)
_CORES_MOST = 2.0  # bound of CORES and GPU_OTHERS
_BELOW = 0.1  # share of the power at rest by which the unexplained power may be below 0


@dataclass(frozen=True)
class Priors:
    """Power by thread count from calibration or from the profile.

    `draws_w` are watts above `idle_w` of an engine that decodes all the time, and `prompts` the
    ratio of its draw while it reads prompts, `gpu_prompts` that on a GPU. Thread counts that are
    not named are interpolated.
    `gpu_w` is what a model on the GPU adds; None: as much as all cores, and as six cores at least.
    """

    idle_w: float = _IDLE_W
    core_w: float = _CORE_W
    draws_w: Mapping[int, float] = field(default_factory=dict[int, float])
    prompts: float | None = None
    gpu_w: float | None = None
    gpu_prompts: float | None = None


def priors_of(board: Board) -> Priors:
    """Return the figures of a profile."""
    draw = board.draw
    idle_w = draw.idle_w.value if draw.idle_w else _IDLE_W
    cores = sum(cluster.cores for cluster in board.clusters.values())
    core_w = _CORE_W
    if draw.loaded_w is not None and cores and draw.loaded_w.value > idle_w:
        core_w = (draw.loaded_w.value - idle_w) / cores
    return Priors(idle_w, core_w, gpu_w=core_w * cores if board.gpu and cores else None)


class PowerTerms:
    """The weights with which the figures add up to watts, and the bounds of the figures.

    On n of N cores at the clock f the engine draws, above what the board draws at rest,
    prior(n)·f^2.1·(level + bend·ln(n/N) + clock·ln f + read·r) for a share r of prompts. Each
    correction is a tangent, so that the sum is linear in the figures. Our own model.
    """

    def __init__(self, cores: int, priors: Priors) -> None:
        self._cores = cores
        self._draws = _draws(cores, priors)
        usual_w = max(self._draws[-1], _GPU_CORES * priors.core_w)  # engines may have few threads
        self._gpu_w = usual_w if priors.gpu_w is None else max(0.01, priors.gpu_w)
        self._priors = priors

    def belief(self) -> KalmanFilter:
        """Return the figures before anything was read."""
        priors = self._priors
        read, read_own = _extra(priors.prompts)
        gpu_read, gpu_read_own = _extra(priors.gpu_prompts)
        awake = 0.0 if priors.draws_w else _AWAKE  # a calibration has it in its draws
        mean = [priors.idle_w, awake, 0.0, _OTHERS, 1.0, 0.0, 0.0, read]
        mean += [1.0, 0.0, gpu_read, _GPU_OTHERS]
        base, others = 0.5 * priors.idle_w + 0.5, _OTHERS_OWN
        own = [base, _AWAKE_OWN, 0.0, others, _LEVEL_OWN, _BEND_OWN, _CLOCK_OWN, read_own]
        own += [_GPU_OWN, _CLOCK_OWN, gpu_read_own, _GPU_OWN]
        size = len(mean)
        return KalmanFilter(
            mean, [[own[k] ** 2 * (j == k) for j in range(size)] for k in range(size)]
        )

    def weights(self, load: BoardLoad) -> dict[int, float]:
        """Return the weights of the board's power under `load`."""
        found = {BASE: 1.0, HIDDEN: 1.0}
        if load.cores:
            clock = math.log(max(LOW_CLOCK, load.setting.cpu))  # others' cores have it, too
            found[CORES] = load.cores * self._draws[0] * math.exp(_EXPONENT * clock)
        if load.awake:
            found[AWAKE] = self._draws[0]
        if load.gpu:
            found[GPU_OTHERS] = load.gpu * self._gpu_w
        if load.busy:
            found |= self.own(load.setting, load.busy, load.prompt_share)
        return found

    def own(self, setting: EngineSetting, busy: float, prompt_share: float) -> dict[int, float]:
        """Return the weights of what the engine adds."""
        if setting.gpu is not None:
            log = math.log(max(LOW_CLOCK, setting.gpu))
            scale = self._gpu_w * math.exp(_EXPONENT * log) * busy
            return {GPU: scale, GPU_CLOCK: scale * log, GPU_READ: scale * prompt_share}
        threads = max(1, min(setting.threads, self._cores))
        log = math.log(max(LOW_CLOCK, setting.cpu))
        scale = self._draws[threads - 1] * math.exp(_EXPONENT * log) * busy
        bend = math.log(threads / self._cores)
        return {LEVEL: scale, BEND: scale * bend, CLOCK: scale * log, READ: scale * prompt_share}

    def keep_possible(
        self, belief: KalmanFilter, rest: tuple[float, float], hidden_w: float
    ) -> None:
        """Project the figures into their bounds.

        `rest` are the bounds of the power at rest, and `hidden_w` is the upper bound of the
        unexplained power.
        """
        mean = belief.mean
        belief.keep_within(BASE, *rest)
        belief.keep_within(CORES, 0.0, _CORES_MOST)
        belief.keep_within(GPU_OTHERS, 0.0, _CORES_MOST)
        belief.keep_within(AWAKE, *_AWAKES)
        belief.keep_within(HIDDEN, -_BELOW * mean[BASE], hidden_w)
        for level, parts in (
            (LEVEL, ((BEND, _BENDS), (CLOCK, _CLOCKS), (READ, _READS))),
            (GPU, ((GPU_CLOCK, _CLOCKS), (GPU_READ, _READS))),
        ):
            belief.keep_within(level, *_LEVELS)
            for place, (low, high) in parts:
                belief.keep_within(place, low * mean[level], high * mean[level])
            belief.keep_within(level, *_LEVELS)  # again: the level moves with the others


def _extra(prompts: float | None) -> tuple[float, float]:
    """Return what prompts add to the draw of decoding, as a share, and its deviation."""
    return (_READ, _READ_OWN) if prompts is None else (prompts - 1.0, _READ_KNOWN)


def _draws(cores: int, priors: Priors) -> list[float]:
    """Return watts of 1, 2 and more threads: the priors', or scaled from the nearest count."""
    known = priors.draws_w or {1: priors.core_w}

    def of(threads: int) -> float:
        near = min(known, key=lambda count: abs(count - threads))
        return known[near] * threads / near

    return [max(0.01, of(threads)) for threads in range(1, cores + 1)]


def mean(parts: Sequence[tuple[float, Mapping[int, float]]]) -> dict[int, float]:
    """Return the sum of weights, each times its share."""
    found: dict[int, float] = {}
    for share, weights in parts:
        for place, weight in weights.items():
            found[place] = found.get(place, 0.0) + share * weight
    return found
