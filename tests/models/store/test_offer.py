"""What is brought is looked at first, and what is not known of it is asked for."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest

from edge_rt.core.errors import ModelFileError, RequestError
from edge_rt.models.formats.card import Description
from edge_rt.models.formats.summary import Summary
from edge_rt.models.store.incoming import describe, look

Write = Callable[..., Path]
Build = Callable[..., Any]
Folder = Callable[..., Path]
NAMES = ["model.onnx", "model.onnx.data", "tokenizer.json", "model.json"]


def made(offer: Any) -> dict[str, Any]:
    return json.loads(offer.made)


def test_of_a_folder_the_models_files_are_taken(folder: Folder) -> None:
    offer = look(folder())
    assert list(offer.files) == NAMES
    assert offer.made is None


def test_a_gguf_file_is_one_file(gguf: Any, write: Write) -> None:
    path = write(gguf, "mine.gguf")
    assert look(path).files == {"mine.gguf": path}
    with pytest.raises(RequestError, match="no ONNX model"):
        look(path, Description("mean"))


def test_a_bare_onnx_file_is_no_model(onnx_model: Build, write: Write) -> None:
    path = write(onnx_model().SerializeToString(), "classes.onnx")
    for said in (None, Description("mean")):
        with pytest.raises(RequestError, match=r"a folder with model\.onnx and tokenizer\.json"):
            look(path, said)


def test_of_an_embedding_model_what_is_not_known_is_asked_for(folder: Folder) -> None:
    path = folder(card=None)
    with pytest.raises(RequestError, match="--pooling mean, cls or last"):
        look(path)
    card = made(look(path, Description("mean")))
    assert (card["context"], card["embedding"], card["normalise"]) == (128, 4, True)
    for tokenizer in ({}, {"truncation": {"max_length": -5}}):
        (path / "tokenizer.json").write_text(json.dumps(tokenizer))
        with pytest.raises(RequestError, match=r"how long texts may be: write its model\.json"):
            look(path, Description("mean"))
    (path / "tokenizer.json").write_text("[]")
    with pytest.raises(ModelFileError, match=r"tokenizer\.json: not a tokenizer"):
        look(path, Description("mean"))


@pytest.mark.parametrize("name", ["tokenizer.json", "model.json"])
def test_what_nobody_writes_to_is_not_waited_for(
    name: str, folder: Folder, language_card: dict[str, Any]
) -> None:
    path = folder(card=language_card)
    (path / name).unlink()
    os.mkfifo(path / name)
    with pytest.raises(ModelFileError, match=f"^{path}/{name}: not a regular file"):
        look(path)


def test_what_is_wrong_with_a_folder_is_told_of_that_folder(
    folder: Folder, language_card: dict[str, Any]
) -> None:
    path = folder(card=language_card | {"foo": 1})
    with pytest.raises(ModelFileError, match=f"^{path}/model.json: .* unknown field `foo`"):
        look(path)
    (path / "model.json").write_text(json.dumps(language_card))
    (path / "tokenizer.json").write_bytes(b'{"added_tokens": [{"content": "\xe1"}]}')
    with pytest.raises(ModelFileError, match=f"^{path}/tokenizer.json: not a tokenizer"):
        look(path)
    (path / "tokenizer.json").write_text("")
    with pytest.raises(ModelFileError, match=f"^{path}/tokenizer.json: not a tokenizer"):
        look(path)
    (path / "tokenizer.json").unlink()
    with pytest.raises(ModelFileError, match=f"^{path}: tokenizer.json is missing"):
        look(path)


def test_a_width_that_the_graph_leaves_open_is_asked_for(folder: Folder, onnx_model: Build) -> None:
    path, model = folder(card=None), onnx_model()
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_param = "width"
    (path / "model.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(RequestError, match=r"how long its vectors are: write its model\.json"):
        look(path, Description("mean"))


def with_positions(path: Path, count: int) -> None:
    """Give the graph in a folder a table with a row for each of `count` positions."""
    model = onnx.load(str(path / "model.onnx"), load_external_data=False)
    table = onnx.helper.make_tensor("cos_cache", 1, [count, 2], [0.0] * 2 * count)
    model.graph.initializer.append(table)
    (path / "model.onnx").write_bytes(model.SerializeToString())


def test_no_text_is_longer_than_the_graph_has_places_for(folder: Folder) -> None:
    path = folder(card=None)
    with_positions(path, 100)
    card = made(look(path, Description("mean")))  # tokenizer.json says 128
    assert card["context"] == 100


def test_a_card_gives_no_more_places_than_the_graph_has(folder: Folder) -> None:
    path = folder()
    assert described(path).context_train == 2048
    with_positions(path, 100)
    assert described(path).context_train == 100


def described(path: Path) -> Summary:
    return describe(look(path).files)[1]


def test_a_card_has_the_last_word(folder: Folder) -> None:
    with pytest.raises(RequestError, match=r"has a model\.json"):
        look(folder(), Description("mean"))


def test_a_folder_without_a_model_is_told(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"a folder without model\.onnx"):
        look(tmp_path)


@pytest.mark.parametrize("name", ["model.onnx", "model.json", "tokenizer.json", ".hidden", "a b"])
def test_weights_may_not_stand_in_for_another_file(
    name: str, folder: Folder, onnx_model: Build
) -> None:
    path = folder()
    (path / name).write_bytes(bytes(1000))
    (path / "model.onnx").write_bytes(onnx_model(external=name).SerializeToString())
    with pytest.raises(ModelFileError, match="no model has its weights in"):
        look(path)


def test_a_card_names_no_other_backend(folder: Folder) -> None:
    place = folder()
    card = {"kind": "embedding", "backend": "toy", "architecture": "toy", "quantisation": "fp8"}
    (place / "model.json").write_text(json.dumps(card | {"parameters": 9}))
    with pytest.raises(ModelFileError, match=r"backend"):
        look(place)
