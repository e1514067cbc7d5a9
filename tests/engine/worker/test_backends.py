"""A spec's backend is made, or it is said why not; nothing is loaded that is not asked for."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import PackageNotFoundError
from typing import Any

import pytest

from edge_rt.core.errors import ModelFileError
from edge_rt.engine.protocol import ModelSpec
from edge_rt.engine.worker import loading as backends
from edge_rt.engine.worker.loading import make_backend, make_without_gpu, open_vocabulary, versions

CASES = [("onnx", "language"), ("onnx", "embedding")]


def spec(backend: str, kind: str, **more: Any) -> ModelSpec:
    return ModelSpec(backend, "/none/model.onnx", 96, 3, 64, 16, kind=kind, **more)


@pytest.mark.parametrize(("backend", "kind"), [*CASES, ("llama.cpp", "language")])
def test_a_file_that_is_not_there_is_no_model(backend: str, kind: str) -> None:
    with pytest.raises(ModelFileError, match=r"none|model\.onnx|model\.json|tokenizer\.json"):
        make_backend(spec(backend, kind), 1)


def test_layers_of_a_simulated_gpu_are_left_on_the_cpu() -> None:
    offloaded = spec("llama.cpp", "language", gpu_layers=7)
    with pytest.raises(ModelFileError, match=r"`engine.gpu_layers` is 7.*finds no GPU"):
        make_backend(offloaded, 1)
    with pytest.raises(ModelFileError, match=r"cannot load model\.onnx"):
        make_without_gpu(offloaded, 1)


@pytest.mark.parametrize(("backend", "kind"), [("llama.cpp", "tensors"), ("torch", "language")])
def test_what_there_is_not_is_named(backend: str, kind: str) -> None:
    with pytest.raises(ModelFileError, match=rf"'{backend}' for {kind} models"):
        make_backend(spec(backend, kind), 1)
    with pytest.raises(ModelFileError, match="'torch'"):
        open_vocabulary("torch", "x")


@pytest.mark.parametrize(("backend", "kind"), CASES)
def test_a_library_that_is_missing_is_named(
    monkeypatch: pytest.MonkeyPatch, backend: str, kind: str
) -> None:
    for name in [name for name in sys.modules if name.startswith("edge_rt.backends.onnx")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ModelFileError, match=r"need onnxruntime, .*pip install onnxruntime"):
        make_backend(spec(backend, kind), 1)


def test_versions_are_those_of_what_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(versions()) == {"llama.cpp", "onnx"}

    def none(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(backends, "version", none)
    assert set(versions()) == {"llama.cpp"}


def test_a_board_may_have_a_build_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    def gpu_only(name: str) -> str:
        if name != "onnxruntime-gpu":
            raise PackageNotFoundError(name)
        return "9.8"

    monkeypatch.setattr(backends, "version", gpu_only)
    assert versions()["onnx"] == "9.8"


def test_an_engine_loads_no_onnxruntime_before_it_needs_it() -> None:
    program = (
        "import sys, edge_rt.engine.worker; from edge_rt.engine.worker.loading import versions;"
        "versions(); print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, check=True
    )
    assert not {"onnxruntime", "tokenizers"} & set(done.stdout.split())
