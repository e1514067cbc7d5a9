"""What is kept no more leaves the disk."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from edge_rt.config.caching import Cache, Semantic
from edge_rt.server.state_directory import forget_unkept

ANSWERS = {"cache.db", "cache.db-wal", "cache.db-shm", "cache.db.corrupt-7"}
QUESTIONS = {"semantic.db", "semantic.db-wal"}
OTHERS = {"ledger.db", "cache.db-of-mine"}
EVERYTHING = ANSWERS | QUESTIONS | OTHERS | {"prefixes"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in EVERYTHING - {"prefixes"}:
        (tmp_path / name).write_text("x")
    (tmp_path / "prefixes").mkdir()
    (tmp_path / "prefixes" / "a.prefix").write_text("x")
    return tmp_path


@pytest.mark.parametrize(
    ("cache", "left"),
    [
        (Cache(enabled=False), OTHERS),
        (Cache(), EVERYTHING - QUESTIONS),
        (Cache(prefix_bytes=0), OTHERS | ANSWERS),
        (Cache(semantic=Semantic(model="m")), EVERYTHING),
    ],
)
def test_it_goes_with_all_that_was_put_aside(folder: Path, cache: Cache, left: set[str]) -> None:
    for _ in range(2):
        forget_unkept(cache, folder)
        assert {path.name for path in folder.iterdir()} == left


def test_what_cannot_be_deleted_is_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(path: Path) -> None:
        raise OSError("read-only")

    monkeypatch.setattr(Path, "unlink", refuse)
    with caplog.at_level(logging.WARNING):
        forget_unkept(Cache(), folder)
    assert "semantic.db is kept no more, but cannot be deleted: read-only" in caplog.text
