"""Pairs that cannot be read are none, and the log says so without haste."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from edge_rt.models.catalogue import Catalogue
from edge_rt.models.pair import Pair
from edge_rt.models.pairs import FILE, Legible
from edge_rt.models.store.store import Store

PAIR = Pair(large="big", small="tiny")


@pytest.fixture
def known(tmp_path: Path) -> Callable[[], list[Pair] | None]:
    store, legible = Store(tmp_path, Catalogue(pairs=[PAIR])), Legible("no pair is known")
    return lambda: legible.read(lambda: store.pairs.of("big"))


def test_a_fault_is_told_once_for_each_change_of_the_file(
    known: Callable[[], list[Pair] | None], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    contents = ["pairs: [", "colour: red", "colour: green", None, "pairs: [", ""]
    told: list[int] = []
    for content in contents:
        if content is None:
            (tmp_path / FILE).unlink()
        else:
            (tmp_path / FILE).write_text(content)
        for _ in range(3):
            assert known() == (None if content else [PAIR])
        told.append(len(caplog.records))
    assert told == [1, 2, 3, 3, 4, 4]
    assert all("mend it" in record.getMessage() for record in caplog.records)


def test_a_file_that_cannot_be_read_is_told_once(
    known: Callable[[], list[Pair] | None], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / FILE).mkdir()
    for _ in range(3):
        assert known() is None
    assert len(caplog.records) == 1
