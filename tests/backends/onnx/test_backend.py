"""What only the ONNX backend does: sessions made anew, with what sequences hold kept."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import psutil
import pytest
from conformance import feed
from tiny_onnx import Shape, write_model

from edge_rt.backends.onnx.backend import OnnxBackend
from edge_rt.core.errors import EngineError, ModelFileError

TOKENS = list(range(20, 60))
MANY = 1 << 20  # bytes by which a process grows that keeps all it ever took


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("tiny")) / "model.onnx"


def test_threads_change_before_the_next_pass_and_only_if_they_are_others(graph: Path) -> None:
    model = load(graph)
    session, before = model._session._session, psutil.Process().num_threads()
    model.set_threads(1)
    feed(model, 0, 0, TOKENS[:5])
    assert model._session._session is session
    model.set_threads(3)
    assert psutil.Process().num_threads() == before
    feed(model, 0, 5, TOKENS[5:9])
    assert psutil.Process().num_threads() == before + 2
    model.close()


def test_what_sequences_hold_outlives_a_session_that_cannot_be_made_again(tmp_path: Path) -> None:
    graph = write_model(tmp_path) / "model.onnx"
    model = load(graph)
    feed(model, 0, 0, TOKENS[:20])
    expected = feed(model, 0, 20, TOKENS[20:])
    model.rewind(0, 20)
    model.set_threads(2)
    graph.rename(tmp_path / "away")
    for _ in range(2):
        with pytest.raises(EngineError, match=r"model\.onnx"):
            feed(model, 0, 20, TOKENS[20:])
    (tmp_path / "away").rename(graph)
    assert np.array_equal(feed(model, 0, 20, TOKENS[20:]), expected)
    model.close()


def test_more_rows_than_sequences_may_be_wanted(graph: Path) -> None:
    model = load(graph)
    model.batch.clear()
    model.batch.add(0, 0, TOKENS, want=1)
    model.batch.want[:40] = 1
    model.forward()
    rows = [model.logits(row).copy() for row in range(40)]
    assert len({row.tobytes() for row in rows}) == 40
    model.rewind(0, 0)
    # Some processors' kernels round another way where they compute another number of rows.
    assert np.allclose(feed(model, 0, 0, TOKENS), rows[-1], atol=1e-5)
    model.close()


def test_a_pass_that_fails_says_so(graph: Path) -> None:
    model = load(graph)
    with pytest.raises(EngineError, match=r"onnxruntime could not run the model: \w+"):
        feed(model, 0, 0, [10**6])  # beyond the table of tokens
    assert np.isfinite(feed(model, 0, 0, TOKENS)).all()
    model.close()


def test_no_more_context_than_the_model_has(graph: Path) -> None:
    model = load(graph, context=10**6)
    assert model.context == Shape().context
    model.close()


@pytest.mark.parametrize("field", ["layers", "kv_heads", "head_dim", "vocab"])
def test_a_card_of_another_graph_is_refused(tmp_path: Path, field: str) -> None:
    graph = write_model(tmp_path) / "model.onnx"
    card = json.loads((tmp_path / "model.json").read_text())
    (tmp_path / "model.json").write_text(json.dumps(card | {field: card[field] + 1}))
    with pytest.raises(ModelFileError, match=r"model\.onnx is not what its card says"):
        load(graph)


def test_a_graph_without_our_inputs_is_refused(tmp_path: Path) -> None:
    path = write_model(tmp_path) / "model.onnx"
    graph = onnx.load(path, load_external_data=False)
    for node in graph.graph.node:
        node.input[:] = ["lines" if name == "rows" else name for name in node.input]
    next(value for value in graph.graph.input if value.name == "rows").name = "lines"
    path.write_bytes(graph.SerializeToString())
    with pytest.raises(ModelFileError, match="'lines' is in one alone"):
        load(path)


def test_a_provider_that_is_not_there_is_named(graph: Path) -> None:
    with pytest.raises(ModelFileError, match="without the execution provider tpu"):
        load(graph, providers=["tpu"])


def load(graph: Path, **more: object) -> OnnxBackend:
    sizes: dict = {"context": 128, "sequences": 2, "batch": 64, "threads": 1}
    return OnnxBackend(graph, **{**sizes, **more})
