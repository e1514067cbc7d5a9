"""The packages that bring the backends' native libraries."""

from __future__ import annotations

BUILDS = {
    "llama.cpp": ("llama-cpp-python",),
    "onnx": ("onnxruntime-qnn", "onnxruntime-gpu", "onnxruntime"),
}
"""By backend; those for one kind of board before the one for all."""
