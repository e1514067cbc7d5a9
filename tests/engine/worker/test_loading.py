"""Loads run one after the other beside their caller, and always come to an outcome."""

from __future__ import annotations

import select
import threading
from collections.abc import Callable

import pytest

from edge_rt.core.errors import ModelFileError
from edge_rt.engine.protocol import ModelSpec
from edge_rt.engine.worker.loading import Loader, LoadOutcome

SPEC = ModelSpec("toy", "x", 64, 2)


def outcomes(loader: Loader, count: int) -> list[tuple[str, LoadOutcome]]:
    """Wait for `count` loads as the worker does."""
    got: list[tuple[str, LoadOutcome]] = []
    while len(got) < count:
        ready, _, _ = select.select([loader], [], [], 10)
        assert ready, "the loader says nothing"
        got += loader.finished()
    return got


def test_loads_come_in_turn_and_with_their_threads(toy: Callable) -> None:
    seen: list[tuple[str, int]] = []

    def make(spec: ModelSpec, threads: int):
        seen.append((spec.path, threads))
        return toy()

    loader = Loader(make)
    for i in range(3):
        loader.start(f"m{i}", ModelSpec("toy", f"p{i}", 64, 2), i)
    got = outcomes(loader, 3)
    assert [model for model, _ in got] == ["m0", "m1", "m2"]
    assert [outcome.spec.path for _, outcome in got] == ["p0", "p1", "p2"]
    assert seen == [("p0", 0), ("p1", 1), ("p2", 2)]
    assert not list(loader.finished())
    assert select.select([loader], [], [], 0) == ([], [], [])
    loader.close()


def test_the_caller_does_not_wait(toy: Callable) -> None:
    go = threading.Event()

    def make(spec: ModelSpec, threads: int):
        assert go.wait(10)
        return toy()

    loader = Loader(make)
    loader.start("m", SPEC, 1)
    assert not list(loader.finished())
    go.set()
    ((model, outcome),) = outcomes(loader, 1)
    assert model == "m"
    assert not isinstance(outcome.result, str)
    assert outcome.load_s >= 0
    loader.close()


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ModelFileError("the file is cut short"), "the file is cut short"),
        (MemoryError("17 GB"), "MemoryError: 17 GB"),
        (ImportError("no llama_cpp"), "ImportError: no llama_cpp"),
        (KeyError("x"), "KeyError: 'x'"),
        (AssertionError(), "AssertionError: "),
    ],
)
def test_an_error_of_any_kind_is_told_and_the_next_load_runs(
    toy: Callable, error: Exception, message: str
) -> None:
    errors = [error]

    def make(spec: ModelSpec, threads: int):
        if errors:
            raise errors.pop()
        return toy()

    loader = Loader(make)
    loader.start("bad", SPEC, 1)
    loader.start("good", SPEC, 1)
    (_, bad), (_, good) = outcomes(loader, 2)
    assert bad.result == message
    assert not isinstance(good.result, str)
    loader.close()
