"""A language model of random weights as an ONNX folder: all of the real one but its sense."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

BLOCK = 32  # weights that share a scale
MS = "com.microsoft"
END = "<end>"


@dataclass(frozen=True)
class Shape:
    """Sizes of a model; the default is as small as its kernels allow."""

    layers: int = 2
    embedding: int = 64
    heads: int = 4
    kv_heads: int = 2
    head_dim: int = 16
    feed_forward: int = 128
    vocab: int = 262
    context: int = 128


class _Graph:
    """Nodes and weights as they are added; `nodes` return the name of their first output."""

    def __init__(self, shape: Shape, seed: int) -> None:
        self.shape = shape
        self.random = np.random.default_rng(seed)
        self.nodes: list[Any] = []
        self.weights: list[Any] = []

    def weight(self, name: str, value: NDArray[Any]) -> str:
        self.weights.append(numpy_helper.from_array(value, name))
        return name

    def node(self, kind: str, inputs: list[str], outputs: list[str], **attributes: Any) -> str:
        domain = attributes.pop("domain", "")
        self.nodes.append(helper.make_node(kind, inputs, outputs, domain=domain, **attributes))
        return outputs[0]

    def linear(self, name: str, x: str, rows: int, columns: int) -> str:
        blocks = columns // BLOCK
        packed = self.random.integers(0, 256, (rows, blocks, BLOCK // 2), np.uint8)
        scales = self.random.uniform(0.5, 1.0, (rows, blocks)) / (5 * np.sqrt(columns))
        inputs = [
            x,
            self.weight(f"{name}.b", packed),
            self.weight(f"{name}.s", scales.astype(np.float32)),
        ]
        return self.node(
            "MatMulNBits", inputs, [name], domain=MS, K=columns, N=rows, bits=4,
            block_size=BLOCK, accuracy_level=4,
        )  # fmt: skip

    def norm(self, name: str, x: str) -> str:
        ones = self.weight(f"{name}.w", np.ones(self.shape.embedding, np.float32))
        return self.node("SimplifiedLayerNormalization", [x, ones], [name], epsilon=1e-5, axis=-1)

    def layer(self, n: int, x: str) -> str:
        s = self.shape
        kv = s.kv_heads * s.head_dim
        y = self.norm(f"l{n}.norm1", x)
        q = self.linear(f"l{n}.q", y, s.heads * s.head_dim, s.embedding)
        k = self.linear(f"l{n}.k", y, kv, s.embedding)
        v = self.linear(f"l{n}.v", y, kv, s.embedding)
        past = [f"past_key_{n}", f"past_value_{n}"]
        inputs = [q, k, v, *past, "seqlens_k", "total_sequence_length", "cos", "sin"]
        outputs = [f"l{n}.a", f"present_key_{n}", f"present_value_{n}"]
        a = self.node(
            "GroupQueryAttention", inputs, outputs, domain=MS, num_heads=s.heads,
            kv_num_heads=s.kv_heads, do_rotary=1,
        )  # fmt: skip
        o = self.linear(f"l{n}.o", a, s.embedding, s.heads * s.head_dim)
        x = self.node("Add", [x, o], [f"l{n}.r1"])
        y = self.norm(f"l{n}.norm2", x)
        up = self.linear(f"l{n}.up", y, s.feed_forward, s.embedding)
        gate = self.linear(f"l{n}.gate", y, s.feed_forward, s.embedding)
        sigmoid = self.node("Sigmoid", [gate], [f"l{n}.sig"])
        swish = self.node("Mul", [gate, sigmoid], [f"l{n}.silu"])
        both = self.node("Mul", [swish, up], [f"l{n}.ff"])
        down = self.linear(f"l{n}.down", both, s.embedding, s.feed_forward)
        return self.node("Add", [x, down], [f"l{n}.r2"])

    def whole(self) -> Any:
        s = self.shape
        half = np.arange(s.head_dim // 2, dtype=np.float64) / (s.head_dim // 2)
        angles = np.outer(np.arange(s.context), 10000.0**-half)
        self.weight("cos", np.cos(angles).astype(np.float32))
        self.weight("sin", np.sin(angles).astype(np.float32))
        table = self.random.normal(0, 1, (s.vocab, s.embedding)).astype(np.float32)
        x = self.node("Gather", [self.weight("table", table), "input_ids"], ["embedded"])
        for n in range(s.layers):
            x = self.layer(n, x)
        x = self.norm("norm", x)
        flat = self.weight("flat", np.array([-1, s.embedding], np.int64))
        x = self.node("Reshape", [x, flat], ["flattened"])
        x = self.node("Gather", [x, "rows"], ["wanted"])
        self.linear("logits", x, s.vocab, s.embedding)
        return helper.make_graph(
            self.nodes, "tiny", self._inputs(), self._outputs(), initializer=self.weights
        )

    def _inputs(self) -> list[Any]:
        return [
            helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "length"]),
            helper.make_tensor_value_info("seqlens_k", TensorProto.INT32, ["batch"]),
            helper.make_tensor_value_info("total_sequence_length", TensorProto.INT32, []),
            helper.make_tensor_value_info("rows", TensorProto.INT64, ["count"]),
            *self._kv("past"),
        ]

    def _outputs(self) -> list[Any]:
        logits = helper.make_tensor_value_info(
            "logits", TensorProto.FLOAT, ["count", self.shape.vocab]
        )
        return [logits, *self._kv("present")]

    def _kv(self, when: str) -> list[Any]:
        shape = ["batch", self.shape.kv_heads, "capacity", self.shape.head_dim]
        names = [f"{when}_{k}_{n}" for n in range(self.shape.layers) for k in ("key", "value")]
        return [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in names]


def write_model(folder: Path, shape: Shape = Shape(), seed: int = 7) -> Path:
    """The folder, with graph, weights, tokenizer and card in it."""
    folder.mkdir(parents=True, exist_ok=True)
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid(MS, 1)]
    model = helper.make_model(_Graph(shape, seed).whole(), opset_imports=opsets, ir_version=10)
    onnx.save(
        model,
        str(folder / "model.onnx"),
        save_as_external_data=True,
        location="model.onnx.data",
        size_threshold=256,
    )
    _tokenizer(shape.vocab).save(str(folder / "tokenizer.json"))
    (folder / "model.json").write_text(json.dumps(_card(shape)))
    return folder


def _tokenizer(vocab: int) -> Tokenizer:
    """Every byte is a token, some words are, and the last ones are control tokens."""
    words = {letter: i for i, letter in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    for pair in ("th", "he", "in"):
        words[pair] = len(words)
    merges = [tuple(pair) for pair in ("th", "he", "in")]
    made = Tokenizer(models.BPE(words, merges))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens([AddedToken(t, normalized=False) for t in ("<begin>", END, "<user>")])
    assert made.get_vocab_size() <= vocab
    return made


def _card(shape: Shape) -> dict[str, Any]:
    return {
        "kind": "language",
        "name": "Tiny",
        "publisher": None,
        "licence": None,
        "architecture": "llama",
        "quantisation": "int4",
        "parameters": 1,
        "source_sha256": None,
        "context": shape.context,
        "layers": shape.layers,
        "embedding": shape.embedding,
        "heads": shape.heads,
        "kv_heads": shape.kv_heads,
        "head_dim": shape.head_dim,
        "vocab": shape.vocab,
        "chat_template": None,
        "bos_token": "<begin>",
        "eos_token": END,
        "add_bos": True,
        "bos_id": 259,
        "end_ids": [260],
    }
