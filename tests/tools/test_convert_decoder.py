"""Converted models of random weights against llama.cpp."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from edge_rt_convert import ConvertError
from edge_rt_convert.agreement import Agreement, Tally
from edge_rt_convert.model import GRAPH, convert_gguf
from edge_rt_convert.runs import LlamaRun, OnnxRun
from packaging.version import Version
from tiny_gguf import Tiny, Vocabulary, byte_level, dequantised, sentence_piece, write_tiny

from edge_rt.backends.onnx.session import VERSION

F32 = 0  # enum ggml_type
TYPES = ["Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q4_K", "Q5_K", "Q6_K"]
LLAMA, QWEN2 = Tiny(), Tiny("qwen2", rope_base=1e6)
GEMMA3 = Tiny("gemma3", layers=7, rope_base=1e6, more={"attention.sliding_window": 16})
TOKENS = [int(token) for token in np.random.default_rng(3).integers(0, 250, 48)]

# Before 1.24, and there is no later one for Python 3.10, a sliding window holds a token more.
MORE = int(Version(VERSION) < Version("1.24"))


def run(tiny: Tiny) -> Tiny:
    """The model as the installed onnxruntime runs it."""
    window = tiny.more.get("attention.sliding_window")
    more = {} if window is None else {"attention.sliding_window": window + MORE}
    return replace(tiny, more=tiny.more | more)


def vocabulary(tiny: Tiny) -> Vocabulary:
    return sentence_piece(False) if tiny.architecture == "gemma3" else byte_level("qwen2")


def exact(graph: Path) -> Path:
    """The graph beside it that rounds no activations."""
    model = onnx.load(graph, load_external_data=False)
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.name == "accuracy_level":
                attribute.i = 1
    path = graph.with_name("exact.onnx")
    path.write_bytes(model.SerializeToString())
    return path


def of_llama(gguf: Path) -> np.ndarray:
    run = LlamaRun(gguf, context=len(TOKENS), batch=len(TOKENS), threads=1, kv_type=F32)
    return run.logits(TOKENS)


def of_onnx(graph: Path, one_by_one: bool = False) -> np.ndarray:
    return OnnxRun(graph, one_by_one=one_by_one, threads=1).logits(TOKENS)


def converted(tmp_path: Path, tiny: Tiny, kind: str = "F32") -> tuple[Path, Path]:
    """The GGUF and the graph made from it."""
    gguf = write_tiny(tmp_path / "tiny.gguf", tiny, vocabulary(tiny), kind)
    folder = tmp_path / "tiny"
    folder.mkdir()
    convert_gguf(gguf, folder)
    return gguf, folder / GRAPH


def apart(ours: np.ndarray, theirs: np.ndarray) -> float:
    """The largest difference, in standard deviations of the reference."""
    return float(np.abs(ours - theirs).max() / theirs.std())


def agreement(ours: np.ndarray, theirs: np.ndarray) -> Agreement:
    tally = Tally()
    tally.add(TOKENS, theirs, ours)
    return tally.result()


@pytest.mark.parametrize(
    ("tiny", "kind"),
    [
        *((LLAMA, kind) for kind in TYPES),
        *((replace(QWEN2, tied=False), kind) for kind in ("Q4_0", "Q4_K", "Q5_0", "Q6_K")),
        (GEMMA3, "Q4_0"),
        (GEMMA3, "Q4_1"),
    ],
)
def test_quantised_weights_go_over_without_loss(tmp_path: Path, tiny: Tiny, kind: str) -> None:
    gguf, graph = converted(tmp_path, tiny, kind)
    weights = dequantised(gguf)
    wide = write_tiny(tmp_path / "wide.gguf", run(tiny), vocabulary(tiny), weights=weights)
    # llama.cpp's GELU goes through a table of float16
    bound = 3e-3 if tiny.architecture == "gemma3" else 1e-4
    assert apart(of_onnx(exact(graph)), of_llama(wide)) < bound
    same = write_tiny(tmp_path / "same.gguf", run(tiny), vocabulary(tiny), kind)
    rounded = agreement(of_onnx(graph), of_llama(same))
    assert rounded.kl_nats < 0.03
    assert rounded.top1 > 0.8


@pytest.mark.parametrize(
    "tiny",
    [
        LLAMA,
        replace(LLAMA, tied=False, kv_heads=4),
        replace(LLAMA, more={"rope.scaling.type": "linear", "rope.scaling.factor": 4.0}),
        replace(LLAMA, tensors={"rope_freqs.weight": np.linspace(1, 8, 32, dtype=np.float32)}),
        QWEN2,
        GEMMA3,
        replace(GEMMA3, more={}),
        replace(
            GEMMA3,
            tied=False,
            more={
                "attention.sliding_window": 17,
                "final_logit_softcapping": 3.0,
                "rope.scaling.type": "linear",
                "rope.scaling.factor": 8.0,
            },
        ),
    ],
)
@pytest.mark.parametrize("kind", ["F32", "F16"])
def test_float_models_give_the_logits_of_llama_cpp(tmp_path: Path, tiny: Tiny, kind: str) -> None:
    gguf, graph = converted(tmp_path, tiny, kind)
    bound = 5e-3 if tiny.architecture == "gemma3" else 1e-4
    # llama.cpp rounds activations to float16 before matrices of that type, and how depends on the
    # CPU: it gets the same weights in float32.
    weights = dequantised(gguf)
    same = write_tiny(tmp_path / "same.gguf", run(tiny), vocabulary(tiny), weights=weights)
    theirs = of_llama(same)
    assert apart(of_onnx(graph), theirs) < bound
    assert apart(of_onnx(graph, one_by_one=True), theirs) < bound


def test_a_window_of_one_token_more_would_be_seen(tmp_path: Path) -> None:
    _, graph = converted(tmp_path, GEMMA3)
    wider = replace(GEMMA3, more={"attention.sliding_window": 17 + MORE})
    gguf = write_tiny(tmp_path / "wider.gguf", wider, vocabulary(wider))
    assert apart(of_onnx(graph), of_llama(gguf)) > 0.02


def test_everything_can_be_rounded_to_8_bits(tmp_path: Path) -> None:
    gguf = write_tiny(tmp_path / "tiny.gguf", LLAMA, vocabulary(LLAMA))
    convert_gguf(gguf, tmp_path, round_all=True)
    model = onnx.load(tmp_path / GRAPH, load_external_data=False)
    ops = {node.op_type for node in model.graph.node}
    assert {"MatMulNBits", "GatherBlockQuantized"} <= ops
    assert "MatMul" not in ops
    assert agreement(of_onnx(tmp_path / GRAPH), of_llama(gguf)).kl_nats < 0.03


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"rope.scaling.type": "yarn"}, "rotary scaling 'yarn' is not supported"),
        ({"expert_count": 4}, "mixtures of experts are not supported"),
    ],
)
def test_what_is_not_supported_is_named(
    tmp_path: Path, more: dict[str, object], words: str
) -> None:
    gguf = write_tiny(tmp_path / "tiny.gguf", replace(LLAMA, more=more), vocabulary(LLAMA))
    with pytest.raises(ConvertError, match=words):
        convert_gguf(gguf, tmp_path)


def test_weights_that_the_graph_has_no_place_for_are_named(tmp_path: Path) -> None:
    tiny = replace(LLAMA, tensors={"blk.1.attn_sinks.weight": np.ones(4, np.float32)})
    gguf = write_tiny(tmp_path / "tiny.gguf", tiny, vocabulary(tiny))
    with pytest.raises(ConvertError, match=r"also has blk.1.attn_sinks.weight, which is not known"):
        convert_gguf(gguf, tmp_path)


def test_an_architecture_that_is_not_supported_is_named(tmp_path: Path) -> None:
    gguf = write_tiny(tmp_path / "tiny.gguf", Tiny("mamba"), vocabulary(LLAMA))
    with pytest.raises(ConvertError, match="architecture 'mamba' is not supported; llama, qwen2"):
        convert_gguf(gguf, tmp_path)


def test_what_is_no_gguf_is_told(tmp_path: Path) -> None:
    path = tmp_path / "x.gguf"
    path.write_bytes(b"nothing of the kind, but long enough to hold a header")
    with pytest.raises(ConvertError, match="not a GGUF file"):
        convert_gguf(path, tmp_path)
