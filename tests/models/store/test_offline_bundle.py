"""Models that came in a folder get in as their checksums say, each for itself, whole or not."""

from __future__ import annotations

import hashlib
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edge_rt.core.errors import EdgeError, ModelFileError, ModelNotFound
from edge_rt.models.catalogue import Catalogue
from edge_rt.models.store.digest import SUMS
from edge_rt.models.store.offline_bundle import take_in, unpack
from edge_rt.models.store.store import Store

Write = Callable[..., Path]
Folder = Callable[..., Path]
Gguf = Any
KILLED = """
import os, signal, sys
from pathlib import Path
from edge_rt.models.catalogue import Catalogue
from edge_rt.models.store.offline_bundle import take_in, unpack
from edge_rt.models.store.store import Store

store = Store(Path(sys.argv[1]), Catalogue())
for piece in unpack(Path(sys.argv[2])):
    if piece.name == "three":
        take_in(piece, store, lambda done, total: os.kill(os.getpid(), signal.SIGKILL))
    take_in(piece, store)
"""


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store", Catalogue(), clock=lambda: 1234.5)


@pytest.fixture
def stick(tmp_path: Path, gguf: Gguf, write: Write, folder: Folder) -> Path:
    """Two GGUF models, one of them in a folder, and an ONNX model; with checksums."""
    write(replace(gguf, fill=b"\x01"), "stick/One-Model.gguf")
    write(replace(gguf, fill=b"\x02"), "stick/two/weights.gguf")
    shutil.move(folder("three"), tmp_path / "stick" / "three")
    return list_files(tmp_path / "stick")


