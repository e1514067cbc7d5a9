"""A model in another format is a model of its own that knows where it came from, or nothing."""

from __future__ import annotations

import shutil
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from edge_rt.core.errors import ModelFileError, ModelNotFound, RequestError, StoreError
from edge_rt.models.catalogue import Catalogue
from edge_rt.models.formats.gguf import FILE_TYPES
from edge_rt.models.quantize import FORMATS, faster_format, quantize
from edge_rt.models.store.disk import locked
from edge_rt.models.store.store import Store

Write = Callable[..., Path]
Program = Callable[[str], list[str]]

COPY = """
source, target, number, threads = sys.argv[1:]
for tensor in range(3):
    print("done", tensor + 1, 3, flush=True)
Path(target).write_bytes(Path(source).read_bytes() + b"!" * int(number))
"""


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """Return what is run in place of the real program."""

    def program(code: str) -> list[str]:
        path = tmp_path / "program.py"
        path.write_text("import os, sys\nfrom pathlib import Path\n" + code)
        return [sys.executable, str(path)]

    return program


@pytest.fixture
def store(tmp_path: Path, gguf: Any, write: Write) -> Store:
    store = Store(tmp_path / "store", Catalogue())
    store.add(write(gguf), "tiny")
    return store


def only(store: Store, *ids: str) -> bool:
    return sorted(path.name for path in store.root.iterdir() if path.is_dir()) == sorted(ids)


def test_the_result_is_a_model_that_knows_its_source(store: Store, program: Program) -> None:
    seen: list[tuple[int, int]] = []
    entry = quantize(
        "tiny",
        "q4_0",
        store,
        program=program(COPY),
        progress=lambda done, total: seen.append((done, total)),
    )
    source = store.get("tiny")
    assert (entry.id, entry.source_sha256) == ("tiny-q4_0", source.sha256)
    assert entry.path.read_bytes() == source.path.read_bytes() + b"!!"  # the number of Q4_0
    assert seen == [(source.size * n // 3, source.size) for n in (1, 2, 3)]
    assert store.verify("tiny-q4_0") == entry
    assert only(store, "tiny", "tiny-q4_0")


def test_the_fastest_format_is_told_of_models_in_slower_ones(
    gguf: Any, write: Write, store: Store
) -> None:
    for number, told in ((15, "7% less"), (3, "26% less"), (2, None), (14, None)):
        model = gguf.changed(general__file_type=struct.pack("<II", 4, number))
        entry = store.add(write(model, f"{number}.gguf"), f"model-{number}")
        assert (told is None) == (faster_format(entry) is None)
        assert told is None or told in (faster_format(entry) or "")
        assert told is None or f"quantize model-{number} Q4_0" in (faster_format(entry) or "")


def test_what_was_made_twice_comes_from_the_first(store: Store, program: Program) -> None:
    quantize("tiny", "Q8_0", store, new_id="middle", program=program(COPY))
    entry = quantize("middle", "Q4_0", store, new_id="last", program=program(COPY))
    assert entry.source_sha256 == store.get("tiny").sha256 != store.get("middle").sha256


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("sys.exit('the tensor is odd')", "cannot be quantized: the tensor is odd"),
        (COPY + "sys.exit(3)", "it ended with 3"),
        (COPY + "os.truncate(target, 100)", "truncated"),
    ],
)
def test_a_failure_leaves_nothing(code: str, words: str, store: Store, program: Program) -> None:
    with pytest.raises(ModelFileError, match=words):
        quantize("tiny", "Q4_0", store, program=program(code))
    assert [entry.id for entry in store.entries()] == ["tiny"]
    assert only(store, "tiny")


def test_it_does_not_begin_without_room(
    store: Store, program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = f"Path({str(tmp_path / 'begun')!r}).touch()"
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=5))
    with pytest.raises(StoreError, match="bytes are needed, 5 are free"):
        quantize("tiny", "Q4_0", store, program=program(code))
    assert not (tmp_path / "begun").exists()
    assert only(store, "tiny")


def test_what_a_killed_command_left_goes(store: Store, program: Program) -> None:
    (store.root / ".quantize").mkdir()
    (store.root / ".quantize" / "old.gguf").write_bytes(b"half")
    quantize("tiny", "Q4_0", store, program=program(COPY))
    assert only(store, "tiny", "tiny-q4_0")


def test_one_at_a_time(store: Store, program: Program) -> None:
    (store.root / ".quantize").mkdir()
    held = store.root / ".quantize" / "lock"
    with locked(held), pytest.raises(StoreError, match="another edge-rt command"):
        quantize("tiny", "Q4_0", store, program=program(COPY))
    assert held.exists()


def test_what_cannot_be_is_told_before_anything_is_done(
    store: Store, folder: Callable[..., Path]
) -> None:
    nothing = ["/does/not/exist"]
    with pytest.raises(RequestError, match=r"no format 'Q4'; there are Q8_0, .*Q2_K"):
        quantize("tiny", "Q4", store, program=nothing)
    with pytest.raises(ModelNotFound):
        quantize("other", "Q4_0", store, program=nothing)
    with pytest.raises(StoreError, match="already has a model tiny;"):
        quantize("tiny", "Q4_0", store, new_id="tiny", program=nothing)
    with pytest.raises(RequestError, match="cannot name a model"):
        quantize("tiny", "Q4_0", store, new_id="../up", program=nothing)
    store.add(folder())
    with pytest.raises(RequestError, match="is no GGUF model"):
        quantize("tiny-onnx", "Q4_0", store, program=nothing)
    with pytest.raises(StoreError, match="cannot quantize tiny"):
        quantize("tiny", "Q4_0", store, program=nothing)


def test_a_damaged_model_is_not_quantized(store: Store, program: Program) -> None:
    store.get("tiny").path.write_bytes(b"damaged")
    with pytest.raises(ModelFileError, match="damaged or changed"):
        quantize("tiny", "Q4_0", store, program=program(COPY))


def test_every_format_has_its_number() -> None:
    assert set(FORMATS) <= set(FILE_TYPES.values())
