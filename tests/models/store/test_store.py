"""Only whole, verified models are ever in the store."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from edge_rt.core.errors import DamagedFile, ModelFileError, ModelNotFound, RequestError, StoreError
from edge_rt.core.files import replace_file
from edge_rt.models.catalogue import (
    Catalogue,
    CatalogueEntry,
    EvaluatedQuality,
    ModelFile,
    SamplingDefaults,
)
from edge_rt.models.store.disk import locked
from edge_rt.models.store.store import Store

Write = Callable[..., Path]
Gguf = Any  # the builder of conftest.py
KILLED = """
import os, signal, sys
from pathlib import Path
from edge_rt.models.store import incoming, manifest
from edge_rt.models.catalogue import Catalogue
from edge_rt.models.store.store import Store

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

if sys.argv[3] == "copying":
    progress = die
else:
    progress = lambda *_: None
    manifest.Manifest.write = die
Store(Path(sys.argv[1]), Catalogue()).add(Path(sys.argv[2]), "one", progress=progress)
"""


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def known(id: str, path: Path) -> CatalogueEntry:
    return CatalogueEntry(
        id=id,
        description="A test",
        publisher="Publisher",
        licence="Apache-2.0",
        backend="llama.cpp",
        files=[ModelFile(name="known.gguf", bytes=path.stat().st_size, sha256=sha256(path))],
        sampling=SamplingDefaults(temperature=0.3),
    )


@pytest.fixture
def file(gguf: Gguf, write: Write) -> Path:
    return write(gguf, "My-Model.gguf")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store", Catalogue(), clock=lambda: 1234.5)


def reopened(store: Store) -> Store:
    return Store(store.root, store.catalogue)


def nothing_left(store: Store) -> bool:
    return [path.name for path in store.root.iterdir() if path.is_dir()] == []


def test_a_store_that_is_not_there_is_empty(store: Store) -> None:
    assert store.entries() == []
    with pytest.raises(ModelNotFound, match="it is empty"):
        store.get("x")
    assert not store.root.exists()


def test_an_added_model_is_a_copy_that_others_may_read(store: Store, file: Path) -> None:
    umask = os.umask(0o077)
    try:
        entry = store.add(file)
    finally:
        os.umask(umask)
    assert (entry.id, entry.created, entry.backend) == ("my-model", 1234, "llama.cpp")
    assert (entry.licence, entry.owner) == ("mit", "Nobody")
    assert entry.path == store.root / "my-model" / "My-Model.gguf"
    assert entry.path.read_bytes() == file.read_bytes()
    assert entry.sha256 == sha256(file)
    assert entry.summary.name == "Tiny Test"
    assert entry.path.stat().st_mode & 0o777 == 0o644
    assert entry.path.parent.stat().st_mode & 0o777 == 0o755
    assert (store.root / "manifest.json").stat().st_mode & 0o777 == 0o644
    assert reopened(store).get("my-model") == entry


def test_a_moved_file_is_gone_from_its_place(store: Store, file: Path) -> None:
    content = file.read_bytes()
    entry = store.add(file, move=True)
    assert not file.exists()
    assert entry.path.read_bytes() == content
    assert store.check(entry.id) == entry.path


def test_moving_a_link_takes_the_content_and_the_link(
    store: Store, file: Path, tmp_path: Path
) -> None:
    link = tmp_path / "linked.gguf"
    link.symlink_to(file)
    entry = store.add(link, move=True)
    assert not entry.path.is_symlink()
    assert file.exists()
    assert not link.exists()


def test_progress_ends_at_the_whole(store: Store, file: Path) -> None:
    seen: list[tuple[int, int]] = []
    store.add(file, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (file.stat().st_size, file.stat().st_size)


def test_entries_are_sorted(store: Store, file: Path) -> None:
    for id in ("b", "a", "c"):
        store.add(file, id)
    assert [entry.id for entry in store.entries()] == ["a", "b", "c"]


def test_the_catalogue_knows_a_file_by_its_content(tmp_path: Path, file: Path) -> None:
    store = Store(tmp_path / "store", Catalogue([known("well-known", file)]))
    entry = store.add(file)
    assert (entry.id, entry.licence, entry.owner) == ("well-known", "Apache-2.0", "Publisher")
    assert entry.sampling.given() == {"temperature": 0.3}
    assert store.add(file, "other").sampling.given() == {"temperature": 0.3}


def test_another_file_under_a_known_id_is_refused(
    tmp_path: Path, file: Path, gguf: Gguf, write: Write
) -> None:
    store = Store(tmp_path / "store", Catalogue([known("well-known", file)]))
    other = write(gguf.changed(general__name=None), "other.gguf")
    with pytest.raises(ModelFileError, match="sha256"):
        store.add(other, "well-known", move=True)
    assert other.exists()
    assert nothing_left(store)


@pytest.mark.parametrize("move", [False, True])
def test_an_id_is_taken_once(move: bool, store: Store, file: Path) -> None:
    store.add(file, "one")
    with pytest.raises(StoreError, match="already has a model one; remove it first"):
        store.add(file, "one", move=move)
    with pytest.raises(RequestError):
        store.add(file, "../one", move=move)
    assert file.exists()
    assert [entry.id for entry in store.entries()] == ["one"]


def test_what_is_no_model_stays_out(store: Store, write: Write, file: Path) -> None:
    truncated = write(file.read_bytes()[:-1], "short.gguf")
    for bad in (truncated, write(b"GGUF", "bad.gguf"), file.parent, file.parent / "missing"):
        with pytest.raises(ModelFileError):
            store.add(bad)
    assert not store.root.exists()


def test_files_are_on_the_disk_before_they_have_their_names(
    store: Store, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a power cut a model that has its name must be whole."""
    synced, fsync = [], os.fsync

    def note(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        synced.append((str(path.relative_to(tmp)), sorted(each.name for each in home.glob("*"))))
        fsync(descriptor)

    home, tmp = store.root / "one", store.root.parent
    monkeypatch.setattr(os, "fsync", note)
    entry = store.add(file, "one")
    name, placed = entry.path.name, [entry.path.name]
    assert synced[:3] == [(f"store/.incoming/{name}", []), ("store/one", placed), ("store", placed)]
    assert synced[3][0] == "store/.manifest.json.new"


@pytest.mark.parametrize("move", [False, True])
def test_a_failing_write_of_the_manifest_undoes_all(
    move: bool, store: Store, file: Path, tmp_path: Path
) -> None:
    store.add(file, "first")
    content = file.read_bytes()
    (store.root / ".manifest.json.new").mkdir()
    with pytest.raises(StoreError, match="cannot write"):
        store.add(file, "second", move=move)
    assert file.read_bytes() == content
    assert sorted(path.name for path in store.root.iterdir() if path.is_dir()) == [
        ".manifest.json.new",
        "first",
    ]
    assert [entry.id for entry in reopened(store).entries()] == ["first"]


def test_removed_is_gone(store: Store, file: Path) -> None:
    store.add(file, "one")
    store.remove("one")
    assert store.entries() == []
    assert nothing_left(store)
    with pytest.raises(ModelNotFound):
        store.remove("one")


def test_on_a_full_disk_removing_makes_room(
    store: Store, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = store.add(file, "one")

    def full(path: Path, content: bytes, mode: int) -> None:
        if entry.path.exists():
            raise OSError(errno.ENOSPC, "No space left on device")
        replace_file(path, content, mode)

    monkeypatch.setattr("edge_rt.models.store.manifest.replace_file", full)
    store.remove("one")
    assert reopened(store).entries() == []
    assert nothing_left(store)


def test_a_model_whose_manifest_cannot_be_written_stays(store: Store, file: Path) -> None:
    entry = store.add(file, "one")
    (store.root / ".manifest.json.new").mkdir()
    with pytest.raises(StoreError, match="cannot write"):
        store.remove("one")
    assert entry.path.exists()


def test_too_little_room_is_told_of_the_store(
    store: Store, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1))
    with pytest.raises(StoreError, match=f"^{store.root}: .* bytes are needed, 1 are free"):
        store.add(file, "one")
    assert nothing_left(store)


def test_a_model_whose_file_is_gone_can_be_removed(store: Store, file: Path) -> None:
    entry = store.add(file, "one")
    entry.path.unlink()
    with pytest.raises(ModelFileError, match="remove the model and add it again"):
        store.check("one")
    store.remove("one")
    store.add(file, "one")


def test_missing_models_say_what_there_is(tmp_path: Path, file: Path) -> None:
    store = Store(tmp_path / "store", Catalogue([known("well-known", file)]))
    store.add(file, "mine")
    with pytest.raises(ModelNotFound, match=r"it has mine; .*models pull well-known"):
        store.get("well-known")
    with pytest.raises(ModelNotFound, match="models add FILE"):
        store.check("other")


def test_who_removes_what_is_not_there_is_not_told_to_get_it(tmp_path: Path, file: Path) -> None:
    store = Store(tmp_path / "store", Catalogue([known("well-known", file)]))
    store.add(file, "mine")
    for id in ("well-known", "mina"):
        with pytest.raises(ModelNotFound, match=r"it has mine$"):
            store.remove(id)


def test_the_default_is_the_one_named_else_the_one_added_first(tmp_path: Path, file: Path) -> None:
    times = iter((20, 10, 10))
    store = Store(tmp_path / "store", Catalogue(), clock=lambda: next(times))
    assert store.default(None) is None
    for id in ("a", "c", "b"):
        store.add(file, id)
    assert store.default(None) == store.get("b")  # of two that came at once, the first by name
    assert store.default("a") == store.get("a")
    assert store.default("absent") is None


def test_the_default_is_the_best_that_fits_the_memory_whatever_came_first(
    tmp_path: Path, file: Path, gguf: Gguf, write: Write
) -> None:
    large = write(gguf.changed(general__name=None), "large.gguf")
    entries = [
        msgspec.structs.replace(known(id, path), quality=EvaluatedQuality(figures={"arc": figure}))
        for id, path, figure in (("poor", file, 0.1), ("good", large, 0.4))
    ]
    memory = 10**9
    store = Store(tmp_path / "store", Catalogue(entries), memory=lambda: memory)
    store.add(file)
    assert store.default(None) == store.get("poor")
    store.add(large)
    assert store.default(None) == store.get("good")
    assert "fit this machine's memory" in store.explain_default(None).why
    tight = Store(store.root, store.catalogue, memory=lambda: 0)
    smallest = min(store.entries(), key=lambda entry: entry.size)
    assert tight.default(None) == smallest


def test_a_default_that_was_set_stays_until_it_is_removed(store: Store, file: Path) -> None:
    for id in ("a", "b", "c"):
        store.add(file, id)
    store.set_default("b")
    store.add(file, "d")
    store.remove("c")
    daemon = reopened(store)
    assert daemon.default(None) == store.get("b")
    assert daemon.default("a") == store.get("a")  # the configuration counts first
    store.remove("b")
    assert daemon.default(None) == store.get("a")
    store.add(file, "b")
    assert daemon.default(None) == store.get("a")
    with pytest.raises(ModelNotFound, match="no model 'absent'"):
        store.set_default("absent")


def test_another_process_is_seen(store: Store, file: Path) -> None:
    daemon = reopened(store)
    assert daemon.entries() == []
    store.add(file, "one")
    assert [entry.id for entry in daemon.entries()] == ["one"]
    store.remove("one")
    store.add(file, "two")
    assert [entry.id for entry in daemon.entries()] == ["two"]


# --- verification ----------------------------------------------------------------------------


def damage(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"!")


def test_a_changed_file_is_refused_at_load(store: Store, file: Path) -> None:
    entry = store.add(file, "one")
    damage(entry.path)
    os.utime(entry.path, ns=(0, 1))
    for prove in (store.check, store.verify, reopened(store).check):
        with pytest.raises(ModelFileError, match=f"expected {entry.sha256}"):
            prove("one")


def test_damage_that_leaves_no_trace_is_found_by_verify(store: Store, file: Path) -> None:
    entry = store.add(file, "one")
    before = entry.path.stat().st_mtime_ns
    damage(entry.path)
    os.utime(entry.path, ns=(before, before))
    assert store.check("one") == entry.path  # the price of a quick check
    with pytest.raises(ModelFileError):
        store.verify("one")


def test_a_file_of_another_size_is_not_read(store: Store, file: Path) -> None:
    entry = store.add(file, "one")
    os.truncate(entry.path, 1 << 40)  # sparse; reading it would take an hour
    for prove in (store.check, store.verify, reopened(store).check):
        with pytest.raises(DamagedFile, match=f"{1 << 40} bytes, not {entry.size}"):
            prove("one")


def test_a_touched_file_is_hashed_once(store: Store, file: Path) -> None:
    entry = store.add(file, "one")
    os.utime(entry.path, ns=(5, 5))
    assert store.check("one") == entry.path
    again = reopened(store)
    damage(entry.path)
    os.utime(entry.path, ns=(5, 5))  # only whoever trusts the new stamp passes this
    assert again.check("one") == entry.path
    assert again.get("one").created == 1234


def test_what_cannot_be_noted_is_remembered(store: Store, file: Path) -> None:
    entry = store.add(file, "one")
    os.utime(entry.path, ns=(5, 5))
    manifest = (store.root / "manifest.json").read_bytes()
    with locked(store.root / ".lock"):  # as while a command copies a model in
        assert store.check("one") == entry.path
    damage(entry.path)
    os.utime(entry.path, ns=(5, 5))
    assert store.check("one") == entry.path
    assert (store.root / "manifest.json").read_bytes() == manifest


def test_a_file_that_is_written_to_while_it_is_hashed_is_not_passed(
    store: Store, file: Path
) -> None:
    entry = store.add(file, "one")

    def write(_done: int, _total: int) -> None:
        os.utime(entry.path, ns=(5, 5))  # what was read is as it was: only the stamp tells

    with pytest.raises(ModelFileError, match="wrote to it while it was being checked"):
        store.verify("one", write)
    assert store.verify("one") == entry


def test_verify_tells_its_progress(store: Store, file: Path) -> None:
    store.add(file, "one")
    seen: list[int] = []
    assert store.verify("one", lambda done, total: seen.append(done)) == store.get("one")
    assert seen[-1] == file.stat().st_size


# --- the manifest ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"{", "move it away"),
        (b"[]", "move it away"),
        (b"{}", "move it away"),
        (b'{"version": 3, "models": {}}', "newer edge_rt"),
        (b'{"version": 2, "models": [{"id": "a", "files": []}]}', "move it away"),
        (b'{"version": 1, "models": []}', "version 1 is no longer read"),
        (b'{"version": 2, "models": [{"id": "a\xe1"}]}', "move it away"),
        (b'{"version": 2, "models": ' + b"[" * 5000, "move it away"),
    ],
)
def test_a_broken_manifest_is_told(content: bytes, words: str, store: Store, file: Path) -> None:
    store.add(file, "one")
    (store.root / ".manifest.json.copy").unlink()
    (store.root / "manifest.json").write_bytes(content)
    with pytest.raises(StoreError, match=words):
        store.entries()
    with pytest.raises(StoreError, match=words):
        store.add(file, "two")


