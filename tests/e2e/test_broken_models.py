"""Files that went bad behind the store's back."""

from __future__ import annotations

import json
import os
import shutil
import struct
from pathlib import Path

import pytest

from edge_rt.models.catalogue import load_catalogue
from edge_rt.models.store.store import Store

HELLO = {"prompt": "Hello", "max_tokens": 1, "temperature": 0}


@pytest.fixture
def own_store(store, tmp_path) -> Path:
    """A copy of the store that a test may damage."""
    return shutil.copytree(store, tmp_path / "models")


@pytest.fixture
def file(own_store) -> Path:
    """The model's file in it."""
    (path,) = own_store.glob("*/*.gguf")
    return path


def truncate(file: Path) -> None:
    with file.open("r+b") as data:
        data.truncate(50_000_000)


def overwrite(file: Path) -> None:
    with file.open("r+b") as data:
        data.seek(60_000_000)
        data.write(b"\xff" * 1_000_000)


def remove(file: Path) -> None:
    file.unlink()


def put_fifo(file: Path) -> None:
    """Whoever opens it waits for a writer, unless it asks not to."""
    file.unlink()
    os.mkfifo(file)


@pytest.mark.slow
def test_damaged_files_are_told_and_repaired_ones_work(own_daemon, smollm2, tmp_path, tools):
    """Each in its own way, all at once, so that the wait for the second try is shared."""
    root = tmp_path / "models"
    store = Store(root, load_catalogue())
    damages = {"truncated": truncate, "overwritten": overwrite, "removed": remove, "fifo": put_fifo}
    files = {id: store.add(smollm2, id).path for id in damages}
    daemon = own_daemon(root)
    for id, damage in damages.items():
        damage(files[id])
        for stream in (False, True):
            answer = daemon.post(HELLO | {"model": id, "stream": stream})
            assert answer.status_code == 500
            assert answer.headers["x-should-retry"] == "false", "trying again mends nothing"
            error = answer.json()["error"]
            assert error["code"] == "model_damaged"
            for said in (str(files[id]), f"edge-rt models pull {id}", f"models verify {id}"):
                assert said in error["message"]
    assert daemon.http.get("/health").status_code == 200, "the daemon itself is well"
    assert daemon.status()["engine"]["restarts"] == 0
    manifest = root / "manifest.json"
    os.truncate(manifest, manifest.stat().st_size // 2)
    for id, file in files.items():
        file.unlink(missing_ok=True)
        shutil.copyfile(smollm2, file)
        tools.eventually(
            lambda id=id: daemon.post(HELLO | {"model": id}).status_code == 200,
            "the repaired file is tried after a while",
        )
        put_fifo(file)  # whatever looks at it while the daemon stops
    assert daemon.terminate() == 0


def put_past_the_store(file: Path, store: Path) -> None:
    """Make the manifest say that `file` is what came in."""
    manifest = store / "manifest.json"
    document = json.loads(manifest.read_text())
    status = file.stat()
    document["models"][0]["files"][0]["stamp"] = {
        "size": status.st_size,
        "mtime_ns": status.st_mtime_ns,
        "inode": status.st_ino,
    }
    manifest.write_text(json.dumps(document))


def cut_header(file: Path) -> None:
    with file.open("r+b") as data:
        data.truncate(5_000)


def no_gguf(file: Path) -> None:
    with file.open("r+b") as data:
        data.write(b"NOPE")


def huge_counts(file: Path) -> None:
    with file.open("r+b") as data:
        data.seek(8)
        data.write(b"\xff" * 16)  # tensors and keys


def garbled_header(file: Path) -> None:
    with file.open("r+b") as data:
        data.seek(4_000)
        data.write(bytes(range(256)) * 8)


def renamed_tensor(file: Path) -> None:
    """A header that is in order, of a model that lacks a tensor."""
    with file.open("r+b") as data:
        head = data.read(8 << 20)
        data.seek(head.index(b"output_norm.weight"))
        data.write(b"output_norn.weight")


def negative_epsilon(file: Path) -> None:
    """For which llama.cpp ends its process when it reads a prompt."""
    with file.open("r+b") as data:
        head, key = data.read(8 << 20), b"llama.attention.layer_norm_rms_epsilon"
        data.seek(head.index(key) + len(key) + 4)
        data.write(struct.pack("<f", -1.0))


@pytest.mark.parametrize(
    "damage",
    [
        truncate,
        cut_header,
        no_gguf,
        huge_counts,
        garbled_header,
        negative_epsilon,
        renamed_tensor,
    ],
)
def test_what_the_hash_did_not_tell_the_header_or_the_engine_does(
    own_daemon, own_store, file, damage
):
    """The reason reaches the client, in llama.cpp's words where it is its own; no process dies."""
    damage(file)
    put_past_the_store(file, own_store)
    daemon = own_daemon(own_store)
    answer = daemon.post(HELLO)
    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    error = answer.json()["error"]
    assert error["code"] == "model_load_failed"
    assert file.name in error["message"]
    assert "edge-rt models verify" in error["message"]
    assert daemon.status()["engine"]["restarts"] == 0
    assert daemon.http.get("/health").status_code == 200


def test_weights_that_are_no_numbers(own_daemon, own_store, file):
    """A model that computes nonsense is tried in one more engine, and then told of."""
    overwrite(file)
    put_past_the_store(file, own_store)
    daemon = own_daemon(own_store)
    for temperature in (0, 1):
        answer = daemon.post(HELLO | {"max_tokens": 4, "temperature": temperature})
        assert answer.status_code == 500
        assert "NaN" in answer.json()["error"]["message"]
    assert daemon.status()["engine"]["restarts"] == 1
    assert "NaN" in daemon.status()["engine"]["lost"]
    assert daemon.quiet()["running"] == 0
