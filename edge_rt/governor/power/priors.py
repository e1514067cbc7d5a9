"""The priors of a board, before anything was measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from edge_rt.config.board import Board

_IDLE_W, _CORE_W = 3.0, 1.5  # where nothing better is known: a board of the size of a Pi


@dataclass(frozen=True)
class Priors:
    """Power and speed by thread count, from calibration or from the profile.

    `draws_w` are watts above `idle_w` of an engine that decodes all the time, and `prompts` the
    ratio of its draw while it reads prompts. `speeds` are tokens a second, of which only the
    ratios count. Thread counts that are not named are interpolated. `gpu_w` is what a model
    on the GPU adds; None: as much as all cores, and as six cores at least.
    """

    idle_w: float = _IDLE_W
    core_w: float = _CORE_W
    draws_w: Mapping[int, float] = field(default_factory=dict[int, float])
    speeds: Mapping[int, float] = field(default_factory=dict[int, float])
    prompts: float | None = None
    gpu_w: float | None = None


def priors_of(board: Board) -> Priors:
    """The figures of a profile."""
    draw = board.draw
    idle_w = draw.idle_w.value if draw.idle_w else _IDLE_W
    cores = sum(cluster.cores for cluster in board.clusters.values())
    core_w = _CORE_W
    if draw.loaded_w is not None and cores and draw.loaded_w.value > idle_w:
        core_w = (draw.loaded_w.value - idle_w) / cores
    return Priors(idle_w, core_w, gpu_w=core_w * cores if board.gpu and cores else None)
