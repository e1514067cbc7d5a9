"""Mutated GGUF headers: each is refused with a reason, or loaded or refused by the engine.

The front reads every one of them, as it does before a load; what it lets pass goes to llama.cpp in
a real engine. Here is a short form; `pytest -m whole tests/e2e/test_headers.py` takes 10,000.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from header_mutations import File, mutations, parse
from hypothesis import HealthCheck, given, settings
from tiny_gguf import Tiny, byte_level, sentence_piece, write_tiny

from edge_rt.core.errors import ModelFileError
from edge_rt.engine.client import EngineLost
from edge_rt.engine.protocol import ModelSpec
from edge_rt.engine.supervisor import Supervisor
from edge_rt.models.formats.summary import Summary
from edge_rt.models.store.incoming import describe

HANG_S = 5.0
TINY = Tiny(layers=1, embedding=32, heads=2, kv_heads=1, head_dim=16, feed_forward=32, context=64)


class Engine:
    """A real engine, which is there again when it died."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._supervisor = Supervisor(pause=lambda seconds: asyncio.sleep(0))
        self._do(self._start())

    def load(self, path: Path, summary: Summary) -> str:
        """Return what becomes of a load of `path`: "loaded", "refused" or "died"."""
        return self._do(self._load(path, summary))

    def close(self) -> None:
        self._do(self._supervisor.stop())
        self._loop.close()

    def _do(self, work: Any) -> Any:
        return self._loop.run_until_complete(work)

    async def _start(self) -> None:
        self._supervisor.start()

    async def _load(self, path: Path, summary: Summary) -> str:
        client = await self._supervisor.client()
        context = min(64, summary.context_train)
        spec = ModelSpec(
            "llama.cpp", str(path), context, 1, kind=summary.kind, outputs=17, kv_type="f16"
        )
        begin = time.monotonic()
        try:
            await asyncio.wait_for(client.load("m", spec), 12 * HANG_S)
            await client.unload("m")
            end = "loaded"
        except ModelFileError:
            end = "refused"
        except EngineLost:  # which may take long: it tells where it was
            await client.lost.wait()
            return "died"
        assert time.monotonic() - begin < HANG_S
        return end


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    engine = Engine()
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("headers")


@pytest.fixture(scope="module")
def files(place: Path) -> tuple[File, ...]:
    """Models with either kind of vocabulary, which load as they are."""
    vocabularies = (byte_level("qwen2"), sentence_piece(True))
    paths = [
        write_tiny(place / f"{number}.gguf", TINY, vocabulary)
        for number, vocabulary in enumerate(vocabularies)
    ]
    return tuple(parse(path.read_bytes()) for path in paths)


def test_without_a_change_they_load(engine: Engine, files: tuple[File, ...], place: Path) -> None:
    path = place / "model.gguf"
    for file in files:
        path.write_bytes(file.encode())
        assert engine.load(path, describe({path.name: path})[1]) == "loaded"


def look(path: Path) -> Summary | str:
    """Return what is made of a file that is to come into the store, or why it is refused."""
    try:
        return describe({path.name: path})[1]
    except ModelFileError as error:
        return str(error)


def try_all(count: int, engine: Engine, files: tuple[File, ...], place: Path) -> Counter[str]:
    """Take `count` mutations; returns how many ended in which way."""
    ends, path = Counter[str](), place / "model.gguf"

    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(raw=mutations(files))
    def attempt(raw: bytes) -> None:
        path.write_bytes(raw)
        begin = time.monotonic()
        read = look(path)
        assert time.monotonic() - begin < HANG_S, path  # it holds what hypothesis found last
        if isinstance(read, Summary):
            ends[engine.load(path, read)] += 1
        else:
            ends["told"] += 1
            assert str(path) in read
            assert len(read) < 1000

    attempt()
    return ends


@pytest.mark.slow
@pytest.mark.parametrize("count", [1000, pytest.param(10_000, marks=pytest.mark.whole)])
def test_no_header_does_worse_than_a_reason(
    count: int, engine: Engine, files: tuple[File, ...], place: Path
) -> None:
    ends = try_all(count, engine, files, place)
    print(dict(ends))
    assert ends["told"] > count / 10
    assert ends["loaded"] + ends["refused"] > count / 10
    # What a header says of a model's make can be wrong in ways that only llama.cpp knows, by ending
    # its process: the front goes on, and so does the next engine.
    assert ends["died"] <= count / 100
    path = place / "model.gguf"
    path.write_bytes(files[0].encode())
    assert engine.load(path, describe({path.name: path})[1]) == "loaded"
