"""The GPUs that layers of a model may be put on."""

from __future__ import annotations

import msgspec


class OffloadDevice(msgspec.Struct, frozen=True):
    """A GPU that the engine finds, with its memory when that started; None: it was not asked."""

    name: str
    backend: str  # ggml's, such as CUDA or Vulkan
    shared: bool  # its memory is the board's
    total_bytes: int | None
    free_bytes: int | None
    simulated: bool  # a CPU computes in its place
