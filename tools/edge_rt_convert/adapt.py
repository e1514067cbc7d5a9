"""A graph of onnxruntime-genai's model builder, given the inputs and outputs of ours.

Theirs takes a mask of ones and gives logits for every token. Ours is told the lengths, which
theirs computes from the mask, and the rows whose logits are wanted.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from edge_rt_convert import ConvertError

_CACHE = re.compile(r"(past_key_values|present)\.(\d+)\.(key|value)")
_LENGTHS = {5: "seqlens_k", 6: "total_sequence_length"}  # inputs of GroupQueryAttention
_PRODUCTS = ("MatMul", "MatMulNBits")
_BEFORE, _AFTER = "rows/flat", "rows/logits"


def adapt(path: Path, embedding: int, kv_heads: int, head_dim: int) -> None:
    """Change the graph at `path`; its weights stay as they are. Raises ConvertError."""
    model = onnx.load(path, load_external_data=False)
    graph = model.graph
    _rename(graph, _new_names(graph))
    _pick_rows(graph, embedding)
    _drop_unused(graph)
    _declare(graph, ["batch", kv_heads, "capacity", head_dim])
    path.write_bytes(model.SerializeToString())


def _new_names(graph: onnx.GraphProto) -> dict[str, str]:
    """What is called otherwise with us: the cache, and the lengths that attention is told."""
    attention = [node for node in graph.node if node.op_type == "GroupQueryAttention"]
    if not attention:
        raise ConvertError("the builder made no GroupQueryAttention, which is needed")
    names = {node.input[at]: name for node in attention for at, name in _LENGTHS.items()}
    if len(names) != len(_LENGTHS):
        raise ConvertError("layers are told different lengths, which is not supported")
    for value in (*graph.input, *graph.output):
        if found := _CACHE.fullmatch(value.name):
            side = "present" if found[1] == "present" else "past"
            names[value.name] = f"{side}_{found[3]}_{found[2]}"
            if value.type.tensor_type.elem_type != TensorProto.FLOAT:
                raise ConvertError(f"{value.name} is not float32, which is not supported")
    return names


def _rename(graph: onnx.GraphProto, names: dict[str, str]) -> None:
    """Lengths become inputs: whatever computed them computes something unused from now on."""
    for node in graph.node:
        for at, value in enumerate(node.input):
            node.input[at] = names.get(value, value)
        for at, value in enumerate(node.output):
            new = names.get(value, value)
            node.output[at] = f"unused/{new}" if new in _LENGTHS.values() else new
    for value in (*graph.input, *graph.output):
        value.name = names.get(value.name, value.name)


def _pick_rows(graph: onnx.GraphProto, embedding: int) -> None:
    """Only the wanted rows go into the last product."""
    makers = {value: node for node in graph.node for value in node.output}
    last = node = makers["logits"]
    while node.op_type not in _PRODUCTS:  # a cap on logits comes after it
        node = makers.get(node.input[0])
        if node is None:
            raise ConvertError("the product that makes the logits was not found")
    shape, axis = np.array([1, -1, embedding], np.int64), np.array([0], np.int64)
    graph.initializer.append(numpy_helper.from_array(shape, "rows/shape"))
    graph.initializer.append(numpy_helper.from_array(axis, "rows/axis"))
    at = list(graph.node).index(node)
    graph.node.insert(at, helper.make_node("Reshape", [node.input[0], "rows/shape"], [_BEFORE]))
    picked = helper.make_node("Gather", [_BEFORE, "rows"], ["rows/picked"], axis=1)
    graph.node.insert(at + 1, picked)
    node.input[0] = "rows/picked"
    last.output[0] = _AFTER
    graph.node.append(helper.make_node("Squeeze", [_AFTER, "rows/axis"], ["logits"]))


def _drop_unused(graph: onnx.GraphProto) -> None:
    """Nodes from which no output comes."""
    wanted = {value.name for value in graph.output}
    kept: list[onnx.NodeProto] = []
    for node in reversed(graph.node):
        if wanted.intersection(node.output):
            wanted.update(node.input)
            kept.append(node)
    del graph.node[:]
    graph.node.extend(reversed(kept))


def _declare(graph: onnx.GraphProto, cache: list[str | int]) -> None:
    """Declare inputs and outputs again; `cache` is the shape of keys and of values."""
    used = {value for node in graph.node for value in node.input}
    names = [value.name for value in graph.input if value.name in used]
    caches = [name for name in names if name.startswith("past_")]
    if strange := [name for name in names if name not in (*caches, "input_ids")]:
        raise ConvertError(f"the builder's graph also takes {', '.join(strange)}")
    vocab = next(v for v in graph.output if v.name == "logits").type.tensor_type.shape.dim[-1]
    values = helper.make_tensor_value_info
    inputs = [
        values("input_ids", TensorProto.INT64, ["batch", "length"]),
        values("seqlens_k", TensorProto.INT32, ["batch"]),
        values("total_sequence_length", TensorProto.INT32, []),
        values("rows", TensorProto.INT64, ["count"]),
        *(values(name, TensorProto.FLOAT, cache) for name in caches),
    ]
    outputs = [values("logits", TensorProto.FLOAT, ["count", vocab.dim_value])]
    for name in caches:
        outputs.append(values(name.replace("past", "present"), TensorProto.FLOAT, cache))
    del graph.input[:], graph.output[:], graph.value_info[:]
    graph.input.extend(inputs)
    graph.output.extend(outputs)
