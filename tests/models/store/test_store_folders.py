"""What holds for a model of one file holds for one of several, each file of it."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge_rt.core.errors import ModelFileError, RequestError, StoreError
from edge_rt.models.catalogue import Catalogue
from edge_rt.models.formats.card import Description
from edge_rt.models.naming import content_sha256
from edge_rt.models.store.store import Store

Folder = Callable[..., Path]
NAMES = ["model.onnx", "model.onnx.data", "tokenizer.json", "model.json"]
KILLED = """
import os, signal, sys
from pathlib import Path
from edge_rt.models.store import incoming, manifest
from edge_rt.models.catalogue import Catalogue
from edge_rt.models.store.store import Store

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

place = Path.replace
def die_at_tokenizer(path, target):
    if path.name == "tokenizer.json":
        die()
    return place(path, target)

progress = lambda *_: None
if sys.argv[3] == "copying":
    progress = die
elif sys.argv[3] == "placing":
    Path.replace = die_at_tokenizer
else:
    manifest.Manifest.write = die
move = sys.argv[4] == "True"
Store(Path(sys.argv[1]), Catalogue()).add(Path(sys.argv[2]), "one", move=move, progress=progress)
"""


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store", Catalogue(), clock=lambda: 1234.5)


def contents(path: Path) -> dict[str, bytes]:
    return {each.name: each.read_bytes() for each in path.iterdir()}


def models_of(path: Path) -> dict[str, bytes]:
    return {name: (path / name).read_bytes() for name in NAMES}


def directories(store: Store) -> list[str]:
    return [path.name for path in store.root.iterdir() if path.is_dir()]


def test_a_folder_is_copied_without_what_is_not_the_models(store: Store, folder: Folder) -> None:
    source = folder()
    before = contents(source)
    entry = store.add(source)
    assert (entry.id, entry.backend, entry.kind) == ("tiny-onnx", "onnx", "language")
    assert entry.path == store.root / "tiny-onnx" / "model.onnx"
    assert contents(entry.path.parent) == models_of(source)
    assert [file.name for file in entry.files] == NAMES
    assert entry.size == sum(file.stamp.size for file in entry.files)
    assert entry.sha256 == content_sha256((f.name, f.sha256) for f in entry.files)
    assert (entry.licence, entry.owner, entry.source_sha256) == ("mit", "Nobody", "ab" * 32)
    places = [entry.path.with_name(name) for name in NAMES]
    assert {place.stat().st_mode & 0o777 for place in places} == {0o644}
    assert contents(source) == before
    assert Store(store.root, store.catalogue).get(entry.id) == entry


def test_a_moved_folder_keeps_what_is_not_the_models(store: Store, folder: Folder) -> None:
    source = folder()
    wanted = models_of(source)
    entry = store.add(source, move=True)
    assert [path.name for path in source.iterdir()] == ["README.md"]
    assert contents(entry.path.parent) == wanted
    assert store.check(entry.id) == entry.path


def test_where_a_file_can_have_one_name_only_it_is_copied(
    store: Store, folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "link", refuse)
    source = folder()
    wanted = models_of(source)
    entry = store.add(source, move=True)
    assert contents(entry.path.parent) == wanted
    assert [path.name for path in source.iterdir()] == ["README.md"]


def test_moving_a_folder_with_a_link_copies_the_content(
    store: Store, folder: Folder, tmp_path: Path
) -> None:
    """As in the cache of a hub, where all files of a model are links into one folder."""
    source, elsewhere = folder(), tmp_path / "elsewhere"
    elsewhere.mkdir()
    for name in NAMES:
        (source / name).rename(elsewhere / name)
        (source / name).symlink_to(elsewhere / name)
    wanted = models_of(source)
    entry = store.add(source, move=True)
    assert contents(entry.path.parent) == wanted
    assert not any(entry.path.with_name(file.name).is_symlink() for file in entry.files)
    assert [path.name for path in source.iterdir()] == ["README.md"]
    assert sorted(path.name for path in elsewhere.iterdir()) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES[1:])
def test_a_link_out_of_the_folder_is_refused(
    name: str, store: Store, folder: Folder, tmp_path: Path
) -> None:
    """Else a model could have a file of this machine's copied to where others may read it."""
    source = folder()
    (source / name).rename(tmp_path / "secret")
    (source / name).symlink_to(tmp_path / "secret")
    with pytest.raises(ModelFileError, match=f"{name}: a link to a file elsewhere"):
        store.add(source)
    assert store.entries() == []


@pytest.mark.parametrize("move", [False, True])
def test_a_made_card_comes_with_the_files(move: bool, store: Store, folder: Folder) -> None:
    source = folder(card=None)
    wanted = contents(source)
    entry = store.add(source, "mine", said=Description("mean"), move=move)
    card = json.loads((entry.path.parent / "model.json").read_bytes())
    assert (card["kind"], card["pooling"]) == ("embedding", "mean")
    assert contents(entry.path.parent).items() >= {n: wanted[n] for n in NAMES[:-1]}.items()
    assert (entry.kind, entry.summary.pooling, entry.summary.embedding) == ("embedding", "mean", 4)
    assert store.verify("mine") == entry


