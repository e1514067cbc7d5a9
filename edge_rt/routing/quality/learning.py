"""What answers and marks teach the router, and the file that keeps it."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple, TypeVar

from edge_rt.core.clock import Pause
from edge_rt.core.database import File, Schema
from edge_rt.core.logs import Trouble
from edge_rt.core.reports.planning import Arm, RouterReport, TrialsReport
from edge_rt.core.routing import Served
from edge_rt.core.storage import Storage
from edge_rt.models.pair import LOSSLESS
from edge_rt.routing.choice.trace import Trace
from edge_rt.routing.quality.judge import ArmTrials, Judge
from edge_rt.routing.quality.learner import ArmCell, ArmFilter, Context, Key, Learner

_KEY, _SUMS = Key._fields, ArmCell.__struct_fields__
_COLUMNS = (*(f"{name} TEXT" for name in _KEY), *(f"{name} REAL DEFAULT 0.0" for name in _SUMS))

SCHEMA = Schema(
    name="file of what the router has learnt",
    version=2,
    oldest=2,
    tables={
        "cells": f"CREATE TABLE cells ({', '.join(_COLUMNS)}, PRIMARY KEY ({', '.join(_KEY)}))"
    },
)

MOST_BYTES = 4 << 20
_SLICE = 16  # cells deleted at a time
_PAGES = 256  # of one transaction: all cells


class LearningTables(File):
    """A File of cells; those go first of which nothing was heard for longest."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, SCHEMA, MOST_BYTES, _PAGES)

    def read(self) -> list[tuple[Key, ArmCell]]:
        """All cells, but for those whose figures cannot be."""
        rows = self._db.execute(f"SELECT {', '.join((*_KEY, *_SUMS))} FROM cells")
        found = ((row[: len(_KEY)], row[len(_KEY) :]) for row in rows)
        return [(Key(*key), ArmCell(*sums)) for key, sums in found if _whole(key, sums)]

    def write(self, cells: Mapping[Key, ArmCell | None]) -> int:
        """Keep cells in place of what there is of them, None: nothing is to be there; how many."""
        names, holes = ", ".join((*_KEY, *_SUMS)), ", ".join("?" * len((*_KEY, *_SUMS)))
        which = " AND ".join(f"{name} = ?" for name in _KEY)
        with self.transaction():
            for key, cell in cells.items():
                self._db.execute(f"DELETE FROM cells WHERE {which}", key)
                if cell is not None:
                    row = (*key, *(getattr(cell, name) for name in _SUMS))
                    self._db.execute(f"INSERT INTO cells ({names}) VALUES ({holes})", row)
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
    return len(numbers) == len(sums) and ArmCell(*numbers).possible


T = TypeVar("T")

KEPT = 1024  # answers that can still teach something
REST_S = 5.0  # between two writes; a kill loses what came in it


class _Given(NamedTuple):
    """An answer's cell, and its predicted figures before any correction; None: unknown."""

    key: Key
    energy_j: float | None
    seconds: float | None


