"""Models go out whole, with checksums that sha256sum agrees with."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edge_rt.core.errors import DamagedFile, StoreError
from edge_rt.models.catalogue import Catalogue
from edge_rt.models.store import offline_bundle as packing
from edge_rt.models.store.digest import SUMS, read_sums
from edge_rt.models.store.offline_bundle import missing, pack
from edge_rt.models.store.store import Store

Write = Callable[..., Path]
Gguf = Any


@pytest.fixture
def store(tmp_path: Path, gguf: Gguf, write: Write, folder: Callable[..., Path]) -> Store:
    """With a model of one file and one of several."""
    store = Store(tmp_path / "store", Catalogue())
    store.add(write(gguf), "one")
    store.add(folder(), "two")
    return store


def export(store: Store, out: Path) -> list[str]:
    """Export what is missing; returns its ids."""
    lacking = missing(store.entries(), out)
    for entry in lacking:
        pack(entry, out)
    return [entry.id for entry in lacking]


def agreed(out: Path) -> int:
    """How many files sha256sum finds to be as they should."""
    done = subprocess.run(
        ["sha256sum", "--check", SUMS], cwd=out, capture_output=True, text=True, check=True
    )
    return len(done.stdout.splitlines())


def test_every_file_is_listed_and_right(store: Store, tmp_path: Path) -> None:
    out = tmp_path / "new" / "out"
    assert export(store, out) == ["one", "two"]
    assert agreed(out) == 5
    assert sorted(path.name for path in out.iterdir()) == [SUMS, "one", "two"]


def test_what_is_there_is_left_and_what_lacks_is_added(
    store: Store, tmp_path: Path, gguf: Gguf, write: Write
) -> None:
    out = tmp_path / "out"
    export(store, out)
    store.add(write(replace(gguf, fill=b"\x07"), "other.gguf"), "three")
    (out / "two" / "model.onnx").write_bytes(b"short")
    assert export(store, out) == ["three", "two"]
    assert agreed(out) == 6
    assert export(store, out) == []


def test_an_id_with_another_content_is_replaced(
    store: Store, tmp_path: Path, gguf: Gguf, write: Write
) -> None:
    out = tmp_path / "out"
    export(store, out)
    store.remove("one")
    store.add(write(replace(gguf, fill=b"\x08"), "renamed.gguf"), "one")
    assert export(store, out) == ["one"]
    assert [path.name for path in (out / "one").iterdir()] == ["renamed.gguf"]
    assert agreed(out) == 5


def test_a_damaged_model_does_not_go_out(store: Store, tmp_path: Path) -> None:
    out, path = tmp_path / "out", store.get("one").path
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    with pytest.raises(DamagedFile, match=r"was not copied.*edge-rt models verify one"):
        export(store, out)
    assert list(out.iterdir()) == []


def test_what_breaks_off_is_not_listed_as_there(store: Store, tmp_path: Path) -> None:
    out = tmp_path / "out"
    export(store, out)
    (out / "one" / "model.gguf").write_bytes(b"")

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    (entry,) = missing(store.entries(), out)
    with pytest.raises(KeyboardInterrupt):
        pack(entry, out, stop)
    assert [path.name for path in out.iterdir() if path.name.startswith(".")] == []
    assert missing(store.entries(), out) == [entry]


def test_room_is_looked_for_first(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lacking(directory: Path, size: int) -> None:
        raise StoreError(f"{size} bytes are needed")

    monkeypatch.setattr(packing, "require_space", lacking)
    need = sum(entry.size for entry in store.entries())
    with pytest.raises(StoreError, match=f"{need} bytes"):
        missing(store.entries(), tmp_path / "out")


def test_checksums_of_others_stay(store: Store, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.gguf").write_text("x")
    subprocess.run(["sh", "-c", f"sha256sum mine.gguf > {SUMS}"], cwd=out, check=True)
    export(store, out)
    assert "mine.gguf" in read_sums(out)
    assert agreed(out) == 6


def test_a_folder_with_files_of_others_is_left_alone(store: Store, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / "one").mkdir(parents=True)
    (out / "one" / "thesis.tex").write_text("x")
    with pytest.raises(StoreError, match=r"other files, such as 'thesis.tex': export elsewhere"):
        export(store, out)
    assert [path.name for path in out.rglob("*")] == ["one", "thesis.tex"]
