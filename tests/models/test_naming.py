"""No name leads out of the store."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.core.errors import ModelFileError, RequestError
from edge_rt.models.naming import check_id, derive_id, stored_name


@pytest.mark.parametrize(
    ("file", "name", "id"),
    [
        ("SmolLM2-135M-Instruct.Q4_1.gguf", "x", "smollm2-135m-instruct.q4_1"),
        ("My Model (v2).GGUF", None, "my-model-v2"),
        ("model.gguf", "Tiny Test", "tiny-test"),
        ("ggml-model-q4_k.gguf", "Tiny Test", "tiny-test"),
        ("ab" * 32, "Tiny Test", "tiny-test"),
        ("model.gguf", None, "model"),
        ("default.gguf", "Tiny Test", "tiny-test"),
        ("modelling.gguf", "Tiny Test", "modelling"),
    ],
)
def test_ids_come_from_what_says_most(file: str, name: str | None, id: str) -> None:
    assert derive_id(Path(file), name) == id


def test_a_name_without_letters_needs_help() -> None:
    with pytest.raises(ModelFileError, match="--id"):
        derive_id(Path("§§.gguf"), "—")


@pytest.mark.parametrize("id", ["", "..", "../x", "a/b", "Default", "a b", "default", "a\n"])
def test_other_ids_are_refused(id: str) -> None:
    with pytest.raises(RequestError):
        check_id(id)


@given(st.text(), st.text())
def test_no_path_escapes(file: str, name: str) -> None:
    path = Path("/elsewhere") / (file.replace("\0", "") or "x")
    try:
        id = check_id(derive_id(path, name))
    except ModelFileError:
        return
    target = Path("/store") / id / stored_name(path, id)
    assert target.resolve().parent.parent == Path("/store")
