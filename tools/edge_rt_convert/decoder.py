"""The graph of a decoder-only language model: llama, qwen2 and gemma3."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from onnx import TensorProto

from edge_rt_convert.graph import CONTRIB, Graph
from edge_rt_convert.hyper import Hyper, Rope
from edge_rt_convert.linear import Linear
from edge_rt_convert.source import Source

EMBEDDINGS = "token_embd.weight"


class Decoder:
    """Writes the model of `source` into `graph`, layer by layer."""

    def __init__(self, source: Source, hyper: Hyper, graph: Graph, round_all: bool = False) -> None:
        self._source = source
        self._hyper = hyper
        self._graph = graph
        self._linear = Linear(source, graph, round_all)

    def build(self, on_layer: Callable[[int], None] = lambda layer: None) -> None:
        """The whole graph, with inputs and outputs; `on_layer` is told of each finished layer."""
        self._inputs()
        residual, branch = self._embed(), ""
        for layer in range(self._hyper.layers):
            residual, branch = self._layer(layer, residual, branch)
            on_layer(layer)
        self._head(residual, branch)

    def _inputs(self) -> None:
        graph, hyper = self._graph, self._hyper
        graph.input("input_ids", TensorProto.INT64, ["batch", "length"])
        graph.input("seqlens_k", TensorProto.INT32, ["batch"])
        graph.input("total_sequence_length", TensorProto.INT32, [])
        graph.input("rows", TensorProto.INT64, ["count"])
        graph.output("logits", TensorProto.FLOAT, ["count", hyper.vocab])
        shape: list[str | int] = ["batch", hyper.kv_heads, "capacity", hyper.head_dim]
        for layer in range(hyper.layers):
            for kind in ("key", "value"):
                graph.input(f"past_{kind}_{layer}", TensorProto.FLOAT, shape)
                graph.output(f"present_{kind}_{layer}", TensorProto.FLOAT, shape)

    def _embed(self) -> str:
        scale = self._hyper.embedding_scale
        if scale == 1.0:
            return self._linear.lookup("input_ids", EMBEDDINGS, "embedded")
        found = self._linear.lookup("input_ids", EMBEDDINGS, "embedded/plain")
        factor = self._graph.constant("embedding_scale", np.array(scale, np.float32))
        return self._graph.node("Mul", [found, factor], "embedded")

    def _layer(self, layer: int, residual: str, branch: str) -> tuple[str, str]:
        """One layer on residual + branch; the sum is left to the norm that follows."""
        blk = f"blk.{layer}"
        residual, x = self._add_norm(residual, branch, f"{blk}.attn_norm")
        x = self._attention(layer, x)
        x = self._post_norm(x, f"{blk}.post_attention_norm")
        residual, x = self._add_norm(residual, x, f"{blk}.ffn_norm")
        x = self._feed_forward(blk, x)
        return residual, self._post_norm(x, f"{blk}.post_ffw_norm")

    def _attention(self, layer: int, x: str) -> str:
        hyper, blk = self._hyper, f"blk.{layer}"
        query, key, value = (self._projection(x, f"{blk}.attn_{part}") for part in "qkv")
        query = self._head_norm(query, f"{blk}.attn_q_norm", hyper.heads)
        key = self._head_norm(key, f"{blk}.attn_k_norm", hyper.kv_heads)
        windowed = hyper.windowed(layer)
        past = [f"past_key_{layer}", f"past_value_{layer}"]
        lengths = ["seqlens_k", "total_sequence_length"]
        tables = self._rotary("window" if windowed else "rope")
        attended = self._graph.node(
            "GroupQueryAttention",
            [query, key, value, *past, *lengths, *tables],
            [f"{blk}.attended", f"present_key_{layer}", f"present_value_{layer}"],
            CONTRIB,
            num_heads=hyper.heads,
            kv_num_heads=hyper.kv_heads,
            scale=hyper.attention_scale,
            do_rotary=1,
            rotary_interleaved=int(hyper.interleaved),
            local_window_size=hyper.window if windowed and hyper.window else -1,
        )
        return self._projection(attended, f"{blk}.attn_output")

    def _projection(self, x: str, name: str) -> str:
        bias = f"{name}.bias" if f"{name}.bias" in self._source else ""
        return self._linear.product(x, f"{name}.weight", name, bias)

    def _rotary(self, name: str) -> list[str]:
        hyper = self._hyper
        rope: Rope = hyper.window_rope if name == "window" and hyper.window_rope else hyper.rope
        tables = rope.tables(hyper.context, hyper.head_dim)
        return [
            self._graph.constant(f"{name}.{kind}", table)
            for kind, table in zip(("cos", "sin"), tables, strict=True)
        ]

    def _feed_forward(self, blk: str, x: str) -> str:
        gate = self._projection(x, f"{blk}.ffn_gate")
        up = self._projection(x, f"{blk}.ffn_up")
        if self._hyper.architecture == "gemma3":
            active = self._graph.node("FastGelu", [gate], f"{gate}/active", CONTRIB)
        else:  # x * sigmoid(x)
            active = self._graph.node("QuickGelu", [gate], f"{gate}/active", CONTRIB, alpha=1.0)
        inner = self._graph.node("Mul", [active, up], f"{blk}.ffn_inner")
        return self._projection(inner, f"{blk}.ffn_down")

    def _head(self, residual: str, branch: str) -> None:
        """Norm and logits of the wanted rows only."""
        graph, hyper = self._graph, self._hyper
        shape = graph.constant("flat", np.array([1, -1, hyper.embedding], np.int64))
        total = graph.node("Add", [residual, branch], "last")
        flat = graph.node("Reshape", [total, shape], "last/flat")
        wanted = graph.node("Gather", [flat, "rows"], "last/wanted", axis=1)
        x = self._norm(wanted, "output_norm", "normed")
        output = "output.weight" if "output.weight" in self._source else EMBEDDINGS
        logits = self._linear.product(x, output, "logits/batch")
        axis = graph.constant("first_axis", np.array([0], np.int64))
        if not hyper.logit_cap:
            graph.node("Squeeze", [logits, axis], "logits")
            return
        cap = graph.constant("logit_cap", np.array(hyper.logit_cap, np.float32))
        small = graph.node("Tanh", [graph.node("Div", [logits, cap], "logits/div")], "logits/tanh")
        capped = graph.node("Mul", [small, cap], "logits/capped")
        graph.node("Squeeze", [capped, axis], "logits")

    def _add_norm(self, residual: str, branch: str, name: str) -> tuple[str, str]:
        """The new residual, residual + branch, and its norm."""
        if not branch:
            return residual, self._norm(residual, name, name)
        total = f"{name}/sum"
        outputs = [name, "", "", total]
        inputs = [residual, branch, self._gain(name)]
        op = "SkipSimplifiedLayerNormalization"
        self._graph.node(op, inputs, outputs, CONTRIB, epsilon=self._hyper.epsilon)
        return total, name

    def _post_norm(self, x: str, name: str) -> str:
        return self._norm(x, name, name) if f"{name}.weight" in self._source else x

    def _head_norm(self, x: str, name: str, heads: int) -> str:
        """The norm of each head by itself, where the model has one."""
        if f"{name}.weight" not in self._source:
            return x
        shape = np.array([0, 0, heads, self._hyper.head_dim], np.int64)
        split_shape = self._graph.constant(f"heads_{heads}", shape)
        flat_shape = self._graph.constant("flat_heads", np.array([0, 0, -1], np.int64))
        split = self._graph.node("Reshape", [x, split_shape], f"{name}/split")
        normed = self._norm(split, name, f"{name}/normed")
        return self._graph.node("Reshape", [normed, flat_shape], name)

    def _norm(self, x: str, name: str, output: str) -> str:
        return self._graph.node(
            "SimplifiedLayerNormalization",
            [x, self._gain(name)],
            output,
            axis=-1,
            epsilon=self._hyper.epsilon,
            stash_type=1,
        )

    def _gain(self, name: str) -> str:
        return self._graph.constant(f"{name}.weight", self._source.floats(f"{name}.weight"))
