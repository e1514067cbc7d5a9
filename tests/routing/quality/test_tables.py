"""What was learnt comes back whole, and what cannot have been learnt does not."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from edge_rt.routing.quality.learner import KEPT, ArmCell, Key
from edge_rt.routing.quality.learning import LearningTables

TINY, BIG = (Key(model, "single", "maths", "short", "plain") for model in ("tiny", "big"))
CELL = ArmCell(1000.0).marked(0.7, 1.0).took(2.0, 0.5)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "router.db"


def test_it_comes_back(path: Path) -> None:
    tables = LearningTables(path)
    tables.write({TINY: CELL, BIG: ArmCell(5.0)})
    tables.write({TINY: CELL.marked(1.0, 0.5), BIG: None})
    other = TINY._replace(file="b" * 16)
    tables.write({other: CELL})
    tables.close()
    assert LearningTables(path).read() == [(TINY, CELL.marked(1.0, 0.5)), (other, CELL)]


def test_all_that_may_be_known_has_room(path: Path) -> None:
    tables = LearningTables(path)
    tables.write({TINY._replace(model=f"model-{n}"): CELL for n in range(KEPT)})
    assert len(tables.read()) == KEPT
    assert tables.drop_some()
    assert len(tables.read()) < KEPT


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("good", 1e9),
        ("bad", -1.0),
        ("answers", "many"),
        ("joules", 100.0),
        ("at_s", None),
        ("mode", None),
    ],
)
def test_figures_that_cannot_be_are_left_out(path: Path, column: str, value: object) -> None:
    tables = LearningTables(path)
    tables.write({TINY: CELL, BIG: CELL})
    with sqlite3.connect(path) as other:
        other.execute(f"UPDATE cells SET {column} = ? WHERE model = 'tiny'", (value,))
    assert tables.read() == [(BIG, CELL)]
