"""Models that rank: llama.cpp's and onnxruntime's own scores, whatever else is in a pass."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import llama_cpp.llama_cpp as lib
import numpy as np
import pytest
from rank_models import CONTEXT, WORDS, write_rank_gguf, write_rank_onnx
from tokenizers import Tokenizer

from edge_rt.backends.llama.embedding import LlamaEmbedding
from edge_rt.backends.onnx.session import runtime as onnxruntime
from edge_rt.backends.onnx.tasks import OnnxEmbedding
from edge_rt.core.errors import ModelFileError

QUERY = "the fox runs"
TEXTS = (
    "over the hill",
    "a lazy dog sleeps near the river",
    "dog",
    "the fox runs over the lazy dog near a river",
    "[SEP] fox",
)
CLS, SEP = WORDS.index("[CLS]"), WORDS.index("[SEP]")


def sizes(**changes: Any) -> dict[str, Any]:
    return {"context": CONTEXT, "batch": 128, "threads": 1} | changes


@pytest.fixture(scope="module")
def gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_rank_gguf(tmp_path_factory.mktemp("rank") / "ranker.gguf")


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_rank_onnx(tmp_path_factory.mktemp("rank-onnx"))


@pytest.fixture(params=["llama.cpp", "onnx"])
def ranker(request: pytest.FixtureRequest, gguf: Path, graph: Path) -> Iterator[Any]:
    if request.param == "onnx":
        made: Any = OnnxEmbedding(graph, **sizes(), pooling="rank")
    else:
        made = LlamaEmbedding(gguf, **sizes())
    with closing(made) as ranker:
        yield ranker


def by_llama(path: Path) -> Callable[[str, str], float]:
    """llama.cpp's score of two texts, in a context of their own, with its server's tokens."""
    model: Any = lib.llama_model_load_from_file(
        str(path).encode(), lib.llama_model_default_params()
    )
    vocab: Any = lib.llama_model_get_vocab(model)

    def tokens(text: str) -> list[int]:
        room = (lib.llama_token * 64)()
        data = text.encode()
        return room[: lib.llama_tokenize(vocab, data, len(data), room, 64, False, False)]

    def score(query: str, text: str) -> float:
        params = lib.llama_context_default_params()
        params.embeddings, params.pooling_type = True, lib.LLAMA_POOLING_TYPE_RANK
        context: Any = lib.llama_init_from_model(model, params)
        ids = [CLS, *tokens(query), SEP, SEP, *tokens(text), SEP]
        array = (lib.llama_token * len(ids))(*ids)
        assert lib.llama_encode(context, lib.llama_batch_get_one(array, len(ids))) == 0
        pointer: Any = lib.llama_get_embeddings_seq(context, 0)
        found = ctypes.c_float.from_address(ctypes.addressof(pointer.contents)).value
        lib.llama_free(context)
        return found

    return score


def scores(ranker: Any, texts: tuple[str, ...]) -> list[float]:
    return ranker.embed([ranker.pair(QUERY, text)[0] for text in texts])[:, 0].tolist()


def test_scores_are_llama_cpps_own(gguf: Path) -> None:
    own = by_llama(gguf)
    expected = [own(QUERY, text) for text in TEXTS]
    with closing(LlamaEmbedding(gguf, **sizes())) as ranker:
        assert ranker.width == 1
        found = scores(ranker, TEXTS)
    assert found == pytest.approx(expected, abs=1e-4)
    assert np.argsort(found).tolist() == np.argsort(expected).tolist()
    assert np.ptp(expected) > 0.1


def test_scores_are_onnxruntimes_own(graph: Path) -> None:
    tokenizer = Tokenizer.from_file(str(graph.with_name("tokenizer.json")))
    tokenizer.encode_special_tokens = True
    session = onnxruntime.InferenceSession(str(graph))
    expected: list[float] = []
    for text in TEXTS:
        encoded = tokenizer.encode(QUERY, text)
        fed = {
            "input_ids": np.array([encoded.ids]),
            "attention_mask": np.array([encoded.attention_mask]),
            "token_type_ids": np.array([encoded.type_ids]),
        }
        logits: Any = session.run(None, fed)[0]
        expected.append(float(logits[0, 0]))
    with closing(OnnxEmbedding(graph, **sizes(), pooling="rank")) as ranker:
        assert scores(ranker, TEXTS) == pytest.approx(expected, rel=1e-5)


def test_a_score_does_not_depend_on_what_else_is_in_the_pass(ranker: Any) -> None:
    alone = [scores(ranker, (text,))[0] for text in TEXTS]
    assert scores(ranker, TEXTS) == pytest.approx(alone, abs=1e-4)


def test_a_pair_tells_where_the_text_stands(ranker: Any) -> None:
    for text in TEXTS:
        tokens, before, behind = ranker.pair(QUERY, text)
        own = tokens[before : len(tokens) - behind]
        assert own
        assert CLS not in own, "control tokens in a text are letters like others"
        assert SEP not in own
        assert tokens[:before] == ranker.pair(QUERY, "dog")[0][:before]


def test_a_models_own_template_is_used(tmp_path: Path) -> None:
    path = write_rank_gguf(tmp_path / "t.gguf", "near {query} over {document} hill")
    with closing(LlamaEmbedding(path, **sizes())) as ranker:
        tokens, before, behind = ranker.pair("fox", "dog")
    words = [WORDS[token] for token in tokens]
    assert words == ["near", "fox", "over", "dog", "hill"]
    assert (before, behind) == (3, 1)


def test_a_graph_of_more_numbers_ranks_nothing(tmp_path: Path) -> None:
    path = write_rank_onnx(tmp_path, width=3)
    with pytest.raises(ModelFileError, match="ranks no texts: it gives 3 numbers"):
        OnnxEmbedding(path, **sizes(), pooling="rank")
