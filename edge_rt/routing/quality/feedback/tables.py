"""What was learnt, in its file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from edge_rt.database.file import File
from edge_rt.database.schema import Schema
from edge_rt.routing.quality.feedback.cell import Cell, Key

_KEY, _SUMS = Key._fields, Cell.__struct_fields__
_COLUMNS = (*(f"{name} TEXT" for name in _KEY), *(f"{name} REAL" for name in _SUMS))

SCHEMA = Schema(
    name="file of what the router has learnt",
    version=2,
    tables={
        "cells": f"CREATE TABLE cells ({', '.join(_COLUMNS)}, PRIMARY KEY ({', '.join(_KEY)}))"
    },
)

MOST_BYTES = 4 << 20
_SLICE = 16  # cells deleted at a time
_PAGES = 256  # of one transaction: all cells


class Tables(File):
    """See File; the cells go first of which nothing was heard for longest."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, SCHEMA, MOST_BYTES, _PAGES)

    def read(self) -> list[tuple[Key, Cell]]:
        """All cells, but for those whose figures cannot be."""
        rows = self._db.execute(f"SELECT {', '.join((*_KEY, *_SUMS))} FROM cells")
        found = ((row[: len(_KEY)], row[len(_KEY) :]) for row in rows)
        return [(Key(*key), Cell(*sums)) for key, sums in found if _whole(key, sums)]

    def write(self, cells: Mapping[Key, Cell | None]) -> int:
        """Keep cells in place of what there is of them, None: nothing is to be there; how many."""
        holes = ", ".join("?" * len((*_KEY, *_SUMS)))
        which = " AND ".join(f"{name} = ?" for name in _KEY)
        with self.transaction():
            for key, cell in cells.items():
                self._db.execute(f"DELETE FROM cells WHERE {which}", key)
                if cell is not None:
                    row = (*key, *(getattr(cell, name) for name in _SUMS))
                    self._db.execute(f"INSERT INTO cells VALUES ({holes})", row)
        return len(cells)

    def drop_some(self) -> bool:
        """Delete a few of the cells that are oldest; False where there are none."""
        rows = f"SELECT rowid FROM cells ORDER BY at_s LIMIT {_SLICE}"
        with self.transaction():
            return self._db.execute(f"DELETE FROM cells WHERE rowid IN ({rows})").rowcount > 0


def _whole(key: tuple[object, ...], sums: tuple[object, ...]) -> bool:
    if not all(isinstance(word, str) for word in key):
        return False
    numbers = [number for number in sums if isinstance(number, float)]
    return len(numbers) == len(sums) and Cell(*numbers).possible
