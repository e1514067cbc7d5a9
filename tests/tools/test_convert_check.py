from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from edge_rt_convert import ConvertError
from edge_rt_convert.agreement import Tally
from edge_rt_convert.check import BATCHED, OURS, REFERENCE, Check, check_model
from edge_rt_convert.model import GRAPH, WEIGHTS, convert_gguf
from edge_rt_convert.runs import drawn, windows
from tiny_gguf import Tiny, byte_level, write_tiny

SIZES = Tiny(layers=1, embedding=64, heads=1, kv_heads=1, feed_forward=64)


@dataclass(frozen=True)
class Model:
    gguf: Path
    folder: Path

    def check(self, quantised: bool = True) -> Check:
        tokens = drawn(self.gguf, 60, threads=1)
        graph = self.folder / GRAPH
        return check_model(self.gguf, graph, [tokens], threads=1, quantised=quantised)


@pytest.fixture
def model(tmp_path: Path) -> Model:
    gguf = write_tiny(tmp_path / "tiny.gguf", SIZES, byte_level("qwen2"), "Q8_0")
    convert_gguf(gguf, tmp_path)
    return Model(gguf, tmp_path)


def test_a_good_conversion_passes(model: Model) -> None:
    found = model.check()
    assert found.faults == []
    assert list(found.rows) == [REFERENCE, BATCHED, *OURS]
    assert json.loads(json.dumps(found.as_json()))["passed"] is True


def test_spoilt_weights_are_caught(model: Model) -> None:
    weights = model.folder / WEIGHTS
    content = bytearray(weights.read_bytes())
    content[: 64 * 100] = bytes(64 * 100)  # a hundred embeddings
    weights.write_bytes(content)
    found = model.check()
    assert any("ONNX, in batches: KL" in fault for fault in found.faults)
    assert found.as_json()["passed"] is False


def test_logits_that_are_no_numbers_are_caught(model: Model) -> None:
    weights = model.folder / WEIGHTS
    weights.write_bytes(b"\xff" * weights.stat().st_size)
    assert model.check().faults


def test_a_model_agrees_with_itself() -> None:
    logits = np.random.default_rng(1).normal(size=(8, 20)).astype(np.float32)
    tally = Tally()
    tally.add(range(8), logits, logits + 5)  # a constant changes nothing
    found = tally.result()
    assert found.kl_nats == pytest.approx(0, abs=1e-6)
    assert (found.positions, found.top1, found.margin_nats) == (8, 1.0, 0.0)


def test_a_model_that_knows_nothing_has_the_perplexity_of_a_guess() -> None:
    tally = Tally()
    tally.add(range(8), np.zeros((8, 20), np.float32), np.zeros((8, 20), np.float32))
    assert tally.result().perplexity == pytest.approx(20)


def test_the_drift_is_the_logarithm_of_the_ratio_of_perplexities() -> None:
    random = np.random.default_rng(1)
    reference, model = random.normal(size=(2, 9, 20)).astype(np.float32)
    tally, own = Tally(), Tally()
    tally.add(range(9), reference, model)
    own.add(range(9), reference, reference)
    ratio = tally.result().perplexity / own.result().perplexity
    assert tally.result().drift_nats == pytest.approx(np.log(ratio))
    assert tally.result().drift_error_nats > 0
    assert own.result().drift_error_nats == 0


def test_the_margin_is_that_of_the_reference_where_both_differ() -> None:
    reference = np.array([[0.0, 3.0, 2.5], [9.0, 0.0, 0.0]], np.float32)
    model = np.array([[0.0, 2.0, 4.0], [9.0, 0.0, 0.0]], np.float32)
    tally = Tally()
    tally.add([0, 1], reference, model)
    assert tally.result().top1 == 0.5
    assert tally.result().margin_nats == pytest.approx(0.5)


def test_what_the_model_makes_up_is_always_the_same(model: Model) -> None:
    assert drawn(model.gguf, 20, threads=1) == drawn(model.gguf, 20, threads=1)


def test_a_text_is_cut_into_windows_and_too_short_a_one_refused() -> None:
    assert [len(window) for window in windows(range(513))] == [256, 256]
    assert [len(window) for window in windows(range(300))] == [256, 44]
    with pytest.raises(ConvertError, match="too short"):
        windows([1])