@pytest.mark.parametrize("move", [False, True])
def test_a_failing_write_of_the_manifest_undoes_all(
    move: bool, store: Store, folder: Folder
) -> None:
    store.root.mkdir()
    (store.root / ".manifest.json.new").mkdir()
    source = folder(card=None)
    before = contents(source)
    with pytest.raises(StoreError, match="cannot write"):
        store.add(source, "mine", said=Description("mean"), move=move)
    assert contents(source) == before
    assert directories(store) == [".manifest.json.new"]


def test_what_is_incomplete_stays_out(store: Store, folder: Folder) -> None:
    for number, name in enumerate(("model.onnx", "model.onnx.data", "tokenizer.json")):
        source = folder(f"lacks-{number}")
        (source / name).unlink()
        with pytest.raises(ModelFileError, match=name):
            store.add(source)
    assert store.entries() == []
    assert not store.root.exists() or directories(store) == []


@pytest.mark.parametrize("move", [False, True])
def test_progress_is_that_of_all_files(move: bool, store: Store, folder: Folder) -> None:
    seen: list[tuple[int, int]] = []
    entry = store.add(folder(), move=move, progress=lambda *told: seen.append(told))
    assert seen[-1] == (entry.size, entry.size)
    assert seen == sorted(seen)
    assert len(seen) >= len(NAMES)
    seen.clear()
    store.verify(entry.id, lambda done, total: seen.append((done, total)))
    assert seen[-1] == (entry.size, entry.size)


@pytest.mark.parametrize("name", NAMES)
def test_damage_to_any_file_is_found(name: str, store: Store, folder: Folder) -> None:
    entry = store.add(folder(), "one")
    path = entry.path.parent / name
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    for prove in (store.check, store.verify, Store(store.root, store.catalogue).check):
        with pytest.raises(ModelFileError, match=f"{name}: damaged or changed: its sha256"):
            prove("one")
    path.unlink()
    with pytest.raises(ModelFileError, match=f"{name}: No such file"):
        store.check("one")


def test_touched_files_are_hashed_once(store: Store, folder: Folder) -> None:
    entry = store.add(folder(), "one")
    for name in NAMES:
        os.utime(entry.path.parent / name, ns=(5, 5))
    assert store.check("one") == entry.path
    again = Store(store.root, store.catalogue)
    with entry.path.open("r+b") as file:  # damage that only whoever trusts the new stamps passes
        file.seek(-1, 2)  # not in the header, which is looked at each time
        file.write(b"!")
    os.utime(entry.path, ns=(5, 5))
    assert again.check("one") == entry.path


def test_a_damaged_folder_is_mended(store: Store, folder: Folder) -> None:
    source = folder()
    entry = store.add(source, "one")
    (entry.path.parent / "tokenizer.json").unlink()
    assert store.mend(source, "one") == entry
    assert store.verify("one") == entry
    (source / "tokenizer.json").write_text("{}")
    with pytest.raises(ModelFileError, match="that of one is"):
        store.mend(source, "one", move=True)
    assert (source / "tokenizer.json").read_text() == "{}"
    assert store.verify("one") == entry


def test_removed_is_gone(store: Store, folder: Folder) -> None:
    store.add(folder(), "one")
    store.remove("one")
    assert directories(store) == []


@pytest.mark.parametrize("move", [False, True])
@pytest.mark.parametrize("moment", ["copying", "placing", "before the manifest"])
def test_a_killed_command_leaves_no_model_and_takes_none(
    moment: str, move: bool, store: Store, folder: Folder
) -> None:
    source = folder()
    before = contents(source)
    command = [sys.executable, "-c", KILLED, str(store.root), str(source), moment, str(move)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert store.entries() == []
    assert contents(source) == before
    entry = store.add(source, "one")
    assert store.verify("one") == entry
    assert directories(store) == ["one"]


# --- what a model came from, and the default -------------------------------------------------


def test_what_a_model_was_made_from_is_kept(
    store: Store, gguf: Any, write: Callable[..., Path], folder: Folder
) -> None:
    source = "cd" * 32
    assert store.add(write(gguf), "made", source_sha256=source).source_sha256 == source
    assert store.add(folder(), source_sha256=source).source_sha256 == "ab" * 32  # as its card says
    assert Store(store.root, store.catalogue).get("made").source_sha256 == source


def test_the_default_writes_text(
    tmp_path: Path, gguf: Any, write: Callable[..., Path], folder: Folder
) -> None:
    times = iter((1, 2, 3))
    store = Store(tmp_path / "store", Catalogue(), clock=lambda: next(times))
    store.add(folder(card=None), "vectors", said=Description("mean"))
    assert store.default(None) is None
    store.add(write(gguf.changed(llama__pooling_type=b"\4\0\0\0\1\0\0\0")), "vectors2")
    assert store.default(None) is None
    store.add(write(gguf), "writes")
    assert store.default(None) == store.get("writes")
    assert store.default("vectors") is None
    with pytest.raises(RequestError, match="vectors writes no text"):
        store.set_default("vectors")


def test_the_identity_of_a_folder_is_not_that_of_a_file(store: Store, folder: Folder) -> None:
    source = folder()
    entry = store.add(source)
    alone = hashlib.sha256((source / "model.onnx").read_bytes()).hexdigest()
    assert entry.files[0].sha256 == alone != entry.sha256
