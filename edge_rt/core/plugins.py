"""What other packages add to edge_rt, found by their entry points."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

READERS = "edge_rt.readers"  # the group of their entry points

BUILDS = {
    "llama.cpp": ("llama-cpp-python",),
    "onnx": ("onnxruntime-qnn", "onnxruntime-gpu", "onnxruntime"),
}
"""The packages that bring each backend's native library, those for one kind of board first."""


@cache
def readers() -> Mapping[str, EntryPoint]:
    """Return the entry points of sensor readers by their names.

    They are looked for once: what is installed later counts after the next start.
    """
    from importlib.metadata import entry_points  # takes 10 ms that few commands need

    return {point.name: point for point in entry_points(group=READERS)}
