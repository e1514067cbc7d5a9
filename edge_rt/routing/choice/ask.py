"""What a request asks for, the models that its name means, and what the board can give now."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from edge_rt.core.errors import ModelNotFound, RequestError
from edge_rt.core.limits import Limits
from edge_rt.core.routing import SINGLE, LoadConfig, Prefer, RequestTokens, Unpredicted


@dataclass(frozen=True)
class DecodingWay:
    """What a mode of decoding changes about a variant; with a partner, the partner's memory."""

    partner: str | None = None
    bytes: float = 0.0
    load_s: float = 0.0
    load_j: float = 0.0


@dataclass(frozen=True)
class Variant:
    """One file of the store; those with the same `weights` give the same answers.

    `source` is the model that it was first made from. `context` is in tokens. `kv_bytes` gives by
    KV type what keys and values take, `gpu_layers` the possible numbers of layers on a GPU, `modes`
    the ways to decode, of which `ways` tell the additional cost. `threads` are further counts to
    choose from. `quality` is its published figure; None: it has none. `load_s` and `load_j` are
    what loading takes.
    """

    id: str
    source: str
    weights: str
    backend: str
    quantisation: str
    context: int
    weights_bytes: float
    kv_bytes: Mapping[str, float]
    work_bytes: float = 0.0
    quality: float | None = None
    gpu_layers: tuple[int, ...] = (0,)
    modes: tuple[str, ...] = (SINGLE,)
    load_s: float = 0.0
    load_j: float = 0.0
    ways: Mapping[str, DecodingWay] = field(default_factory=dict[str, DecodingWay])
    threads: tuple[int, ...] = ()

    @property
    def label(self) -> str:
        """What requests call it by, behind the "@" of a model's name: "onnx-int4"."""
        return f"{self.backend}-{self.quantisation}".lower()

    def way(self, mode: str) -> DecodingWay:
        """What one of its modes takes besides."""
        return self.ways.get(mode, DecodingWay())

    def needed_bytes(self, kv_type: str) -> float:
        """Return the memory that it takes once it is loaded."""
        return self.weights_bytes + self.kv_bytes[kv_type] + self.work_bytes


AUTO = "auto"


@dataclass(frozen=True)
class Selection:
    """The variants that a name stands for, and what it pins of them; None: nothing."""

    variants: tuple[Variant, ...]
    pin: str | None

    def admits(self, variant: Variant) -> bool:
        """Whether the pin, if there is one, is for `variant`."""
        return self.pin is None or self.pin in (variant.label, variant.backend.lower())


def select(name: str, pool: Sequence[Variant]) -> Selection:
    """Return the variants of `pool` that `name` stands for.

    "auto" are all, an id is every variant with the same weights; behind an "@" may stand a backend,
    or also a quantisation: "smollm2@onnx-int4". Raises ModelNotFound, or RequestError where a model
    has no such variant.
    """
    model, at, pin = name.partition("@")
    selection = Selection(_variants(model, pool), pin.lower() if at else None)
    if not any(selection.admits(variant) for variant in selection.variants):
        labels = ", ".join(sorted({variant.label for variant in selection.variants}))
        message = f"{model!r:.120} has no variant {pin!r:.120}; there are: {labels}"
        raise RequestError(message, param="model", code="variant_not_found")
    return selection


def _variants(model: str, pool: Sequence[Variant]) -> tuple[Variant, ...]:
    if model == AUTO and pool:
        return tuple(pool)
    source = next((variant.source for variant in pool if variant.id == model), None)
    if source is None:
        known = ", ".join(sorted(variant.id for variant in pool)) or "no model at all yet"
        raise ModelNotFound(f"no model {model!r:.120}; there are: {known}; or {AUTO!r} for any")
    return tuple(variant for variant in pool if variant.source == source)


@dataclass(frozen=True)
class Ask:
    """One request; fields that are None set no limit.

    `tokens` are by variant, or why they are not known. `latency_s` are the seconds left to the end
    of the answer, `energy_j` the joules it may add to the idle draw. `unfit` tells by variant why
    it cannot decode in the mode asked for. `quality` is the least published figure, as long as any
    variant has it.
    """

    tokens: Mapping[str, RequestTokens | Unpredicted]
    model: str = AUTO
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
