"""Tables of the semantic cache in a database, and the similarity of their vectors."""

from __future__ import annotations

import math
import sqlite3
from array import array
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import itemgetter, mul
from pathlib import Path
from typing import NamedTuple

from edge_rt.core.cached import Group, Kept, Which, pack, unpack
from edge_rt.core.system.database import PAGE, File, Schema

SCHEMA = Schema(
    name="cache",
    version=1,
    tables={
        "kept": """CREATE TABLE kept (
            key BLOB PRIMARY KEY, model TEXT, client TEXT, made REAL, used REAL, size INTEGER,
            packed BLOB, digest BLOB)""",
    },
    further=[
        "CREATE INDEX kept_by_use ON kept (used)",
        "CREATE INDEX kept_by_age ON kept (made)",
    ],
)

SHARE = 16  # of the file may one answer have one part
_SLICE = 16  # answers deleted at a time
SHORT = 64  # vectors that are compared in full
_RADIUS = 0.3  # of the signs may differ: those of a cosine of 0.8 do in 0.2, chance makes it 0.26
_PEAK = 127
_SIGNS = bytes(49 if value < 128 else 48 for value in range(256))  # "1" for what is not below 0


class Recent:
    """Holds at most `max_bytes` of answers; the least recently used goes first."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._kept: OrderedDict[bytes, Kept] = OrderedDict()

    def __contains__(self, kept: Kept) -> bool:
        return self._kept.get(kept.key) is kept

    def get(self, key: bytes) -> Kept | None:
        """Return the answer of that key, used now."""
        kept = self._kept.get(key)
        if kept is not None:
            self._kept.move_to_end(key)
        return kept

    def put(self, kept: Kept) -> None:
        """Take an answer, in place of any of its key; one that is too large goes at once."""
        self._forget(kept.key)
        self._kept[kept.key] = kept
        self._bytes += kept.size
        while self._bytes > self._max_bytes:
            self._forget(next(iter(self._kept)))

    def drop(self, goes: Callable[[Kept], bool]) -> None:
        """Forget the answers for which `goes` returns True."""
        for kept in [kept for kept in self._kept.values() if goes(kept)]:
            self._forget(kept.key)

    def _forget(self, key: bytes) -> None:
        kept = self._kept.pop(key, None)
        self._bytes -= 0 if kept is None else kept.size


class Tables(File):
    """The file of the answers; those that were not used for longest go first."""

    def __init__(self, path: Path, max_bytes: int) -> None:
        super().__init__(path, SCHEMA, max_bytes, max_bytes // PAGE // SHARE + 16)

    def read(self, key: bytes) -> Kept | None:
        """Return the answer of that key.

        Raises sqlite3.DatabaseError where it is no longer whole.
        """
        query = "SELECT key, packed, digest FROM kept WHERE key = ?"
        row = self._db.execute(query, (key,)).fetchone()
        return None if row is None else _whole(*row)

    def page(self, last: int, most: int) -> list[tuple[int, Kept]]:
        """Return at most so many of the answers written after that of the number `last`.

        Each comes with its own number; raises as `read` does.
        """
        query = "SELECT rowid, key, packed, digest FROM kept WHERE rowid > ? ORDER BY rowid LIMIT ?"
        return [(row, _whole(*kept)) for row, *kept in self._db.execute(query, (last, most))]

    def write(self, kept: Kept, used: float) -> None:
        """Keep an answer, in place of any of its key; others make room where they must."""
        self.make_room(kept.size)
        row = (kept.key, kept.model, kept.client, kept.made, used, kept.size, *pack(kept))
        with self.transaction():
            self._db.execute(
                "INSERT OR REPLACE INTO kept (key, model, client, made, used, size, packed, digest)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                row,
            )

    def use(self, used: Mapping[bytes, float]) -> None:
        """Note when answers were used last, by their keys in Unix seconds."""
        with self.transaction():
            rows = [(when, key) for key, when in used.items()]
            self._db.executemany("UPDATE kept SET used = ? WHERE key = ?", rows)

    def expire(self, before: float) -> None:
        """Delete answers that were made before then, in Unix seconds."""
        while self._drop("made < ? ORDER BY made", [before]):
            pass

    def purge(self, which: Which, now: float) -> int:
        """Delete `which` answers at `now` in Unix seconds, and give their room back; how many."""
        before = None if which.older_s is None else now - which.older_s
        terms = {"model = ?": which.model, "client = ?": which.client, "made < ?": before}
        chosen = {term: value for term, value in terms.items() if value is not None}
        gone = 0
        while dropped := self._drop(" AND ".join(chosen) or "1", chosen.values()):
            gone += dropped
        self.give_back()
        return gone

    def groups(self) -> list[Group]:
        """Return what there is, by model and client."""
        rows = self._db.execute(
            """SELECT model, client, COUNT(*), SUM(size), MIN(made), MAX(made) FROM kept
               GROUP BY model, client ORDER BY model, client"""
        )
        return [Group(*row) for row in rows]

    def drop_some(self) -> bool:
        """Delete a few answers that were not used for longest; False where there are none."""
        return self._drop("1 ORDER BY used", []) > 0

    def _drop(self, where: str, values: Iterable[object]) -> int:
        rows = f"SELECT rowid FROM kept WHERE {where} LIMIT {_SLICE}"
        with self.transaction():
            done = self._db.execute(f"DELETE FROM kept WHERE rowid IN ({rows})", tuple(values))
            return done.rowcount


def _whole(key: bytes, packed: bytes, digest: bytes) -> Kept:
    kept = unpack(packed, digest)
    if kept is None or kept.key != key:
        raise sqlite3.DatabaseError("an answer in it is damaged")
    return kept


class Vector(NamedTuple):
    """A direction: its numbers as int8, the largest of them 127, and their signs as bits."""

    numbers: bytes
    signs: int


def vector(floats: bytes) -> Vector:
    """Return the vector of float32 numbers, little-endian; its length does not matter."""
    values = array("f", floats)
    scale = _PEAK / (max(map(abs, values)) or 1.0)
    return restored(array("b", [round(scale * value) for value in values]).tobytes())


def restored(numbers: bytes) -> Vector:
    """Return the vector of those numbers."""
    return Vector(numbers, int(numbers.translate(_SIGNS), 2))


def cosine(one: Vector, other: Vector) -> float:
    """Return the cosine of the angle between two vectors; 0 where their widths differ."""
    if len(one.numbers) != len(other.numbers):
        return 0.0
    a, b = memoryview(one.numbers).cast("b"), memoryview(other.numbers).cast("b")
    lengths = math.sqrt(sum(map(mul, a, a)) * sum(map(mul, b, b)))
    return sum(map(mul, a, b)) / (lengths or 1.0)


def nearest(
    point: Vector, keys: Sequence[bytes], vectors: Sequence[Vector], least: float, most: int
) -> list[tuple[float, bytes]]:
    """Return the `most` highest cosines of at least `least`, each with its vector's key.

    Signs choose the SHORT vectors that are compared in full: for a `least` of 0.8 and more those
    have all that the numbers would find but for chance, which the tests bound.
    """
    signs, radius = point.signs, _RADIUS * len(point.numbers)
    near = [
        (bits, key, one)
        for key, one in zip(keys, vectors, strict=True)
        if (bits := (signs ^ one.signs).bit_count()) <= radius
    ]
    near.sort(key=itemgetter(0))
    found = [(cosine(point, one), key) for _, key, one in near[:SHORT]]
    return sorted((pair for pair in found if pair[0] >= least), reverse=True)[:most]
