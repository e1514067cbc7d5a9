"""What the governor can choose, and what the engine does with it."""

from __future__ import annotations

from dataclasses import dataclass


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
    """What was at work for some time, as shares of that time.

    `busy` is that of the engine: all of its threads, or the GPU where there is one in `setting`;
    `reading` is the share of `busy` that read prompts. `coarse` is how long a pass is beside the
    look, up to 1: how uneven power may be within it. Others kept `cores` busy, and the GPU for
    the share `gpu`.
    """

    setting: Setting
    busy: float
    reading: float = 0.0
    cores: float = 0.0
    gpu: float = 0.0
    coarse: float = 0.0


@dataclass(frozen=True)
class Mix:
    """What the present work is made of.

    `reading` is the share of the engine's busy time that reads prompts; the intensities are how
    busy a thread is within a pass that decodes and within one that reads prompts.
    """

    reading: float = 0.0
    intensity: float = 1.0
    prompt_intensity: float = 1.0
    pass_s: float = 0.0  # of a pass that only decodes; 0: not known yet
    prompt_pass_s: float = 0.0
