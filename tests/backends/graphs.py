"""Small ONNX graphs, written by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, pre_tokenizers, processors

OPSET = [helper.make_opsetid("", 17)]
IR = 8


def write_graph(
    path: Path, nodes: list[Any], inputs: list[Any], outputs: list[Any], weights: list[Any]
) -> Path:
    """Write a model; inputs and outputs are (name, type, shape)."""
    infos = [[helper.make_tensor_value_info(*each) for each in side] for side in (inputs, outputs)]
    graph = helper.make_graph(nodes, "graph", *infos, weights)
    onnx.save(helper.make_model(graph, opset_imports=OPSET, ir_version=IR), str(path))
    return path


def write_sum(path: Path) -> Path:
    """`sum` = `left` + `right`, both (rows, 2) float32, and `times` = `count` * 2, int64."""
    rows = (TensorProto.FLOAT, ["rows", 2])
    return write_graph(
        path,
        [
            helper.make_node("Add", ["left", "right"], ["sum"]),
            helper.make_node("Mul", ["count", "two"], ["times"]),
        ],
        [("left", *rows), ("right", *rows), ("count", TensorProto.INT64, [1])],
        [("sum", *rows), ("times", TensorProto.INT64, [1])],
        [numpy_helper.from_array(np.array([2], np.int64), "two")],
    )


def write_lookup(folder: Path) -> Path:
    """An embedding model without sense: a token's vector is its id, and its square.

    Its tokens are <s>, </s>, a, b and c, of the ids 0 to 4, the first two around each text.
    """
    table = np.array([[token, token**2] for token in range(5)], np.float32)
    ids = (TensorProto.INT64, ["batch", "length"])
    write_graph(
        folder / "model.onnx",
        [helper.make_node("Gather", ["table", "input_ids"], ["vectors"])],
        [("input_ids", *ids)],
        [("vectors", TensorProto.FLOAT, ["batch", "length", 2])],
        [numpy_helper.from_array(table, "table")],
    )
    words = {word: place for place, word in enumerate(["<s>", "</s>", "a", "b", "c"])}
    tokenizer: Any = Tokenizer(models.WordLevel(words, unk_token="c"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    ends = [("<s>", 0), ("</s>", 1)]
    tokenizer.post_processor = processors.TemplateProcessing("<s> $A </s>", special_tokens=ends)
    tokenizer.enable_padding(length=9)  # as makers leave it in their files
    tokenizer.enable_truncation(4)
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder / "model.onnx"
