"""Builders of tiny model files, so that almost no test needs real weights."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

Tensor = tuple[str, list[int], int, int]  # name, shape, type number, bytes of data
TEMPLATE = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
TENSORS: list[Tensor] = [
    ("token_embd.weight", [64, 600], 2, 64 * 600 // 32 * 18),
    ("blk.0.attn_norm.weight", [64], 0, 256),
    ("output.weight", [64, 10], 8, 64 * 10 // 32 * 34),
]
LANGUAGE: dict[str, Any] = {
    "kind": "language",
    "name": "Tiny Test",
    "publisher": "Nobody",
    "licence": "mit",
    "architecture": "llama",
    "quantisation": "int4",
    "parameters": 12,
    "source_sha256": "ab" * 32,
    "context": 2048,
    "layers": 2,
    "embedding": 64,
    "heads": 4,
    "kv_heads": 2,
    "head_dim": 16,
    "vocab": 600,
    "chat_template": TEMPLATE,
    "bos_token": "<s>",
    "eos_token": "</s>",
    "add_bos": True,
    "bos_id": 1,
    "end_ids": [2, 5],
}
"""A card that says all that one of a language model can."""


def text(value: str | bytes) -> bytes:
    raw = value.encode() if isinstance(value, str) else value
    return struct.pack("<Q", len(raw)) + raw


def u32(value: int) -> bytes:
    return struct.pack("<II", 4, value)


def string(value: str | bytes) -> bytes:
    return struct.pack("<I", 8) + text(value)


def strings(values: list[str]) -> bytes:
    return struct.pack("<IIQ", 9, 8, len(values)) + b"".join(map(text, values))


def numbers(values: list[int]) -> bytes:
    return struct.pack(f"<IIQ{len(values)}i", 9, 5, len(values), *values)


def flag(value: bool) -> bytes:
    return struct.pack("<I?", 7, value)


def metadata(tokens: int = 600) -> dict[str, bytes]:
    """A small but complete model's metadata: key -> encoded value."""
    return {
        "general.architecture": string("llama"),
        "general.name": string("Tiny Test"),
        "general.license": string("mit"),
        "general.organization": string("Nobody"),
        "general.tags": strings(["a", "b"]),
        "llama.block_count": u32(2),
        "llama.context_length": u32(2048),
        "llama.embedding_length": u32(64),
        "llama.attention.head_count": u32(4),
        "llama.attention.head_count_kv": u32(2),
        "llama.rope.freq_base": struct.pack("<If", 6, 10000.0),
        "general.file_type": u32(2),
        "tokenizer.ggml.tokens": strings([f"t{i}" for i in range(tokens)]),
        "tokenizer.ggml.token_type": numbers([1] * tokens),
        "tokenizer.ggml.bos_token_id": u32(1),
        "tokenizer.ggml.eos_token_id": u32(tokens - 1),
        "tokenizer.ggml.add_bos_token": flag(True),
        "tokenizer.chat_template": string(TEMPLATE),
    }


@dataclass(frozen=True)
class Gguf:
    """The parts of a GGUF file; `encode` puts them together, faults included."""

    version: int = 3
    metadata: dict[str, bytes] = field(default_factory=metadata)
    tensors: list[Tensor] = field(default_factory=lambda: list(TENSORS))
    alignment: int = 32
    magic: bytes = b"GGUF"
    fill: bytes = b"\x5a"

    def changed(self, **keys: bytes | None) -> Gguf:
        """With metadata keys replaced, or left out when None; "__" stands for "."."""
        named = {key.replace("__", "."): value for key, value in keys.items()}
        merged = {**self.metadata, **named}
        return replace(self, metadata={k: v for k, v in merged.items() if v is not None})

    def header(self) -> bytes:
        entries = b"".join(text(key) + value for key, value in self.metadata.items())
        table, offset = b"", 0
        for name, shape, kind, size in self.tensors:
            table += text(name) + struct.pack(f"<I{len(shape)}Q", len(shape), *shape)
            table += struct.pack("<IQ", kind, offset)
            offset = self._padded(offset + size)
        counts = struct.pack("<IQQ", self.version, len(self.tensors), len(self.metadata))
        return self.magic + counts + entries + table

    def encode(self) -> bytes:
        result = self.header()
        for _, _, _, size in self.tensors:
            result += b"\0" * (self._padded(len(result)) - len(result)) + self.fill * size
        return result

    def _padded(self, offset: int) -> int:
        return -(-offset // self.alignment) * self.alignment


@pytest.fixture
def gguf() -> Gguf:
    """The parts of a small valid model."""
    return Gguf()


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write a model file below the test's directory; returns its path."""

    def write(content: bytes | Gguf, name: str = "model.gguf") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, Gguf) else content)
        return path

    return write


def graph(width: int = 4, external: str | None = None) -> onnx.ModelProto:
    """y = x · w with `width` columns; the weights lie in the file `external` if that is named."""
    weights = np.arange(3 * width, dtype=np.float32).reshape(3, width)
    tensor = numpy_helper.from_array(weights, "w")
    if external is not None:
        onnx.external_data_helper.set_external_data(tensor, external, 0, tensor.ByteSize())
        tensor.external_data[2].value = str(weights.nbytes)
        tensor.ClearField("raw_data")
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", width])
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    return helper.make_model(helper.make_graph([node], "tiny", [x], [y], [tensor]))


@pytest.fixture
def onnx_model() -> Callable[..., onnx.ModelProto]:
    """A builder of tiny ONNX models; see `graph`."""
    return graph


@pytest.fixture
def language_card() -> dict[str, Any]:
    """Return what the card of a language model says."""
    return dict(LANGUAGE)


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Path]:
    """Write a folder with an ONNX model whose weights lie beside it; returns its path."""

    def folder(name: str = "Tiny-ONNX", card: dict[str, Any] | None = LANGUAGE) -> Path:
        path = tmp_path / name
        path.mkdir()
        (path / "model.onnx").write_bytes(graph(external="model.onnx.data").SerializeToString())
        (path / "model.onnx.data").write_bytes(np.arange(12, dtype=np.float32).tobytes())
        (path / "tokenizer.json").write_text('{"truncation": {"max_length": 128}}')
        (path / "README.md").write_text("not the model's")
        if card is not None:
            (path / "model.json").write_text(json.dumps(card))
        return path

    return folder
