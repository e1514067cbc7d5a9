"""Folders, with a stand-in for the builder that makes a graph like its own."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from edge_rt_convert import ConvertError
from edge_rt_convert.builder import Builder
from edge_rt_convert.folder import convert_folder
from edge_rt_convert.runs import OnnxRun
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, processors

from edge_rt.backends.onnx.session import runtime as ort
from edge_rt.models.formats.card import CARD, LanguageModelCard, read_card

Script = Callable[[Path, str], Path]

MASK = "attention_mask"
VOCAB, WIDTH, HEADS, HEAD = 12, 32, 2, 16
TOKENS = [3, 1, 4, 1, 5]
FACTS = {
    "type": "llama",
    "vocab_size": VOCAB,
    "context_length": 64,
    "bos_token_id": 0,
    "eos_token_id": [1, 2],
    "decoder": {
        "hidden_size": WIDTH,
        "head_size": HEAD,
        "num_attention_heads": HEADS,
        "num_key_value_heads": HEADS,
        "num_hidden_layers": 1,
    },
}


def graph(cache: int = TensorProto.FLOAT) -> onnx.ModelProto:
    """One layer of attention; lengths come from a mask and logits for all tokens."""
    random = np.random.default_rng(1)
    angles = np.outer(np.arange(64), 10.0 ** -np.arange(HEAD // 2))
    constants = {
        "table": random.normal(size=(VOCAB, WIDTH)),
        "qkv": random.normal(size=(WIDTH, 3 * WIDTH)),
        "head": random.normal(size=(WIDTH, VOCAB)),
        "cos": np.cos(angles),
        "sin": np.sin(angles),
    }
    weights = [numpy_helper.from_array(v.astype(np.float32), k) for k, v in constants.items()]
    weights.append(numpy_helper.from_array(np.array([1], np.int64), "ones"))
    weights.append(numpy_helper.from_array(np.array(1, np.int64), "one"))
    past = ["past_key_values.0.key", "past_key_values.0.value"]
    present = ["present.0.key", "present.0.value"]
    node = helper.make_node
    attention = node(
        "GroupQueryAttention",
        ["packed", "", "", *past, "last", "total", "cos", "sin"],
        ["attended", *present],
        domain="com.microsoft",
        num_heads=HEADS,
        kv_num_heads=HEADS,
        do_rotary=1,
    )
    nodes = [
        node("ReduceSum", ["attention_mask", "ones"], ["sum"], keepdims=0),
        node("Sub", ["sum", "one"], ["last64"]),
        node("Cast", ["last64"], ["last"], to=TensorProto.INT32),
        node("Shape", ["attention_mask"], ["shape"]),
        node("Gather", ["shape", "one"], ["total64"]),
        node("Cast", ["total64"], ["total"], to=TensorProto.INT32),
        node("Gather", ["table", "input_ids"], ["embedded"]),
        node("MatMul", ["embedded", "qkv"], ["packed"]),
        attention,
        node("MatMul", ["attended", "head"], ["uncapped"]),
        node("Tanh", ["uncapped"], ["logits"]),
    ]
    value = helper.make_tensor_value_info
    kv = ["batch", HEADS, "past", "kv_cache_dim"]
    inputs = [value(name, TensorProto.INT64, ["batch", name]) for name in ("input_ids", MASK)]
    inputs += [value(name, cache, kv) for name in past]
    outputs = [value("logits", TensorProto.FLOAT, ["batch", "input_ids", VOCAB])]
    outputs += [value(name, cache, kv) for name in present]
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
    made = helper.make_graph(nodes, "built", inputs, outputs, weights)
    return helper.make_model(made, opset_imports=opsets, ir_version=10)


class StandIn(Builder):
    """Makes that graph, whatever the folder holds."""

    def __init__(self, made: onnx.ModelProto) -> None:
        self._made = made

    def build(self, source: Path, target: Path, bits: int | None) -> None:
        target.mkdir()
        onnx.save(self._made, target / "model.onnx")
        (target / "model.onnx.data").touch()
        (target / "genai_config.json").write_text(json.dumps({"model": FACTS}))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "a-model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    Tokenizer(models.WordLevel({"<s>": 0, "</s>": 1})).save(str(folder / "tokenizer.json"))
    words = {"bos_token": {"content": "<s>"}, "eos_token": "</s>", "chat_template": "{{ x }}"}
    (folder / "tokenizer_config.json").write_text(json.dumps({**words, "add_bos_token": True}))
    header = json.dumps({"__metadata__": {}, "w": {"shape": [3, 4]}, "v": {"shape": [5]}}).encode()
    (folder / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    return folder


def convert(source: Path, target: Path, made: onnx.ModelProto) -> Path:
    target.mkdir()
    convert_folder(StandIn(made), source, target, None)
    return target


def test_the_graph_takes_lengths_and_rows_and_gives_the_same_logits(
    source: Path, tmp_path: Path
) -> None:
    made = graph()
    folder = convert(source, tmp_path / "out", made)
    empty = np.zeros((1, HEADS, 0, HEAD), np.float32)
    feeds = {
        "input_ids": np.array([TOKENS]),
        MASK: np.ones((1, len(TOKENS)), np.int64),
        "past_key_values.0.key": empty,
        "past_key_values.0.value": empty,
    }
    theirs = ort.InferenceSession(made.SerializeToString()).run(["logits"], feeds)[0][0]
    for one_by_one in (False, True):
        ours = OnnxRun(folder / "model.onnx", one_by_one=one_by_one, threads=1).logits(TOKENS)
        np.testing.assert_allclose(ours, theirs, atol=1e-4)
    names = {value.name for value in onnx.load(folder / "model.onnx").graph.input}
    lengths = {"seqlens_k", "total_sequence_length"}
    assert names == {"input_ids", *lengths, "rows", "past_key_0", "past_value_0"}


def test_files_and_card_are_those_of_any_model(source: Path, tmp_path: Path) -> None:
    folder = convert(source, tmp_path / "out", graph())
    names = {path.name for path in folder.iterdir()}
    assert names == {"model.onnx", "model.onnx.data", "tokenizer.json", CARD}
    card = read_card(folder / CARD)
    assert isinstance(card, LanguageModelCard)
    assert (card.name, card.architecture, card.quantisation) == ("a-model", "llama", "fp32")
    assert (card.bos_token, card.eos_token, card.chat_template) == ("<s>", "</s>", "{{ x }}")
    assert (card.add_bos, card.bos_id, card.end_ids) == (True, 0, [1, 2])
    assert (card.parameters, card.head_dim, card.source_sha256) == (17, HEAD, None)


def test_a_tokenizer_that_begins_texts_itself_is_heeded(source: Path, tmp_path: Path) -> None:
    (source / "tokenizer_config.json").unlink()
    tokenizer = Tokenizer(models.WordLevel({"<s>": 0, "</s>": 1}))
    for name, begins in (("without", False), ("with", True)):
        if begins:
            start = processors.TemplateProcessing(single="<s> $0", special_tokens=[("<s>", 0)])
            tokenizer.post_processor = start
        tokenizer.save(str(source / "tokenizer.json"))
        card = read_card(convert(source, tmp_path / name, graph()) / CARD)
        assert isinstance(card, LanguageModelCard)
        assert bool(card.add_bos) is begins


def test_what_our_graphs_have_not_is_named(source: Path, tmp_path: Path) -> None:
    with pytest.raises(ConvertError, match=r"past_key_values.0.key is not float32"):
        convert(source, tmp_path / "half", graph(TensorProto.FLOAT16))
    masked = graph()
    next(n for n in masked.graph.node if n.op_type == "Tanh").input[0] = "more"
    more = helper.make_node("Add", ["uncapped", "bias"], ["more"])
    masked.graph.node.insert(10, more)
    bias = helper.make_tensor_value_info("bias", TensorProto.FLOAT, [1])
    masked.graph.input.append(bias)
    with pytest.raises(ConvertError, match="graph also takes bias"):
        convert(source, tmp_path / "more", masked)


def test_a_folder_without_a_tokenizer_is_refused(source: Path, tmp_path: Path) -> None:
    (source / "tokenizer.json").unlink()
    with pytest.raises(ConvertError, match=r"has no tokenizer.json"):
        convert(source, tmp_path / "out", graph())


def test_what_fails_in_the_builder_is_told(tmp_path: Path, script: Script) -> None:
    builder = Builder(tmp_path)
    said = "echo first >&2\necho 'ValueError: no such kind' >&2\n"
    script(builder.home / "bin/python", f"#!/bin/sh\n{said}exit 1\n")
    (builder.home / "ready").touch()
    with pytest.raises(
        ConvertError, match="failed: ValueError: no such kind; the whole output is in"
    ):
        builder.run(["x"], "Building the model")