def list_files(stick: Path) -> Path:
    """Write the checksums of all files."""
    files = [path for path in stick.rglob("*") if path.is_file() and path.name != SUMS]
    sums = {
        str(path.relative_to(stick)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }
    write_sums(stick, sums)
    return stick


def write_sums(stick: Path, sums: dict[str, str]) -> None:
    (stick / SUMS).write_text("".join(f"{sums[name]}  {name}\n" for name in sorted(sums)))


def taken(stick: Path, store: Store, *wanted: str) -> dict[str, str]:
    """Return what became of each piece of the folder, by its name."""
    became: dict[str, str] = {}
    for piece in unpack(stick, wanted):
        try:
            entry, how = take_in(piece, store)
            became[piece.name] = "there" if how == "is in the store already" else entry.id
        except EdgeError as error:
            became[piece.name] = str(error)
    return became


def ids(store: Store) -> list[str]:
    return [entry.id for entry in store.entries()]


def left(store: Store) -> set[str]:
    """The names of all folders in the store."""
    return {path.name for path in store.root.iterdir() if path.is_dir()}


def test_all_models_come_in_and_once_only(stick: Path, store: Store) -> None:
    expected = {"One-Model.gguf": "one-model", "three": "three", "two": "two"}
    assert taken(stick, store) == expected
    assert ids(store) == ["one-model", "three", "two"]
    for entry in store.entries():
        store.verify(entry.id)
    assert taken(stick, store) == dict.fromkeys(expected, "there")


def test_only_those_that_are_named(stick: Path, store: Store) -> None:
    assert taken(stick, store, "two") == {"two": "two"}
    with pytest.raises(ModelNotFound, match=r"'four' in .*One-Model\.gguf, three, two"):
        unpack(stick, ["two", "four"])
    assert ids(store) == ["two"]


@pytest.mark.parametrize(
    ("name", "piece"),
    [
        ("One-Model.gguf", "One-Model.gguf"),
        ("two/weights.gguf", "two"),
        ("three/model.onnx.data", "three"),
        ("three/tokenizer.json", "three"),
    ],
)
def test_a_file_that_changed_has_its_model_refused_alone(
    name: str, piece: str, stick: Path, store: Store
) -> None:
    with (stick / name).open("r+b") as file:
        file.seek(-4, 2)
        file.write(b"}\n}\n" if name.endswith("json") else b"\x77" * 4)
    became = taken(stick, store)
    assert str(stick / name) in became[piece]
    if not name.endswith("json"):  # which is none, so nobody asks for its checksum
        assert "damaged or changed: its sha256 is" in became[piece]
        assert "copy it anew" in became[piece]
    assert len(ids(store)) == 2
    assert left(store) == set(ids(store))


def test_a_file_without_a_checksum_is_refused(stick: Path, store: Store) -> None:
    lines = (stick / SUMS).read_text().splitlines(keepends=True)
    (stick / SUMS).write_text("".join(line for line in lines if "model.json" not in line))
    became = taken(stick, store)
    assert became["three"] == f"{stick}/three/model.json: SHA256SUMS has no checksum for it"
    assert ids(store) == ["one-model", "two"]


def test_what_is_listed_and_missing_or_no_model_is_refused(stick: Path, store: Store) -> None:
    (stick / "One-Model.gguf").unlink()
    (stick / "two" / "weights.gguf").write_bytes(b"GGUF" + bytes(100))
    list_files(stick)
    write_sums(stick, {"gone.gguf": "0" * 64, "two/weights.gguf": "0" * 64})
    became = taken(stick, store)
    assert "gone.gguf: cannot be read" in became["gone.gguf"]
    assert "GGUF version 0" in became["two"]
    assert ids(store) == []


def test_a_secret_of_this_machine_does_not_come_in_as_a_model(
    stick: Path, store: Store, tmp_path: Path
) -> None:
    secret = tmp_path / "secret.json"
    secret.write_text('{"password": "hunter2"}')
    (stick / "three" / "tokenizer.json").unlink()
    (stick / "three" / "tokenizer.json").symlink_to(secret)
    assert "a link to a file elsewhere" in taken(list_files(stick), store)["three"]


def test_a_folder_without_models_says_so(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(ModelFileError, match="names no GGUF file"):
        unpack(list_files(tmp_path))


def test_an_id_that_another_model_has_is_refused(
    stick: Path, store: Store, gguf: Gguf, write: Write
) -> None:
    store.add(write(replace(gguf, fill=b"\x09")), "two")
    became = taken(stick, store)
    assert "already has a model two" in became["two"]
    assert became["three"] == "three"


def test_a_model_is_known_by_its_content(stick: Path, store: Store) -> None:
    store.add(stick / "two" / "weights.gguf", "mine")
    assert taken(stick, store, "two") == {"two": "there"}
    assert ids(store) == ["mine"]


def test_a_damaged_model_of_the_store_is_mended(stick: Path, store: Store) -> None:
    taken(stick, store)
    store.get("two").path.write_bytes(b"GGUF")
    assert store.harm("two") is not None
    assert taken(stick, store)["two"] == "two"
    assert store.harm("two") is None


def test_an_import_that_is_killed_leaves_no_half_model(stick: Path, store: Store) -> None:
    words = [sys.executable, "-c", KILLED, str(store.root), str(stick)]
    assert subprocess.run(words, check=False).returncode == -signal.SIGKILL
    assert ids(store) == ["one-model"]
    assert not (store.root / "three").exists()
    assert taken(stick, store) == {"One-Model.gguf": "there", "three": "three", "two": "two"}
    assert left(store) == {"one-model", "three", "two"}, "nor anything of the first attempt"


def test_folders_of_a_store_come_in_elsewhere(stick: Path, store: Store, tmp_path: Path) -> None:
    taken(stick, store)
    out = tmp_path / "out"
    for id in ids(store):
        shutil.copytree(store.root / id, out / id)
    other = Store(tmp_path / "other", Catalogue())
    assert set(taken(list_files(out), other).values()) == set(ids(store))
    assert [e.sha256 for e in other.entries()] == [e.sha256 for e in store.entries()]
