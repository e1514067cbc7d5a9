"""Each file that outlives the daemon may have been written by a newer edge_rt, and stays so.

A later version is left alone, and that is said; without one, keys and columns that are not known
are passed over, and those that lack have their defaults.
"""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, TypeVar

import pytest
import yaml

from edge_rt.board_model.calibration import (
    ModelCalibration,
    load_calibration,
    save_calibration,
)
from edge_rt.board_model.runtime import Runtime
from edge_rt.cli.exits import CommandFailure
from edge_rt.core.cached import Kept
from edge_rt.core.errors import ConfigError
from edge_rt.core.system.database import File, Schema
from edge_rt.core.system.storage import Storage
from edge_rt.energy.ledger_records import Day, Pending
from edge_rt.energy.ledger_tables import LEDGER, LedgerTables
from edge_rt.engine.kv.prefix_files import PrefixFolder, PrefixHeader
from edge_rt.generation.cache.tables import SCHEMA as CACHE
from edge_rt.generation.cache.tables import Tables
from edge_rt.governor.knobs.journal import Journal, JournalEntry
from edge_rt.governor.knobs.knob import KnobError
from edge_rt.governor.leakage_watch import UNKNOWN, LeakageWatch
from edge_rt.models.formats.summary import Summary
from edge_rt.models.store.manifest import Manifest, ManifestRecord, Stamp, StoredFile
from edge_rt.thermal.leakage import Slope

T = TypeVar("T", bound=File)
Change = Callable[[dict[str, Any]], object]
NEWER = "newer edge_rt"
FIRST = {  # of a summary
    *("architecture", "name", "organisation", "licence", "quantisation", "parameters"),
    *("file_bytes", "context_train", "layers", "embedding", "heads", "kv_heads", "head_dim_k"),
    *("head_dim_v", "kv_per_token", "vocab", "chat_template", "bos_token", "eos_token", "add_bos"),
}
DAY = Day("2026-01-31", "measured", 2.0, 1.0, 60.0, 0.0)
ANSWER = Kept(b"key", "tiny", "uid:0", 5.0, b"said")
CALIBRATION = ModelCalibration(
    board="pi",
    model="tiny",
    sha256="ab" * 32,
    backend="llama",
    threads=1,
    gpu_layers=0,
    kv_type="f16",
    calibrated_at=datetime(2026, 1, 31, tzinfo=timezone.utc),
    promise=Runtime(0.01, 0.005),
    error_ratio=0.1,
)
FILE = StoredFile("tiny.gguf", "ab" * 32, Stamp(64, 1, 2))
RECORD = ManifestRecord(
    id="tiny", files=(FILE,), created=5, backend="llama.cpp", summary=Summary(file_bytes=64)
)
HEAD = PrefixHeader(b"k", "tiny", "uid:0", b"\0\0\0\0", 5.0, 0.01, False)


@dataclass(frozen=True)
class Case:
    """A file that is kept: `write` makes or changes it, `read` returns what it holds."""

    file: str
    write: Callable[[Path], object]
    read: Callable[[Path], object]
    newer: Callable[[Path], object]  # makes it one of a later version
    more: Callable[[Path], object]  # adds what is not known
    less: Callable[[Path], object]  # takes away what has a default


def edited(change: Change) -> Callable[[Path], None]:
    def edit(path: Path) -> None:
        loads = json.loads if path.suffix == ".json" else yaml.safe_load
        document = loads(path.read_text())
        change(document)
        path.write_text(json.dumps(document))

    return edit


def document(
    file: str,
    write: Callable[[Path], object],
    read: Callable[[Path], object],
    version: int,
    more: Change,
    less: Change,
) -> Case:
    def later(document: dict[str, Any]) -> None:
        document["version"] = version + 1
        document["new"] = {"x": 1}

    def both(document: dict[str, Any]) -> None:
        more(document)
        document["version"] = version

    return Case(file, write, read, edited(later), edited(both), edited(less))


def database(
    schema: Schema,
    make: Callable[[Path], T],
    write: Callable[[T], object],
    read: Callable[[T], object],
    table: str,
    column: str,
) -> Case:
    def done(path: Path, work: Callable[[T], object]) -> object:
        storage = Storage(path, schema, lambda: make(path), lambda: 5.0, "all is lost")
        try:
            return storage.attempt(work)
        finally:
            storage.close()

    def changed(statement: str) -> Callable[[Path], None]:
        def change(path: Path) -> None:
            with closing(sqlite3.connect(path)) as db:
                db.execute(statement)

        return change

    def less(path: Path) -> None:
        """SQLite before 3.35 drops no column: the table is made again without it."""
        with closing(sqlite3.connect(path)) as db:
            names = [row[1] for row in db.execute(f"PRAGMA table_info({table})")]
            kept = ", ".join(name for name in names if name != column)
            db.execute(f"CREATE TABLE other AS SELECT {kept} FROM {table}")
            db.execute(f"DROP TABLE {table}")
            db.execute(f"ALTER TABLE other RENAME TO {table}")
            db.commit()

    return Case(
        f"{schema.name.split()[0]}.db",
        lambda path: done(path, write),
        lambda path: done(path, read),
        changed(f"PRAGMA user_version={schema.version + 1}"),
        changed(f"ALTER TABLE {table} ADD COLUMN added TEXT"),
        less,
    )


def booked(tables: LedgerTables) -> None:
    batch = Pending()
    batch.day(DAY)
    tables.write(batch)


