"""How a model's file is run for one request."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

SINGLE = "single"


class LoadConfig(NamedTuple):
    """How a file is loaded. `kv_type` is the backend's word for how it keeps keys and values."""

    gpu_layers: int
    kv_type: str


class Setting(msgspec.Struct, frozen=True):
    """A file of the store with all that is chosen about running it.

    `mode` is how tokens are decided on; "single" is one model by itself, others may take a smaller
    `partner`.
    """

    variant: str
    threads: int
    gpu_layers: int
    mode: str
    kv_type: str
    partner: str | None = None

    @property
    def form(self) -> LoadConfig:
        """How the file is loaded."""
        return LoadConfig(self.gpu_layers, self.kv_type)

    def __str__(self) -> str:
        """Its words for people; what is as usual goes without saying."""
        words = f"{self.variant} with {self.threads} thread{'s' * (self.threads != 1)}"
        if self.gpu_layers:
            words += f", {self.gpu_layers} layers on the GPU"
        words = words if self.mode == SINGLE else f"{words}, {self.mode}"
        return words if self.partner is None else f"{words} with {self.partner}"
