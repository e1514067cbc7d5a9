"""The dimensions and constants of a model, as its GGUF states them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from edge_rt_convert import ConvertError
from edge_rt_convert.source import Source

ARCHITECTURES = ("llama", "qwen2", "gemma3")


@dataclass(frozen=True)
class Rope:
    """A rotary embedding: its base, the factor on positions, and divisors of frequencies."""

    base: float
    scale: float = 1.0
    divisors: np.ndarray | None = None

    def tables(self, positions: int, head_dim: int) -> tuple[np.ndarray, np.ndarray]:
        """Cosines and sines, float32 (positions, head_dim / 2)."""
        powers = np.arange(0, head_dim, 2, dtype=np.float64) / head_dim
        frequencies = self.scale / self.base**powers
        if self.divisors is not None:
            frequencies = frequencies / self.divisors
        angles = np.arange(positions, dtype=np.float64)[:, None] * frequencies
        return np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)


@dataclass(frozen=True)
class Hyper:
    """What all layers share. `window`: tokens that a windowed layer sees, itself included."""

    architecture: str
    layers: int
    embedding: int
    feed_forward: int
    heads: int
    kv_heads: int
    head_dim: int
    context: int
    vocab: int
    epsilon: float
    interleaved: bool  # rotary pairs are neighbours, else halves of the head
    attention_scale: float
    rope: Rope
    window: int | None = None
    window_rope: Rope | None = None
    window_period: int = 0  # every so many layers one sees everything
    logit_cap: float = 0.0
    embedding_scale: float = 1.0

    def windowed(self, layer: int) -> bool:
        """Return whether that layer sees only the window."""
        return self.window is not None and (layer + 1) % self.window_period != 0


def read_hyper(source: Source) -> Hyper:
    """The dimensions of the model; raises ConvertError for what is not supported."""
    if source.architecture not in ARCHITECTURES:
        known = ", ".join(ARCHITECTURES)
        raise ConvertError(f"architecture {source.architecture!r} is not supported; {known} are")
    heads = _one(source, "attention.head_count")
    kv_heads = _one(source, "attention.head_count_kv", heads)
    embedding = int(source.need_own("embedding_length"))
    head_dim = int(source.own("attention.key_length", embedding // heads))
    _refuse(source, head_dim)
    hyper = Hyper(
        architecture=source.architecture,
        layers=int(source.need_own("block_count")),
        embedding=embedding,
        feed_forward=_one(source, "feed_forward_length"),
        heads=heads,
        kv_heads=kv_heads,
        head_dim=head_dim,
        context=int(source.need_own("context_length")),
        vocab=int(source.tensor("token_embd.weight").shape[1]),
        epsilon=float(source.need_own("attention.layer_norm_rms_epsilon")),
        interleaved=source.architecture == "llama",
        attention_scale=float(source.own("attention.scale", 0.0)) or head_dim**-0.5,
        rope=_rope(source),
    )
    return _gemma3(source, hyper) if source.architecture == "gemma3" else hyper


def _gemma3(source: Source, hyper: Hyper) -> Hyper:
    window = int(source.own("attention.sliding_window", 0)) or None
    scale = hyper.attention_scale
    if hyper.layers == 62:  # the 27B, told by its layers as llama.cpp does
        scale = (hyper.embedding / hyper.heads) ** -0.5
    return replace(
        hyper,
        attention_scale=scale,
        window=window,
        window_rope=Rope(float(source.own("rope.freq_base_swa", 10_000.0))),
        window_period=_one(source, "attention.sliding_window_pattern", 6),
        logit_cap=float(source.own("final_logit_softcapping", 0.0)),
        embedding_scale=math.sqrt(hyper.embedding),
    )


def _rope(source: Source) -> Rope:
    kind = source.own("rope.scaling.type", "none")
    if kind not in ("none", "linear"):
        raise ConvertError(f"rotary scaling {kind!r} is not supported; none and linear are")
    factor = float(source.own("rope.scaling.factor", 0.0)) or 1.0
    divisors = source.floats("rope_freqs.weight") if "rope_freqs.weight" in source else None
    return Rope(float(source.own("rope.freq_base", 10_000.0)), 1.0 / factor, divisors)


def _refuse(source: Source, head_dim: int) -> None:
    """Raises ConvertError for what these architectures may have and the graph has not."""
    rotary = int(source.own("rope.dimension_count", head_dim))
    value_dim = int(source.own("attention.value_length", head_dim))
    if (rotary, value_dim) != (head_dim, head_dim):
        what = f"{rotary} rotary and {value_dim} value dimensions in heads of {head_dim}"
        raise ConvertError(f"{what} are not supported; all three must be equal")
    if int(source.own("expert_count", 0)):
        raise ConvertError("mixtures of experts are not supported")


def _one(source: Source, key: str, default: int | None = None) -> int:
    """A number that must be the same in all layers."""
    value = source.need_own(key) if default is None else source.own(key, default)
    numbers = set(value) if isinstance(value, list) else {value}
    if len(numbers) != 1:
        raise ConvertError(f"{key} differs from layer to layer, which is not supported")
    return int(numbers.pop())