class Learning:
    """Learns from choices and their results, by the ids of the answers."""

    def __init__(
        self, path: Path, clock: Callable[[], float], pause: Pause = asyncio.sleep
    ) -> None:
        """Opens nothing yet. `clock` gives Unix seconds."""
        self._learner, self._trials = Learner(clock, LOSSLESS), ArmTrials()
        self.judge = Judge(self._learner, self._trials)
        without = "what the router learns is lost at the end"
        self._storage = Storage(path, SCHEMA, lambda: LearningTables(path), clock, without)
        self._given: OrderedDict[str, _Given] = OrderedDict()
        self._pause = pause
        self._news = asyncio.Event()

    @property
    def trouble(self) -> Trouble:
        """The fault of the file, if it cannot be used."""
        return self._storage.trouble

    def chosen(self, id: str, trace: Trace) -> None:
        """Note that the answer of that id goes the way that `trace` chose."""
        chosen = trace.chosen
        if chosen is None or chosen.learnt is None:
            return
        learnt, setting = chosen.learnt, chosen.setting
        energy_j = seconds = None
        if chosen.loaded and chosen.prefill_s is not None and chosen.decode_s is not None:
            seconds = (chosen.prefill_s + chosen.decode_s) / learnt.seconds_ratio
            energy_j = chosen.energy_j and chosen.energy_j / learnt.joules_ratio
        key = Key(setting.variant, setting.mode, *learnt.context, chosen.file)
        self._keep(id, _Given(key, energy_j, seconds))

    def named(self, id: str, model: str, mode: str, context: Context, file: str) -> None:
        """Note that the answer of that id goes to a model that the client named."""
        self._keep(id, _Given(Key(model, mode, *context, file), None, None))

    def made(self, id: str, mode: str) -> None:
        """Note the mode of an answer under way, which may differ from the one chosen."""
        given = self._given.get(id)
        if given is not None and given.key.mode != mode:
            self._given[id] = _Given(given.key.by_itself(mode), None, None)

    def took(self, id: str, served: Served) -> None:
        """Learn from an answer that was measured and had the engine for itself."""
        given = self._given.get(id)
        if given is None or not given.seconds or not given.energy_j or not served.energy_j:
            return
        seconds = (served.prefill_s + served.decode_s) / given.seconds
        self._learner.took(given.key, max(0.0, served.energy_j) / given.energy_j, seconds)
        self._news.set()

    def mark(self, id: str, mark: float, weight: float) -> bool:
        """Learn a mark from 0 to 1 of an answer; False where that answer is not known."""
        given = self._given.get(id)
        if given is None:
            return False
        self._learner.mark(given.key, mark, weight)
        self._news.set()
        return True

    def report(self) -> RouterReport:
        """All that is known, what was heard of last first."""
        cells = reversed(list(self._learner.cells().items()))
        trials = self._trials
        return RouterReport(
            stored=self.trouble.told is None,
            arms=[_arm(key, cell) for key, cell in cells],
            trials=TrialsReport(trials.requests, trials.trials, trials.best_j, trials.extra_j),
        )

    def recalibrated(self, model: str) -> None:
        """Forget the joules and seconds of a model, whose predictions have changed."""
        self._learner.recalibrated(model)
        self._news.set()

    def reset(self, which: ArmFilter) -> int:
        """Forget the selected arms; return how many, counted by context."""
        gone = self._learner.reset(which)
        self._news.set()
        return gone

    def _keep(self, id: str, given: _Given) -> None:
        self._given[id] = given
        if len(self._given) > KEPT:
            self._given.popitem(last=False)

    # --- the file

    async def run(self) -> None:
        """Take what was kept, and keep what comes, as long as this runs."""
        while (found := await self._do(LearningTables.read)) is None:
            await self._pause(REST_S)
        self._learner.restore(found)
        while True:
            await self._news.wait()
            await self.write()
            await self._pause(REST_S)

    async def write(self) -> None:
        """Bring what is new to the file; what cannot be brought there stays new."""
        self._news.clear()
        changed, self._learner.changed = self._learner.changed, set()
        cells = self._learner.cells()
        new = {key: cells.get(key) for key in changed}
        if new and await self._do(lambda tables: tables.write(new)) is None:
            self._learner.changed |= changed
            self._news.set()

    async def close(self) -> None:
        """Write all there is, and let go of the file."""
        await self.write()
        await asyncio.to_thread(self._storage.close)

    async def _do(self, work: Callable[[LearningTables], T]) -> T | None:
        """Do `work` on the file; return None where that cannot be used now."""
        return await asyncio.to_thread(self._storage.attempt, work, proves=True)


def _arm(key: Key, cell: ArmCell) -> Arm:
    return Arm(
        *key[:-1],  # people know the model by its id
        round(cell.good, 3),
        round(cell.bad, 3),
        round(cell.answers, 3),
        round(cell.joules_ratio, 3),
        round(cell.seconds_ratio, 3),
    )
