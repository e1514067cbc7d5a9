"""Marks of answers: by which model, in which mode, and the file that keeps them."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

import msgspec
from typing_extensions import override

from edge_rt.core.clock import Pause
from edge_rt.core.logs import Trouble
from edge_rt.core.reports.planning import MarkedModel, RouterReport
from edge_rt.core.system.database import File, Schema
from edge_rt.core.system.storage import Storage

SCHEMA = Schema(
    name="file of what the router has learnt",
    version=2,
    oldest=2,
    tables={
        "marks": "CREATE TABLE marks (at_s REAL, model TEXT, mode TEXT, mark REAL, "
        "weight REAL DEFAULT 1.0)"
    },
)

MOST_BYTES = 4 << 20
KEPT = 1024  # answers that can still be marked
REST_S = 5.0  # between two writes; a kill loses what came in it
_SLICE = 16  # marks deleted at a time
_PAGES = 256  # of one transaction

T = TypeVar("T")


class Mark(NamedTuple):
    """A mark from 0 to 1 of an answer, given at `at_s` in Unix seconds."""

    at_s: float
    model: str
    mode: str
    mark: float


class MarkFilter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Selects the marks to forget by model and mode; None matches any."""

    model: str | None = None
    mode: str | None = None

    def fits(self, model: str, mode: str) -> bool:
        """Return whether marks of that model in that mode are selected."""
        return self.model in (None, model) and self.mode in (None, mode)


class MarkTable(File):
    """A File of marks; the oldest go first."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, SCHEMA, MOST_BYTES, _PAGES)

    def sums(self) -> list[tuple[str, str, float, float]]:
        """Return each model and mode with its good and bad marks, those marked last at the end."""
        sums = "TOTAL(weight * mark), TOTAL(weight * (1 - mark))"
        rows = f"SELECT model, mode, {sums} FROM marks GROUP BY model, mode ORDER BY MAX(at_s)"
        return list(self._db.execute(rows))

    def write(self, marks: Sequence[Mark]) -> int:
        """Keep more marks; return how many."""
        self.make_room(256 * len(marks))
        with self.transaction():
            into = f"marks ({', '.join(Mark._fields)})"
            self._db.executemany(f"INSERT INTO {into} VALUES (?, ?, ?, ?)", marks)
        return len(marks)

    def delete(self, which: MarkFilter) -> None:
        """Delete marks."""
        said = {"model": which.model, "mode": which.mode}
        where = "(:model IS NULL OR model = :model) AND (:mode IS NULL OR mode = :mode)"
        with self.transaction():
            self._db.execute(f"DELETE FROM marks WHERE {where}", said)

    @override
    def drop_some(self) -> bool:
        rows = f"SELECT rowid FROM marks ORDER BY at_s LIMIT {_SLICE}"
        with self.transaction():
            return self._db.execute(f"DELETE FROM marks WHERE rowid IN ({rows})").rowcount > 0


class FeedbackStore:
    """Keeps the marks of answers; nothing is decided by them."""

    def __init__(
        self, path: Path, clock: Callable[[], float], pause: Pause = asyncio.sleep
    ) -> None:
        """Prepare the store, opening nothing yet; `clock` gives Unix seconds."""
        without = "marks of answers are lost at the end"
        self._storage = Storage(path, SCHEMA, lambda: MarkTable(path), clock, without)
        self._served: OrderedDict[str, tuple[str, str]] = OrderedDict()
        self._sums: dict[tuple[str, str], tuple[float, float]] = {}  # good and bad, latest last
        self._unwritten: list[Mark] = []
        self._forgotten: list[MarkFilter] = []  # that the file still has
        self._clock, self._pause = clock, pause
        self._news = asyncio.Event()

    @property
    def trouble(self) -> Trouble:
        """The fault of the file, if it cannot be used."""
        return self._storage.trouble

    def served(self, id: str, model: str, mode: str) -> None:
        """Note which model makes the answer of that id, and in which mode."""
        self._served[id] = model, mode
        if len(self._served) > KEPT:
            self._served.popitem(last=False)

    def mark(self, id: str, mark: float) -> bool:
        """Keep a mark from 0 to 1 of an answer; return False where that answer is not known."""
        served = self._served.get(id)
        if served is None:
            return False
        self._add(*served, mark, 1.0 - mark)
        self._unwritten.append(Mark(self._clock(), *served, mark))
        self._news.set()
        return True

    def report(self) -> RouterReport:
        """Return the marks of each model and mode, those that were marked last first."""
        sums = reversed(self._sums.items())
        told = [MarkedModel(*key, round(good, 3), round(bad, 3)) for key, (good, bad) in sums]
        return RouterReport(stored=self.trouble.told is None, marks=told)

    def reset(self, which: MarkFilter) -> int:
        """Forget marks; return of how many models and modes."""
        kept = {key: sums for key, sums in self._sums.items() if not which.fits(*key)}
        gone, self._sums = len(self._sums) - len(kept), kept
        self._unwritten = [one for one in self._unwritten if not which.fits(one.model, one.mode)]
        self._forgotten.append(which)
        self._news.set()
        return gone

    def _add(self, model: str, mode: str, good: float, bad: float) -> None:
        before = self._sums.pop((model, mode), (0.0, 0.0))
        self._sums[model, mode] = before[0] + good, before[1] + bad

    # --- the file

    async def run(self) -> None:
        """Take what was kept, and keep what comes, as long as this runs."""
        while (found := await self._do(MarkTable.sums)) is None:
            await self._pause(REST_S)
        since, self._sums = self._sums, {}
        for model, mode, good, bad in found:
            if not any(which.fits(model, mode) for which in self._forgotten):
                self._add(model, mode, good, bad)
        for key, sums in since.items():
            self._add(*key, *sums)
        while True:
            await self._news.wait()
            await self.write()
            await self._pause(REST_S)

    async def write(self) -> None:
        """Bring what is new to the file; what cannot be brought there stays new."""
        self._news.clear()
        new, self._unwritten = self._unwritten, []
        gone, self._forgotten = self._forgotten, []

        def work(table: MarkTable) -> int:
            for which in gone:
                table.delete(which)
            return table.write(new)

        if (new or gone) and await self._do(work) is None:
            since = self._forgotten
            left = [m for m in new if not any(which.fits(m.model, m.mode) for which in since)]
            self._unwritten, self._forgotten = [*left, *self._unwritten], [*gone, *since]
            self._news.set()

    async def close(self) -> None:
        """Write all there is, and let go of the file."""
        await self.write()
        await asyncio.to_thread(self._storage.close)

    async def _do(self, work: Callable[[MarkTable], T]) -> T | None:
        """Do `work` on the file; return None where that cannot be used now."""
        return await asyncio.to_thread(self._storage.attempt, work, proves=True)