@pytest.mark.parametrize("field", ["id", "name"])
def test_the_manifest_leads_nowhere_else(field: str, store: Store, file: Path) -> None:
    store.add(file, "one")
    path = store.root / "manifest.json"
    document = json.loads(path.read_bytes())
    (model,) = document["models"]
    (model if field == "id" else model["files"][0])[field] = "../elsewhere"
    path.write_text(json.dumps(document))
    (store.root / ".manifest.json.copy").unlink()
    with pytest.raises(StoreError, match=field):
        store.entries()


@pytest.mark.parametrize("damage", ["cut off", "a FIFO", "one entry", "sparse", "a loop", "gone"])
def test_a_damaged_manifest_is_read_from_its_copy(
    damage: str, store: Store, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store.add(file, "one")
    store.add(file, "two")
    spoil_manifest(store, damage)
    there = reopened(store)
    assert [entry.id for entry in there.entries()] == ["one", "two"]
    assert "manifest.json" in caplog.text
    there.add(file, "three")  # which writes it again
    caplog.clear()
    assert [entry.id for entry in reopened(store).entries()] == ["one", "three", "two"]
    assert caplog.text == ""


def test_a_store_whose_manifest_is_gone_and_whose_copy_is_damaged_is_empty(
    store: Store, file: Path
) -> None:
    store.add(file, "one")
    (store.root / "manifest.json").unlink()
    (store.root / ".manifest.json.copy").write_text("{")
    assert reopened(store).entries() == []


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("move", [False, True])
def test_a_lost_entry_is_taken_in_again_where_its_file_lies(
    move: bool, fails: bool, store: Store, file: Path
) -> None:
    """As the message on a damaged manifest says; a failure does not take the file away."""
    path, content = store.add(file, "one").path, file.read_bytes()
    (store.root / "manifest.json").unlink()
    (store.root / ".manifest.json.copy").unlink()
    draft = store.root / ".manifest.json.new"
    if fails:
        draft.mkdir()
        with pytest.raises(StoreError, match="cannot write"):
            store.add(path, "one", move=move)
        draft.rmdir()
    store.add(path, "one", move=move)
    assert path.read_bytes() == content
    assert [entry.id for entry in reopened(store).entries()] == ["one"]


def spoil_manifest(store: Store, damage: str) -> None:
    path = store.root / "manifest.json"
    content = path.read_bytes()
    path.unlink()
    if damage == "a FIFO":
        os.mkfifo(path)
    elif damage == "a loop":
        path.symlink_to(path.name)
    elif damage == "sparse":
        path.touch()
        os.truncate(path, 1 << 40)
    elif damage == "gone":
        pass
    elif damage == "cut off":
        path.write_bytes(content[: len(content) // 2])
    else:
        path.write_bytes(content.replace(b'"id": "one"', b'"id": 1'))


# --- several commands, and killed ones -------------------------------------------------------


@pytest.mark.parametrize("moment", ["copying", "before the manifest"])
def test_a_killed_command_leaves_no_model(moment: str, store: Store, file: Path) -> None:
    command = [sys.executable, "-c", KILLED, str(store.root), str(file), moment]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert store.entries() == []
    entry = store.add(file, "one")  # the lock died with its holder
    assert store.verify("one") == entry
    assert [path.name for path in store.root.iterdir() if path.is_dir()] == ["one"]


def test_commands_take_turns(store: Store, file: Path) -> None:
    inside, go_on = threading.Event(), threading.Event()

    def wait(done: int, total: int) -> None:
        inside.set()
        assert go_on.wait(30)

    first = threading.Thread(target=lambda: reopened(store).add(file, "one", progress=wait))
    first.start()
    assert inside.wait(30)
    ids = ("two", "three")
    others = [threading.Thread(target=reopened(store).add, args=(file, id)) for id in ids]
    for other in others:
        other.start()
    assert store.entries() == []
    go_on.set()
    for thread in (first, *others):
        thread.join()
    assert [entry.id for entry in store.entries()] == ["one", "three", "two"]
    for entry in store.entries():
        store.verify(entry.id)


def test_the_real_model(tmp_path: Path, smollm2: Path) -> None:
    from edge_rt.models.catalogue import load_catalogue

    store = Store(tmp_path / "store", load_catalogue())
    (tmp_path / "linked.gguf").symlink_to(smollm2)
    entry = store.add(tmp_path / "linked.gguf")
    assert entry.id == "smollm2-135m-instruct"
    assert entry.sampling.given() == {"temperature": 0.2, "top_p": 0.9}
    assert store.check(entry.id).stat().st_size == 98_362_432


def test_what_an_earlier_version_did_not_keep_is_read_again(store: Store, file: Path) -> None:
    added = store.add(file, "mine")
    assert added.summary.control_tokens is not None
    manifest = store.root / "manifest.json"
    document = json.loads(manifest.read_text())
    document["models"][0]["summary"] = {"organisation": "them", "source_sha256": "a" * 64}
    earlier = json.dumps(document)
    manifest.write_text(earlier)
    again, told = reopened(store).get("mine").summary, added.summary
    kept = {"source_sha256": "a" * 64, "organisation": told.organisation or "them"}
    assert again == msgspec.structs.replace(told, **kept)
    added.path.write_bytes(b"damaged")
    assert reopened(store).get("mine").summary == again  # once: the record has it now
    manifest.write_text(earlier)
    assert reopened(store).get("mine").summary.control_tokens is None  # and cannot be loaded
    added.path.unlink()  # the other models are still found
    again = reopened(store)
    assert [entry.id for entry in again.entries()] == ["mine"]
    assert again.mend(file, "mine").summary.control_tokens == told.control_tokens


def test_a_header_that_an_earlier_version_read_for_less_is_read_again(
    store: Store, file: Path
) -> None:
    added = store.add(file, "mine")
    manifest = store.root / "manifest.json"
    document = json.loads(manifest.read_text())
    summary = document["models"][0]["summary"]
    for later in ("read", "window", "window_per_token", "state_bytes", "state_width", "ranks"):
        summary.pop(later, None)
    summary["kv_per_token"] += 1  # as that version counted it
    manifest.write_text(json.dumps(document))
    assert reopened(store).get("mine").summary == added.summary
    added.path.write_bytes(b"damaged")
    assert reopened(store).get("mine").summary == added.summary, "the record has it now"
