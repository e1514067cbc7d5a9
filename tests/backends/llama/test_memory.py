"""Marks: where a sequence of a model with recurrent layers goes back to, and which make room."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random

import numpy as np
import pytest
from conformance import feed
from family_gguf import write_family

from edge_rt.backends.llama import memory
from edge_rt.backends.llama.backend import LlamaBackend
from edge_rt.backends.llama.memory import LlamaMarks

TEXT = [Random(1).randrange(250) for _ in range(200)]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_family(tmp_path_factory.mktemp("hybrid") / "model.gguf", "qwen35")


@pytest.fixture
def backend(file: Path) -> Iterator[LlamaBackend]:
    backend = LlamaBackend(file, context=512, sequences=2, batch=64, threads=1)
    yield backend
    backend.close()


@pytest.fixture
def marks(backend: LlamaBackend) -> LlamaMarks:
    assert backend.marks is not None
    return backend.marks


def read(backend: LlamaBackend, sequence: int, *ends: int, passing: bool = False) -> None:
    """Read the text up to each of `ends`, from the one before, and mark it there."""
    assert backend.marks is not None
    for begin, end in zip((0, *ends), ends, strict=False):
        feed(backend, sequence, begin, TEXT[begin:end])
        backend.marks.put(sequence, passing=passing)


def reached(marks: LlamaMarks, sequence: int) -> list[int]:
    return sorted({marks.reach(sequence, length) for length in range(1, 199)} - {0})


def test_it_goes_back_to_the_mark_before(backend: LlamaBackend, marks: LlamaMarks) -> None:
    read(backend, 0, 20, 60)
    feed(backend, 0, 60, TEXT[60:80])
    assert [marks.reach(0, length) for length in (19, 20, 59, 60, 79, 80, 99)] == [
        *(0, 20, 20, 60, 60, 80, 80)
    ]
    expected = feed(backend, 0, 80, TEXT[80:99])
    assert backend.rewind(0, 20)
    for begin, end in ((20, 60), (60, 80)):
        feed(backend, 0, begin, TEXT[begin:end])
    assert np.array_equal(feed(backend, 0, 80, TEXT[80:99]), expected)
    assert not backend.rewind(0, 70)  # which empties it
    assert marks.reach(0, 99) == 0


def test_the_next_mark_takes_the_place_of_a_passing_one(
    backend: LlamaBackend, marks: LlamaMarks
) -> None:
    read(backend, 0, 10, 20, 30, passing=True)
    feed(backend, 0, 30, TEXT[30:40])
    assert reached(marks, 0) == [30, 40]


def test_those_with_others_near_make_room(backend: LlamaBackend, marks: LlamaMarks) -> None:
    read(backend, 0, 10, 60, 70, 110, 160)
    assert reached(marks, 0) == [10, 60, 110, 160]
    read(backend, 1, 20)
    assert len(reached(marks, 0)) == 3
    assert reached(marks, 1) == [20]


def test_a_copy_has_the_marks_of_the_original_and_they_count_once(
    backend: LlamaBackend, marks: LlamaMarks
) -> None:
    read(backend, 0, 10, 60, 110, 160)
    assert backend.copy(0, 1, 110)
    assert reached(marks, 1) == [10, 60, 110]
    assert reached(marks, 0) == [10, 60, 110, 160]


def test_large_marks_are_few(
    backend: LlamaBackend, marks: LlamaMarks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "MARKS_BYTES", 0)
    read(backend, 0, 10, 60, 110)
    assert reached(marks, 0) == [60, 110]
    read(backend, 1, 30, 40)
    feed(backend, 1, 40, TEXT[40:50])
    assert (reached(marks, 0), reached(marks, 1)) == ([110], [40, 50])
    monkeypatch.setattr(memory, "LEAST", 1)
    feed(backend, 0, 110, TEXT[110:120])
    marks.put(0)  # drops the nearer one, and then the oldest
    feed(backend, 0, 120, TEXT[120:130])
    assert (reached(marks, 0), reached(marks, 1)) == ([120, 130], [50])


def test_passing_marks_drop_no_others(
    backend: LlamaBackend, marks: LlamaMarks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "MARKS_BYTES", 0)
    read(backend, 0, 10, 60)
    read(backend, 1, 40)
    feed(backend, 0, 60, TEXT[60:80])
    marks.put(0, passing=True)
    feed(backend, 1, 40, TEXT[40:50])
    marks.put(1, passing=True)
    feed(backend, 0, 80, TEXT[80:90])
    feed(backend, 1, 50, TEXT[50:55])
    assert (reached(marks, 0), reached(marks, 1)) == ([60, 80, 90], [40, 50, 55])


def test_a_passing_mark_is_not_dropped_for_others(
    backend: LlamaBackend, marks: LlamaMarks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "MARKS_BYTES", 0)
    monkeypatch.setattr(memory, "LEAST", 1)
    read(backend, 0, 10)
    feed(backend, 0, 10, TEXT[10:60])
    marks.put(0, passing=True)
    feed(backend, 0, 60, TEXT[60:70])
    read(backend, 1, 20)  # for which the older one goes
    assert (reached(marks, 0), reached(marks, 1)) == ([60, 70], [20])


def test_a_window_is_copied_where_every_sequence_is_full(tmp_path: Path) -> None:
    file = write_family(tmp_path / "model.gguf", "gemma3")
    backend = LlamaBackend(file, context=512, sequences=2, batch=64, threads=1)
    assert backend.marks is not None
    text = [*TEXT, *TEXT, *TEXT][:512]
    for start in range(0, 512, 64):
        feed(backend, 0, start, text[start : start + 64])
        feed(backend, 1, start, text[start : start + 64][::-1])
        if start == 64:
            expected = feed(backend, 0, 128, text[128:140])
            assert backend.rewind(0, 128)
            backend.marks.put(0)
    assert backend.copy(0, 1, 512)
    assert not backend.copy(0, 1, 128)  # llama.cpp has had no pass to make the first copy
    assert backend.copy(0, 1, 128)
    assert np.abs(feed(backend, 1, 128, text[128:140]) - expected).max() < 0.05
    backend.close()
