"""Settings that the governor can choose, and the load that the engine makes of them."""

from __future__ import annotations

from dataclasses import dataclass

LOW_CLOCK = 0.05  # least share of the top clock that models take, so that its logarithm is finite


@dataclass(frozen=True)
class Setting:
    """Threads and the highest clocks, as shares of the top ones.

    `gpu` is None while no layers of a model are on a GPU.
    """

    threads: int
    cpu: float = 1.0
    gpu: float | None = None


@dataclass(frozen=True)
class Load:
    """The load of the board over some time, as shares of that time.

    `busy` is the share for which the engine computed: with all of its threads, or on the GPU if
    `setting` has one. `prompt_share` is the share of `busy` that read prompts. `coarse` is the
    length of a pass over that of the look, at most 1: it tells how uneven power is within the
    look. Other programs kept `cores` busy, and the GPU for the share `gpu`.
    """

    setting: Setting
    busy: float
    prompt_share: float = 0.0
    cores: float = 0.0
    gpu: float = 0.0
    coarse: float = 0.0


@dataclass(frozen=True)
class Mix:
    """The mix of the present work.

    `prompt_share` is the share of the engine's busy time that reads prompts. The intensities are
    the shares of a pass for which a thread computes, in decoding and in reading prompts.
    """

    prompt_share: float = 0.0
    intensity: float = 1.0
    prompt_intensity: float = 1.0
    pass_s: float = 0.0  # of a pass that only decodes; 0: not known yet
    prompt_pass_s: float = 0.0
