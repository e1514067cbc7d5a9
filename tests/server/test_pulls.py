"""Models that clients have the daemon fetch."""

from __future__ import annotations

import asyncio
import threading
from contextlib import aclosing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from edge_rt.core.errors import ModelNotFound, RequestError
from edge_rt.core.requests import PullProgress
from edge_rt.models.catalogue import Catalogue, CatalogueEntry, Hub, ModelFile, load_catalogue
from edge_rt.models.store.store import Store
from edge_rt.server.model_work import ModelPulls

SIZE = 64 << 20


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "models", load_catalogue())


def pulled(pulls: ModelPulls, id: str, most: int | None = None) -> list[PullProgress]:
    async def run() -> list[PullProgress]:
        told: list[PullProgress] = []
        async with aclosing(pulls.pull(id)) as steps:
            async for step in steps:
                told.append(step)
                if len(told) == most:
                    break
        return told

    return asyncio.run(run())


def test_a_model_that_the_cache_has_needs_no_network(
    store: Store, minilm: Path, cache: Path
) -> None:
    told = pulled(ModelPulls(store, cache, offline=False), minilm.name)
    known = store.catalogue.get(minilm.name)
    assert told[0] == PullProgress(known.sha256, 0, known.bytes)
    assert told[-1] == PullProgress(known.sha256, known.bytes, known.bytes)
    assert store.get(minilm.name).sha256 == known.sha256


def test_offline_nothing_is_fetched(store: Store, minilm: Path, cache: Path) -> None:
    pulls = ModelPulls(store, cache, offline=True)
    with pytest.raises(RequestError, match="edge-rt models pull") as caught:
        pulled(pulls, minilm.name)
    assert caught.value.code == "offline"
    with pytest.raises(ModelNotFound, match="catalogue"):
        pulled(pulls, "nothing")
    assert store.entries() == []


def test_errors_of_the_download_are_raised(store: Store, minilm: Path, tmp_path: Path) -> None:
    (tmp_path / "models").write_text("no directory")
    with pytest.raises(OSError, match="models"):
        pulled(ModelPulls(store, tmp_path / "cache", offline=False), minilm.name)


class Slow(BaseHTTPRequestHandler):
    """A hub that sends more than a connection can hold, and notes when nobody reads it."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-length", str(SIZE))
        self.end_headers()
        try:
            for _ in range(SIZE >> 20):
                self.wfile.write(bytes(1 << 20))
        except OSError:
            left.set()

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""


left = threading.Event()


def test_a_download_ends_when_nobody_waits_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = ModelFile(
        name="big.gguf", bytes=SIZE, sha256="ab" * 32, sources=[Hub(repository="a/b", file="big")]
    )
    entry = CatalogueEntry(
        id="big", description="", publisher="", licence="", backend="llama.cpp", files=[file]
    )
    store = Store(tmp_path / "models", Catalogue([entry]))
    with ThreadingHTTPServer(("127.0.0.1", 0), Slow) as hub:
        thread = threading.Thread(target=hub.serve_forever, args=(0.01,))
        thread.start()
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{hub.server_port}")
        told = pulled(ModelPulls(store, tmp_path / "cache", offline=False), "big", most=2)
        assert left.wait(60)
        hub.shutdown()
        thread.join()
    assert 0 < told[-1].done_bytes < SIZE
    assert store.entries() == []


class Silent(BaseHTTPRequestHandler):
    """A hub that takes a request and does not answer."""

    def do_GET(self) -> None:
        asked.set()
        released.wait(60)

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""


asked, released = threading.Event(), threading.Event()


def test_the_end_does_not_wait_for_a_hub_that_is_silent(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pulls = ModelPulls(store, tmp_path / "cache", offline=False)

    async def leave() -> None:
        async with aclosing(pulls.pull("hf:someone/tiny")) as steps:
            task = asyncio.ensure_future(anext(steps))
            while not asked.is_set():
                await asyncio.sleep(0.01)
            task.cancel()
            await asyncio.wait((task,))

    with ThreadingHTTPServer(("127.0.0.1", 0), Silent) as hub:
        thread = threading.Thread(target=hub.serve_forever, args=(0.01,))
        thread.start()
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{hub.server_port}")
        asyncio.run(leave())
        waiting = [one for one in threading.enumerate() if one.name == "pull"]
        released.set()
        assert waiting
        for one in waiting:
            one.join(60)
        hub.shutdown()
        thread.join()