def watched(path: Path, read: bool) -> object:
    watch = LeakageWatch(path.parent, lambda: 0.0)
    watch.begin("pi", UNKNOWN)
    _tell(watch.trouble.told)
    if read:
        return watch.fit.seen_c
    watch._slopes = [Slope(40.0 + n, 0.02, 4.0, 4.0, at_work=False) for n in range(8)]
    watch.end()
    return None


def calibrated(path: Path) -> object:
    found = load_calibration(path)
    return found if isinstance(found, ModelCalibration) else _tell(found.reason)


def stored(path: Path) -> None:
    manifest = Manifest(path.parent)
    with manifest.changing() as records:
        manifest.write(records | {RECORD.id: RECORD})


def prefix_newer(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"edge-px1", b"edge-px2"))


def nothing(path: Path) -> None:
    """A format of fixed fields, whose check would not hold."""


def _tell(told: object) -> None:
    """Log what a file is told to be, which others raise or log themselves."""
    if told is not None:
        logging.getLogger("test").warning("%s", told)


def prefixes(path: Path) -> list[str]:
    return [one.head.model for one in PrefixFolder(path.parent).scan()]


CASES = [
    database(
        LEDGER,
        lambda path: LedgerTables(path, 1 << 20),
        booked,
        lambda tables: tables.totals(5)[0],
        "answers",
        "answer_id",
    ),
    database(
        CACHE,
        lambda path: Tables(path, 1 << 20),
        lambda tables: tables.write(ANSWER, 5.0),
        lambda tables: tables.read(b"key"),
        "kept",
        "used",
    ),
    document(
        "leakage-pi.json",
        lambda path: watched(path, read=False),
        lambda path: watched(path, read=True),
        2,
        lambda kept: kept.update(new=2),
        lambda kept: kept.pop("version"),
    ),
    document(
        CALIBRATION.file_name,
        lambda path: save_calibration(path.parent, CALIBRATION),
        calibrated,
        3,
        lambda kept: kept["promise"].update(new=1) or kept.update(new=2),
        lambda kept: kept.pop("draws"),
    ),
    document(
        "manifest.json",
        stored,
        lambda path: Manifest(path.parent).read(),
        2,
        lambda kept: kept["models"][0]["summary"].update(new=1) or kept["models"][0].update(new=1),
        lambda kept: [
            kept["models"][0]["summary"].pop(n) for n in ("control_tokens", "name", "layers")
        ],
    ),
    Case(
        f"{HEAD.name}.prefix",
        lambda path: PrefixFolder(path.parent).write(HEAD, b"state"),
        prefixes,
        prefix_newer,
        nothing,
        nothing,
    ),
]


@contextmanager
def refused() -> Iterator[None]:
    """Log what is raised for a file that cannot be used."""
    try:
        yield
    except (OSError, ConfigError, CommandFailure) as error:
        _tell(error.message if isinstance(error, CommandFailure) else error)


@pytest.fixture(params=CASES, ids=lambda case: case.file.partition(".")[0][:12])
def case(request: pytest.FixtureRequest) -> Case:
    return request.param


def others(path: Path) -> list[str]:
    """The files beside it, but for locks and those of SQLite."""
    left = ("-wal", "-shm", ".lock", path.name)
    return sorted(each.name for each in path.parent.iterdir() if not each.name.endswith(left))


def test_a_file_of_a_newer_version_is_left_alone_and_that_is_said(
    case: Case, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    path = tmp_path / case.file
    case.write(path)
    held = case.read(path)
    assert held
    case.newer(path)
    before, inode = path.read_bytes(), path.stat().st_ino
    with refused():
        assert case.read(path) != held
    with refused():
        case.write(path)
    assert (path.read_bytes(), path.stat().st_ino) == (before, inode)
    assert [name for name in others(path) if "corrupt" in name] == []
    assert NEWER in caplog.text
    assert "damaged" not in caplog.text


def test_what_is_not_known_is_passed_over(case: Case, tmp_path: Path) -> None:
    path = tmp_path / case.file
    case.write(path)
    held = case.read(path)
    case.more(path)
    assert held
    assert case.read(path) == held
    case.write(path)
    assert case.read(path)
    assert [name for name in others(path) if "corrupt" in name] == []


def test_what_lacks_has_its_default(case: Case, tmp_path: Path) -> None:
    path = tmp_path / case.file
    case.write(path)
    held = case.read(path)
    case.less(path)
    assert held
    assert case.read(path) == held
    case.write(path)
    assert case.read(path)


def test_knobs_are_put_back_by_a_journal_that_says_more(tmp_path: Path) -> None:
    """It has no versions: what cannot be understood is never written over."""
    journal = Journal(tmp_path / "knobs.json")
    entry = JournalEntry(knob="fan", original=1, wanted=2)
    journal.put(entry)
    kept = json.loads(journal.path.read_text())
    kept[0]["new"] = 1
    journal.path.write_text(json.dumps(kept))
    assert journal.entries() == (entry,)
    journal.path.write_text(json.dumps({"version": 2, "entries": kept}))
    before = journal.path.read_bytes()
    with pytest.raises(KnobError, match="no knob is touched"):
        journal.put(entry)
    assert journal.path.read_bytes() == before


def test_older_programs_find_all_that_they_need_in_a_list_of_models(tmp_path: Path) -> None:
    """Version 2 had these from its first day on, and a program of then refuses a list without."""
    stored(tmp_path / "manifest.json")
    (kept,) = json.loads((tmp_path / "manifest.json").read_text())["models"]
    assert kept["summary"].keys() >= FIRST
    assert {"id", "files", "created", "backend", "summary"} <= kept.keys()
