"""What is llama.cpp's alone: files that it refuses, and silence; see test_conformance."""

from __future__ import annotations

import ctypes
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import llama_cpp.llama_cpp as lib
import numpy as np
import pytest
from conformance import feed

from edge_rt.backends.llama.backend import LlamaBackend
from edge_rt.backends.llama.devices import LIBRARIES
from edge_rt.core.errors import ModelFileError


@pytest.fixture(scope="module")
def llama(smollm2: Path) -> Generator[LlamaBackend]:
    """SmolLM2, loaded once for all tests."""
    llama = load(smollm2)
    yield llama
    llama.close()


def load(path: Path) -> LlamaBackend:
    return LlamaBackend(path, context=256, sequences=1, batch=32, threads=1)


def test_this_model_wants_no_beginning_of_sequence(llama: LlamaBackend) -> None:
    assert llama.tokenize("", special=True) == []
    (one,) = llama.tokenize("Hello", special=True)
    assert llama.piece(one) == b"Hello"


def test_a_truncated_file_is_refused_with_the_reason(smollm2: Path, tmp_path: Path) -> None:
    path = tmp_path / "short.gguf"
    with smollm2.open("rb") as whole:
        path.write_bytes(whole.read(20_000_000))
    with pytest.raises(ModelFileError, match=r"short\.gguf: .*(not within|bounds|read)"):
        load(path)


@pytest.mark.parametrize("content", [b"", b"GGUF", b"not a model at all" * 99, b"GGUF\3" * 99])
def test_garbage_is_refused_with_the_reason(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "garbage.gguf"
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match=r"garbage\.gguf: \w+"):
        load(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"none\.gguf"):
        load(tmp_path / "none.gguf")


def test_a_refused_file_leaves_loaded_models_alone(llama: LlamaBackend, tmp_path: Path) -> None:
    before = feed(llama, 0, 0, [5, 6, 7])
    test_garbage_is_refused_with_the_reason(tmp_path, b"GGUF")
    llama.rewind(0, 0)
    assert np.array_equal(feed(llama, 0, 0, [5, 6, 7]), before)


def test_a_pass_ends_when_a_gpu_is_done_with_it(
    llama: LlamaBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its seconds joules are shared and the GPU's draw is known; a prompt's has no logits."""
    called: list[str] = []

    def noting(name: str) -> Any:
        real = getattr(lib, name)
        return lambda *given: (called.append(name), real(*given))[1]

    llama.rewind(0, 0)
    for name in ("llama_decode", "llama_synchronize"):
        monkeypatch.setattr(lib, name, noting(name))
    feed(llama, 0, 0, [5, 6, 7])
    llama.rewind(0, 0)
    assert called == ["llama_decode", "llama_synchronize"]


def test_the_context_is_the_one_asked_for(smollm2: Path) -> None:
    model = LlamaBackend(smollm2, context=100, sequences=1, batch=32, threads=1)
    assert model.context == 100
    model.close()


@pytest.mark.parametrize(
    ("kv_type", "bytes_per_number"),
    [("q8_0/f16", 1.53125), ("f16", 2.0), ("q8_0", 1.0625), ("q4_0", 0.5625)],
)
def test_keys_and_values_are_kept_as_asked_for(
    smollm2: Path, kv_type: str, bytes_per_number: float
) -> None:
    model = LlamaBackend(smollm2, context=256, sequences=1, batch=64, threads=1, kv_type=kv_type)
    sizes: list[int] = []
    for anchor in (0, 32):
        feed(model, 0, anchor, list(range(5, 37)))
        sizes.append(len(model.save(0)))
    numbers = 32 * 30 * 2 * 3 * 64  # tokens, layers, keys and values, heads, their width
    assert sizes[1] - sizes[0] == pytest.approx(numbers * bytes_per_number, rel=0.01)
    model.close()


def test_loading_writes_nothing(smollm2: Path) -> None:
    program = (
        "import sys; from pathlib import Path;"
        "from edge_rt.backends.llama.backend import LlamaBackend;"
        "LlamaBackend(Path(sys.argv[1]), context=64, sequences=1, batch=16, threads=1).close()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(smollm2)], capture_output=True, check=True
    )
    assert (done.stdout, done.stderr) == (b"", b"")


def test_the_binding_has_what_models_that_see_and_layers_on_other_boards_need() -> None:
    """tools/bootstrap compiles it for later; engines that need none of it do not load mtmd."""
    mtmd, rpc = (ctypes.CDLL(str(LIBRARIES / f"lib{name}.so")) for name in ("mtmd", "ggml-rpc"))
    for name in ("init_from_file", "tokenize", "helper_eval_chunks"):
        assert hasattr(mtmd, f"mtmd_{name}")
    for name in ("add_server", "init", "start_server"):
        assert hasattr(rpc, f"ggml_backend_rpc_{name}")
    program = "import edge_rt.backends.llama.backend; print(open('/proc/self/maps').read())"
    words = [sys.executable, "-c", program]
    mapped = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    assert "libllama.so" in mapped
    assert "libmtmd.so" not in mapped
