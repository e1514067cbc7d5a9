"""LoRA adapters of random weights as GGUF, and the same merged into the weights of a model."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np

RANK, ALPHA = 4, 8.0
TARGETS = ("attn_q", "attn_output", "ffn_down")

Weights = dict[str, np.ndarray]


def deltas(weights: Weights, seed: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """A and B for each of the target matrices."""
    random = np.random.default_rng(seed)
    found: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    for name, matrix in weights.items():
        if any(f".{target}." in name for target in TARGETS):
            rows, columns = matrix.shape
            a = random.normal(0.0, 0.3, (RANK, columns)).astype(np.float32)
            found[name] = a, random.normal(0.0, 0.3, (rows, RANK)).astype(np.float32)
    return found


def write_lora(
    path: Path, weights: Weights, seed: int, architecture: str = "llama", kind: str = "lora"
) -> Path:
    """Write an adapter for a model of those weights."""
    writer = gguf.GGUFWriter(str(path), architecture)
    writer.add_type("adapter")
    writer.add_string("adapter.type", kind)
    writer.add_float32("adapter.lora.alpha", ALPHA)
    for name, (a, b) in deltas(weights, seed).items():
        writer.add_tensor(f"{name}.lora_a", a)
        writer.add_tensor(f"{name}.lora_b", b)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def merged(weights: Weights, seed: int, scale: float = 1.0) -> Weights:
    """The weights with an adapter in them: W + scale * alpha / rank * B A."""
    found = dict(weights)
    for name, (a, b) in deltas(weights, seed).items():
        found[name] = weights[name] + np.float32(scale * ALPHA / RANK) * (b @ a)
    return found
