from __future__ import annotations

from pathlib import Path

import pytest

from edge_rt.backends.onnx_session import PROVIDERS, open_session, version
from edge_rt.errors import ModelFileError


def test_the_version_is_told() -> None:
    assert version().split(".")[0].isdigit()


def test_a_file_that_is_no_model_is_named(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_text("no model at all")
    with pytest.raises(ModelFileError, match=r"cannot load model\.onnx: "):
        open_session(path, 1)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"cannot load absent\.onnx: "):
        open_session(tmp_path / "absent.onnx", 1)


def test_a_provider_that_was_not_built_in_is_named_with_those_that_were(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"without the execution provider 'qnn'.*has .*cpu"):
        open_session(tmp_path / "model.onnx", 1, ["qnn"])


def test_an_unknown_provider_is_told_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError) as caught:
        open_session(tmp_path / "model.onnx", 1, ["gpu"])
    assert all(name in str(caught.value) for name in ("gpu", *PROVIDERS))
