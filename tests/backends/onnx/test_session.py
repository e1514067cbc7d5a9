"""Sessions come up with what was asked for, or say why not, and can be made anew."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from tiny_onnx import write_model

from edge_rt.backends.onnx.session import VERSION, OnnxSession, provider_names, runtime
from edge_rt.core.errors import EngineError, ModelFileError


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("tiny")) / "model.onnx"


def test_the_version_is_told() -> None:
    assert VERSION.split(".")[0].isdigit()


@pytest.mark.parametrize("content", [b"", b"no model at all", b"\x08\x0a" * 99])
def test_a_file_that_is_no_model_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match=r"cannot load model\.onnx: \w+"):
        OnnxSession(path, threads=1)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"cannot load absent\.onnx: "):
        OnnxSession(tmp_path / "absent.onnx", threads=1)


@pytest.mark.parametrize("absent", ["QNN", "no-such"])
def test_a_provider_that_is_not_there_is_named_with_those_that_are(
    graph: Path, absent: str
) -> None:
    with pytest.raises(ModelFileError, match=rf"without .*{absent}: it has .*cpu"):
        OnnxSession(graph, threads=1, providers=["cpu", absent])


def test_providers_are_known_by_short_names_and_long() -> None:
    assert provider_names([]) == provider_names(["cpu"]) == ["CPUExecutionProvider"]
    assert provider_names(["CPUExecutionProvider", "CPU"]) == ["CPUExecutionProvider"]


def test_the_cpu_comes_last(monkeypatch: pytest.MonkeyPatch) -> None:
    there = ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(runtime, "get_available_providers", lambda: there)
    assert provider_names(["cuda", "tensorrt"]) == [there[1], there[0], there[2]]


@pytest.mark.filterwarnings("ignore:Specified provider")
def test_a_provider_that_does_not_start_is_not_replaced_in_silence(
    graph: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = ["XnnpackExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(runtime, "get_available_providers", lambda: there)
    with pytest.raises(ModelFileError, match=r"(?i)xnnpack"):
        OnnxSession(graph, threads=1, providers=["xnnpack"])


def test_threads_are_as_many_as_asked_for(graph: Path) -> None:
    def threads() -> int:
        return psutil.Process().num_threads()

    session = OnnxSession(graph, threads=1)
    alone = threads()
    session.renew(3)  # the caller's is one of them
    assert threads() == alone + 2
    session.renew(1)
    assert threads() == alone
    session.close()


def test_what_cannot_be_made_again_can_be_once_its_file_is_back(tmp_path: Path) -> None:
    path = write_model(tmp_path) / "model.onnx"
    session = OnnxSession(path, threads=1)
    path.rename(tmp_path / "away.onnx")
    with pytest.raises(EngineError, match=r"model\.onnx"):
        session.renew(2)
    assert session.stale(2)
    (tmp_path / "away.onnx").rename(path)
    session.renew(2)
    assert not session.stale(2)
    session.close()
    session.close()


def test_making_one_writes_nothing(graph: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from edge_rt.backends.onnx.session import *;"
        "OnnxSession(Path(sys.argv[1]), threads=1).close()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(graph)], capture_output=True, check=True
    )
    assert (done.stdout, done.stderr) == (b"", b"")
