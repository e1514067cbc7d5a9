"""A contextual bandit over the ways to serve a request."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from edge_rt.routing.quality.feedback.cell import Cell, Key

KEPT = 2048  # cells; those go first of which nothing was heard for longest

Context = tuple[str, str, str]
"""By which prompts are alike; see Features."""


class Learnt(msgspec.Struct, frozen=True):
    """What was learnt of a way to serve requests of a context.

    `presumed` is the probability that its answer is good enough without what was learnt, and `p`
    with it; None: not known. Joules and seconds are so many times those foretold. `marks` and
    `answers` are what that rests on.
    """

    context: Context
    presumed: float | None = None
    p: float | None = None
    marks: float = 0.0
    joules_ratio: float = 1.0
    seconds_ratio: float = 1.0
    answers: float = 0.0


class Which(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be forgotten: of a model, of a mode; what is left out is any."""

    model: str | None = None
    mode: str | None = None

    def fits(self, key: Key) -> bool:
        """Whether `key` is of that."""
        return self.model in (None, key.model) and self.mode in (None, key.mode)


class Learner:
    """Knows a bounded number of cells; `changed` are those that were not kept since."""

    def __init__(self, clock: Callable[[], float], alike: Sequence[str] = ()) -> None:
        """`clock` gives Unix seconds. In modes that are `alike` answers are the same: all marks of
        them are kept for the first.
        """
        self._clock, self._alike = clock, alike
        self._cells: dict[Key, Cell] = {}
        self.changed: set[Key] = set()

    def learnt(
        self,
        model: str,
        mode: str,
        context: Context,
        presumed: float | None = None,
        file: str = "",
    ) -> Learnt:
        """What is known of an arm in a context."""
        key = Key(model, mode, *context, file)
        cell, marked = self._now(key), self._now(self._marked(key))
        return Learnt(
            context,
            presumed,
            None if presumed is None else marked.corrected(presumed),
            marked.marks,
            cell.joules_ratio,
            cell.seconds_ratio,
            cell.answers,
        )

    def p(self, key: Key, presumed: float) -> float:
        """The probability that its answer is good enough, where `presumed` is without marks."""
        return self._now(self._marked(key)).corrected(presumed)

    def mark(self, key: Key, mark: float, weight: float = 1.0) -> None:
        """An answer was found so good, from 0 to 1."""
        key = self._marked(key)
        self._keep(key, self._now(key).marked(mark, weight))

    def took(self, key: Key, joules_times: float, seconds_times: float) -> None:
        """An answer took so many times the joules and seconds foretold."""
        self._keep(key, self._now(key).took(joules_times, seconds_times))

    def recalibrated(self, model: str) -> None:
        """What is foretold of it has other grounds: what answers took beside that is forgotten."""
        for key, cell in self._cells.items():
            if key.model == model:
                self._cells[key] = cell.untimed()
                self.changed.add(key)

    def cells(self) -> Mapping[Key, Cell]:
        """All of them as they are now, the one heard of last at the end."""
        now = self._clock()
        return {key: cell.faded(now) for key, cell in self._cells.items()}

    def restore(self, cells: Iterable[tuple[Key, Cell]]) -> None:
        """Take what was kept, beside what was learnt since."""
        kept = dict(sorted(cells, key=lambda item: item[1].at_s)[-KEPT:])
        since = {k: c.joined(kept[k]) if k in kept else c for k, c in self._cells.items()}
        self._cells = {**kept, **since}

    def reset(self, which: Which) -> int:
        """Forget; how many cells that were."""
        gone = [key for key in self._cells if which.fits(key)]
        for key in gone:
            del self._cells[key]
        self.changed.update(gone)
        return len(gone)

    def _marked(self, key: Key) -> Key:
        """Where its marks are."""
        return key.by_itself(self._alike[0]) if key.mode in self._alike else key

    def _now(self, key: Key) -> Cell:
        now = self._clock()
        return self._cells.get(key, Cell(now)).faded(now)

    def _keep(self, key: Key, cell: Cell) -> None:
        self._cells.pop(key, None)
        self._cells[key] = cell  # as the latest
        self.changed.add(key)
        if len(self._cells) > KEPT:
            oldest = next(iter(self._cells))
            del self._cells[oldest]
            self.changed.add(oldest)
