"""Both embedding backends, on the same weights: the same contract, and the same vectors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bert_gguf import write_bert
from embedding_texts import cosines, plain_vectors, texts
from numpy.typing import NDArray
from tokenizers import Tokenizer

from edge_rt.backends.llama.embedding import LlamaEmbedding
from edge_rt.backends.onnx.tasks import OnnxEmbedding
from edge_rt.core.errors import ModelFileError

pytestmark = pytest.mark.slow  # two real models

CONTEXT, BATCH = 256, 512
ALIKE = 0.999  # cosine of the same text twice; int8 rounds by what else is in a batch


@pytest.fixture(scope="module")
def open_backend(minilm: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Any]:
    gguf = write_bert(minilm, tmp_path_factory.mktemp("bert") / "bert.gguf")

    def make(kind: str, **changes: Any) -> Any:
        sizes = {"context": CONTEXT, "batch": BATCH, "threads": 1} | changes
        if kind == "onnx":
            return OnnxEmbedding(minilm / "model.onnx", **sizes)
        return LlamaEmbedding(gguf, **sizes)

    return make


@pytest.fixture(scope="module", params=["onnx", "llama.cpp"])
def backend(request: pytest.FixtureRequest, open_backend: Callable[..., Any]) -> Iterator[Any]:
    with closing(open_backend(request.param)) as backend:
        yield backend


def embedded(backend: Any, given: list[str]) -> NDArray[np.float32]:
    """In passes as large as the backend takes."""
    tokens = [backend.tokenize(text, special=False) for text in given]
    out: list[Any] = []
    at = 0
    while at < len(tokens):
        rows = 1
        while (
            at + rows < len(tokens)
            and rows < backend.rows
            and (rows + 1) * max(map(len, tokens[at : at + rows + 1])) <= backend.room
        ):
            rows += 1
        out.append(backend.embed(tokens[at : at + rows]))
        at += rows
    return np.concatenate(out)


def test_its_sizes_are_told(backend: Any) -> None:
    assert (backend.width, backend.context, backend.vocab) == (384, CONTEXT, 30522)
    assert backend.room >= backend.context
    assert backend.rows > 1
    assert backend.marks == (1, 1)


def test_tokens_are_those_of_the_models_own_tokenizer(backend: Any, minilm: Path) -> None:
    tokenizer = Tokenizer.from_file(str(minilm / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    for text in texts():
        assert backend.tokenize(text, special=False) == tokenizer.encode(text).ids


def test_control_tokens_in_a_text_are_letters_like_others(backend: Any) -> None:
    assert 102 not in backend.tokenize("a [SEP] b", special=False)[1:-1]
    assert 102 in backend.tokenize("a [SEP] b", special=True)[1:-1]


def test_vectors_are_those_of_an_independent_implementation(backend: Any, minilm: Path) -> None:
    given = texts()
    assert cosines(embedded(backend, given), plain_vectors(minilm, given)).min() >= 0.99


def test_a_batch_of_unequal_lengths_gives_what_each_gives_alone(backend: Any) -> None:
    tokens = [backend.tokenize(text, special=False) for text in texts(8)]
    alone = np.concatenate([backend.embed([one]) for one in tokens])
    assert cosines(backend.embed(tokens), alone).min() >= ALIKE


def test_the_longest_input_fits(backend: Any) -> None:
    vectors = backend.embed([[101, *[2000] * (CONTEXT - 2), 102]])
    assert vectors.shape == (1, 384)
    assert np.isfinite(vectors).all()


def test_as_many_inputs_as_it_says_fit(backend: Any) -> None:
    vectors = backend.embed([[101, 2000 + row, 102] for row in range(backend.rows)])
    assert vectors.shape == (backend.rows, 384)
    assert len(np.unique(vectors.round(3), axis=0)) == backend.rows


@pytest.mark.parametrize("kind", ["onnx", "llama.cpp"])
def test_threads_change_between_passes_and_nothing_else_does(
    kind: str, open_backend: Callable[..., Any]
) -> None:
    with closing(open_backend(kind)) as backend:
        tokens = [backend.tokenize("a text", special=False)]
        before = backend.embed(tokens)
        backend.set_threads(2)
        assert cosines(backend.embed(tokens), before).min() >= ALIKE


@pytest.mark.parametrize("kind", ["onnx", "llama.cpp"])
def test_closing_twice_does_no_harm(kind: str, open_backend: Callable[..., Any]) -> None:
    backend = open_backend(kind)
    backend.close()
    backend.close()


def test_a_file_that_llama_cpp_cannot_load_is_named(tmp_path: Path) -> None:
    path = tmp_path / "broken.gguf"
    path.write_bytes(b"GGUF and then nothing")
    with pytest.raises(ModelFileError, match=r"broken\.gguf"):
        LlamaEmbedding(path, context=64, batch=64, threads=1)
