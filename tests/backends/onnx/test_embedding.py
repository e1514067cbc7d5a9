"""What onnxruntime's embedding models are taken for: their inputs, outputs and pooling."""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from graphs import write_lookup, write_sum

from edge_rt.backends.onnx.tasks import OnnxEmbedding
from edge_rt.core.errors import ModelFileError

SIZES = {"context": 16, "batch": 32, "threads": 1}


@pytest.mark.parametrize(
    ("pooling", "wanted"),
    [
        ("mean", [[3.0, 29 / 3], [2.0, 4.0]]),  # of [2, 3, 4] and of [2]
        ("cls", [[2.0, 4.0], [2.0, 4.0]]),
        ("last", [[4.0, 16.0], [2.0, 4.0]]),
    ],
)
def test_padding_has_no_part_in_any_pooling(
    pooling: str, wanted: list[list[float]], tmp_path: Path
) -> None:
    path = write_lookup(tmp_path)
    with closing(OnnxEmbedding(path, pooling=pooling, **SIZES)) as model:
        assert model.width == 2
        np.testing.assert_allclose(model.embed([[2, 3, 4], [2]]), wanted, rtol=1e-6)


def test_texts_are_neither_padded_nor_cut_as_the_file_would_have_it(tmp_path: Path) -> None:
    with closing(OnnxEmbedding(write_lookup(tmp_path), **SIZES)) as model:
        assert model.tokenize("a b c a b", special=False) == [0, 2, 3, 4, 2, 3, 1]
        assert model.marks == (1, 1)


def test_a_pooling_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="'max': use mean, cls, last"):
        OnnxEmbedding(write_lookup(tmp_path), pooling="max", **SIZES)


def test_a_model_of_other_inputs_is_no_embedding_model(tmp_path: Path) -> None:
    path = write_lookup(tmp_path)
    write_sum(path)
    with pytest.raises(ModelFileError, match="no embedding model: its inputs are left, right"):
        OnnxEmbedding(path, **SIZES)


@pytest.mark.parametrize("content", [None, "{}"])
def test_a_tokenizer_that_cannot_be_read_is_named(content: str | None, tmp_path: Path) -> None:
    path = write_lookup(tmp_path)
    (tmp_path / "tokenizer.json").unlink()
    if content is not None:
        (tmp_path / "tokenizer.json").write_text(content)
    with pytest.raises(ModelFileError, match=r"cannot load .*tokenizer\.json"):
        OnnxEmbedding(path, **SIZES)


def test_threads_can_change_only_as_long_as_the_file_is_there(tmp_path: Path) -> None:
    path = write_lookup(tmp_path)
    with closing(OnnxEmbedding(path, **SIZES)) as model:
        model.set_threads(2)
        assert model.embed([[2]]).tolist() == [[2.0, 4.0]]
        shutil.move(path, tmp_path / "elsewhere")
        model.set_threads(1)  # which the next pass finds out, and not the decode loop
