"""A card says everything or is told which field is wrong in which file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edge_rt.core.errors import ModelFileError
from edge_rt.models.formats.card import (
    EmbeddingCard,
    LanguageModelCard,
    read_card,
    summarise_card,
    write_card,
)

Card = dict[str, Any]
EMBEDDING: Card = {
    "kind": "embedding",
    "architecture": "bert",
    "quantisation": "int8",
    "parameters": 10,
    "context": 256,
    "embedding": 384,
    "pooling": "mean",
    "normalise": True,
}


def written(tmp_path: Path, card: object) -> Path:
    path = tmp_path / "model.json"
    path.write_text(json.dumps(card))
    return path


def test_each_kind_is_read_and_written_back(tmp_path: Path, language_card: Card) -> None:
    for content, kind in (
        (language_card, LanguageModelCard),
        (EMBEDDING, EmbeddingCard),
    ):
        card = read_card(written(tmp_path, content))
        assert type(card) is kind
        (tmp_path / "again.json").write_bytes(write_card(card))
        assert read_card(tmp_path / "again.json") == card


def test_null_is_as_good_as_nothing_said(tmp_path: Path) -> None:
    empty = EMBEDDING | dict.fromkeys(("name", "publisher", "licence", "source_sha256"))
    assert read_card(written(tmp_path, empty)) == read_card(written(tmp_path, EMBEDDING))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"colour": "red"}, "colour"),
        ({"kind": "picture"}, r"model\.json: kind: .*picture"),
        ({"kind": "tensors"}, r"model\.json: kind: .*tensors"),
        ({"context": 0}, r"model\.json: context: .*>= 1"),
        ({"layers": "two"}, r"model\.json: layers"),
        ({"end_ids": []}, "end_ids"),
        ({"end_ids": [3, -1]}, r"end_ids\[1\]|end_ids"),
        ({"end_ids": [600]}, "`end_ids` has 600, but the vocabulary only 600 tokens"),
        ({"bos_id": 601}, "`bos_id` has 601"),
        ({"bos_id": None}, "`add_bos` is true, but `bos_id`"),
        ({"source_sha256": "xyz"}, r"model\.json: source_sha256"),
        ({"parameters": 1 << 60}, "parameters"),
    ],
)
def test_what_is_wrong_is_named(
    change: Card, words: str, tmp_path: Path, language_card: Card
) -> None:
    path = written(tmp_path, language_card | change)
    with pytest.raises(ModelFileError, match=words) as caught:
        read_card(path)
    assert str(caught.value).startswith(str(path))


@pytest.mark.parametrize("name", ["vocab", "end_ids", "head_dim", "architecture", "kind"])
def test_what_is_missing_is_named(name: str, tmp_path: Path, language_card: Card) -> None:
    del language_card[name]
    with pytest.raises(ModelFileError, match=name):
        read_card(written(tmp_path, language_card))


def test_what_is_no_card_is_told(tmp_path: Path) -> None:
    path = tmp_path / "model.json"
    for content in (b"{", b"[]", b'"\xff"', b"[" * 100_000, b" " * (5 << 20)):
        path.write_bytes(content)
        with pytest.raises(ModelFileError, match=r"model\.json"):
            read_card(path)
    with pytest.raises(ModelFileError, match="cannot be read"):
        read_card(tmp_path / "none.json")


def test_a_language_model_is_summarised(tmp_path: Path, language_card: Card) -> None:
    summary = summarise_card(read_card(written(tmp_path, language_card)), 1000)
    assert (summary.kind, summary.file_bytes, summary.organisation) == ("language", 1000, "Nobody")
    assert summary.kv_bytes(10) == 10 * 2 * 2 * (16 + 16) * 4  # float32 keys and values
    assert summary.source_sha256 == "ab" * 32


def test_an_embedding_model_has_no_kv(tmp_path: Path) -> None:
    summary = summarise_card(read_card(written(tmp_path, EMBEDDING)), 1000)
    found = summary.kind, summary.context_train, summary.pooling, summary.kv_bytes(10)
    assert found == ("embedding", 256, "mean", 0)
    assert summary.chat_template is None


def test_a_cross_encoder_is_an_embedding_model_that_ranks(tmp_path: Path) -> None:
    card = EMBEDDING | {"pooling": "rank", "embedding": 1, "normalise": False}
    summary = summarise_card(read_card(written(tmp_path, card)), 1)
    assert (summary.kind, summary.ranks, summary.pooling) == ("embedding", True, None)
