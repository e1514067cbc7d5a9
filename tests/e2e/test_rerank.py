"""Cross-encoders of random weights order documents through a real daemon, by their own scores."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from rank_models import CONTEXT, write_rank_gguf, write_rank_onnx

from edge_rt.backends.llama.embedding import LlamaEmbedding
from edge_rt.backends.onnx.tasks import OnnxEmbedding
from edge_rt.models.catalogue import Catalogue
from edge_rt.models.formats.card import Description
from edge_rt.models.store.store import Store

QUERY = "the fox runs"
TEXTS = ["over the hill", "a lazy dog sleeps near the river", "dog", "the fox near a hill"]


@pytest.fixture(scope="module")
def rankers(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store with a model that ranks for either backend."""
    root = tmp_path_factory.mktemp("rankers")
    write_rank_onnx(root / "cross")
    store = Store(root / "store", Catalogue())
    store.add(write_rank_gguf(root / "ranker.gguf"), "ranker")
    store.add(root / "cross", "cross", said=Description("rank"))
    return store


@pytest.fixture(scope="module")
def daemon(make_daemon, rankers):
    daemon = make_daemon(rankers.root)
    yield daemon
    daemon.close()


def own_scores(path: Path) -> list[float]:
    sizes: dict[str, Any] = {"context": CONTEXT, "batch": 128, "threads": 1}
    onnx = path.suffix == ".onnx"
    made = OnnxEmbedding(path, **sizes, pooling="rank") if onnx else LlamaEmbedding(path, **sizes)
    with closing(made) as model:
        return [float(model.embed([model.pair(QUERY, text)[0]])[0, 0]) for text in TEXTS]


@pytest.mark.parametrize("id", ["ranker", "cross"])
def test_documents_come_in_the_order_of_the_models_own_scores(daemon, rankers, id):
    expected = own_scores(rankers.get(id).path)
    body = {"model": id, "query": QUERY, "documents": TEXTS}
    answer = daemon.http.post("/v1/rerank", json=body)
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert told["edge"]["scores"] == "rerank"
    found = {one["index"]: one["relevance_score"] for one in told["results"]}
    assert [found[at] for at in range(len(TEXTS))] == pytest.approx(expected, abs=1e-3)
    assert list(found) == sorted(found, key=lambda at: -expected[at])
    too_long = daemon.http.post("/v1/rerank", json=body | {"documents": ["dog", "dog " * 100]})
    assert too_long.json()["error"]["param"] == "documents[1]"
    cut = body | {"documents": ["dog", "dog " * 100], "edge": {"truncate": "end"}}
    assert daemon.http.post("/v1/rerank", json=cut).status_code == 200


def test_a_model_that_ranks_is_told_as_such_and_makes_no_vectors(daemon):
    told = {one["id"]: one for one in daemon.http.get("/v1/models").json()["data"]}
    assert told["ranker"]["edge"]["kind"] == told["cross"]["edge"]["kind"] == "rerank"
    refused = daemon.http.post("/v1/embeddings", json={"model": "ranker", "input": "dog"})
    assert refused.status_code == 400
    assert "POST /v1/rerank" in refused.json()["error"]["message"]
    assert daemon.http.post("/v1/rerank", json={"query": "a", "documents": ["b"]}).is_success
