"""What a request asks for, the models that may answer it, and what the board can give now."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from edge_rt.core.limits import Limits
from edge_rt.core.routing import SINGLE, LoadConfig, Prefer, RequestTokens, Unpredicted


@dataclass(frozen=True)
class Helper:
    """The smaller model that helps a variant, and what loading it takes."""

    id: str
    bytes: float = 0.0
    load_s: float = 0.0
    load_j: float = 0.0


@dataclass(frozen=True)
class Variant:
    """One file of the store; those with the same `weights` give the same answers.

    `context` is in tokens. `kv_bytes` gives by KV type what keys and values take, `gpu_layers` the
    possible numbers of layers on a GPU, and `mode` how it decodes, perhaps with a `helper`.
    `threads` are further counts to choose from. `quality` is its published figure; None: it has
    none. `load_s` and `load_j` are what loading takes.
    """

    id: str
    weights: str
    backend: str
    quantisation: str
    context: int
    weights_bytes: float
    kv_bytes: Mapping[str, float]
    work_bytes: float = 0.0
    quality: float | None = None
    gpu_layers: tuple[int, ...] = (0,)
    mode: str = SINGLE
    helper: Helper | None = None
    load_s: float = 0.0
    load_j: float = 0.0
    threads: tuple[int, ...] = ()

    def needed_bytes(self, kv_type: str) -> float:
        """Return the memory that it takes once it is loaded, with its helper."""
        helper = 0.0 if self.helper is None else self.helper.bytes
        return self.weights_bytes + self.kv_bytes[kv_type] + self.work_bytes + helper


@dataclass(frozen=True)
class Ask:
    """One request; fields that are None set no limit.

    `model` is the name in the request, for the trace. `tokens` are by variant, or why they are not
    known. `latency_s` are the seconds left to the end of the answer, `energy_j` the joules it may
    add to the idle draw. `unfit` tells by variant why it cannot decode in the mode asked for.
    `quality` is the least published figure, as long as any variant has it.
    """

    tokens: Mapping[str, RequestTokens | Unpredicted]
    model: str = "auto"
    prefer: Prefer = "energy"
    latency_s: float | None = None
    energy_j: float | None = None
    quality: float = 0.0
    unfit: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class Now:
    """The board when a request comes.

    `threads` are the counts to choose from, `usable_bytes` what all models together may take.
    `loaded` are the forms of loaded variants, `in_use` the bytes of those at work, which stay as
    they are.
    """

    limits: Limits
    threads: Collection[int]
    usable_bytes: float
    loaded: Mapping[str, LoadConfig] = field(default_factory=dict[str, LoadConfig])
    in_use: Mapping[str, float] = field(default_factory=dict[str, float])
