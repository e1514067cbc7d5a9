"""A file that can serve a model, as far as a choice depends on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from edge_rt.core.routing import SINGLE
from edge_rt.routing.placement.memory_pressure import Demand


@dataclass(frozen=True)
class Way:
    """What a mode of decoding takes and gives besides; with a partner, what that takes.

    `kept` is the share of the variant's quality that answers keep; None: not known. `file` is of
    what they are made, "": as by itself; see Variant.
    """

    partner: str | None = None
    bytes: float = 0.0
    load_s: float = 0.0
    load_j: float = 0.0
    kept: float | None = 1.0
    file: str = ""


@dataclass(frozen=True)
class Variant:
    """One file of the store; those with the same `source` hold the same weights.

    `context` is in tokens. `kv_bytes` tells by KV type what keys and values take as it would be
    loaded, and so which types there are; `gpu_layers` which numbers of layers may lie on a GPU,
    and `modes` which ways to decode there are, of which `ways` tell what they take besides.
    `threads` are counts to choose from besides those of the moment.
    `quality` is the probability that an answer to the request is good enough; None: not known.
    `constraints` are the kinds that its answers can be held to. `load_s` and `load_j` are what
    loading it takes, as far as that is known. `file` tells it from others that had its id.
    """

    id: str
    source: str
    backend: str
    quantisation: str
    context: int
    weights_bytes: float
    kv_bytes: Mapping[str, float]
    work_bytes: float = 0.0
    quality: float | None = None
    constraints: frozenset[str] = frozenset()
    gpu_layers: tuple[int, ...] = (0,)
    modes: tuple[str, ...] = (SINGLE,)
    load_s: float = 0.0
    load_j: float = 0.0
    ways: Mapping[str, Way] = field(default_factory=dict[str, Way])
    threads: tuple[int, ...] = ()
    file: str = ""

    @property
    def label(self) -> str:
        """What requests call it by, behind the "@" of a model's name: "onnx-int4"."""
        return f"{self.backend}-{self.quantisation}".lower()

    def way(self, mode: str) -> Way:
        """What one of its modes takes besides."""
        return self.ways.get(mode, Way())

    def quality_in(self, mode: str) -> float | None:
        """The quality of its answers in that mode."""
        kept = self.way(mode).kept
        return None if self.quality is None or kept is None else self.quality * kept

    def file_in(self, mode: str) -> str:
        """Of what its answers in that mode are made; see Key."""
        return self.way(mode).file or self.file

    def demand(self, kv_type: str, others_bytes: float = 0.0) -> Demand:
        """The memory that is taken once it is loaded beside models with `others_bytes`."""
        weights_bytes = self.weights_bytes + others_bytes
        return Demand(weights_bytes, self.kv_bytes[kv_type], workspace_bytes=self.work_bytes)
