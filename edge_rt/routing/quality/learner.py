"""A contextual bandit over the ways to serve a request."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

PRIOR = 8.0  # marks that what is presumed weighs as much as
PRIOR_ANSWERS = 4.0  # the same for what an answer takes
MOST = 64.0  # marks, and answers: each further one takes the place of a part of all before
HALF_S = 30 * 86_400.0  # after which all that is known counts half
_HELPED_BY = "+"
_MOST_TIMES = math.log(4.0)  # that an answer may take more or less than predicted, as far as counts


class Key(NamedTuple):
    """An arm and a context: a model and a mode, and the features of prompts. See Features.

    `file` names the files behind the arm, see `file_of`: other files under the same ids start
    without its history.
    """

    model: str
    mode: str
    kind: str
    length: str
    level: str
    file: str = ""

    def by_itself(self, mode: str) -> Key:
        """Return the key of the model without help, in this mode."""
        return self._replace(mode=mode, file=self.file.partition(_HELPED_BY)[0])


def file_of(model: str, partner: str = "") -> str:
    """What an arm is made of: the file of its model, and that of the one that helps, if any."""
    return f"{model}{_HELPED_BY}{partner}" if partner else model


class ArmCell(msgspec.Struct, frozen=True):
    """Sums as of `at_s`, in Unix seconds, in which what is long ago counts less.

    `good` and `bad` are marks; 0.7 is 0.7 of a good and 0.3 of a bad one. `answers` counts measured
    answers; `joules` and `seconds` are sums of the logarithms of measured over predicted figures.
    """

    at_s: float
    good: float = 0.0
    bad: float = 0.0
    answers: float = 0.0
    joules: float = 0.0
    seconds: float = 0.0

    @property
    def marks(self) -> float:
        """The number of marks, weighted."""
        return self.good + self.bad

    @property
    def possible(self) -> bool:
        """Whether the sums can have come of marks and answers."""
        counts = self.good, self.bad, MOST + 1.0 - self.marks, MOST + 1.0 - self.answers
        most = _MOST_TIMES * self.answers + 1e-6
        times = max(abs(self.joules), abs(self.seconds))
        return math.isfinite(self.at_s) and all(n >= 0.0 for n in counts) and times <= most

    def corrected(self, presumed: float) -> float:
        """Return the probability of a good enough answer, which is `presumed` without marks.

        The mean of a Beta distribution with a prior of PRIOR marks. Ours.
        """
        return (PRIOR * presumed + self.good) / (PRIOR + self.marks)

    @property
    def joules_ratio(self) -> float:
        """Measured over predicted joules of an answer: a geometric mean that is drawn to 1."""
        return math.exp(self.joules / (self.answers + PRIOR_ANSWERS))

    @property
    def seconds_ratio(self) -> float:
        """Measured over predicted seconds, likewise."""
        return math.exp(self.seconds / (self.answers + PRIOR_ANSWERS))

    def faded(self, now_s: float) -> ArmCell:
        """Return the cell as of a later time."""
        keep = 0.5 ** (max(0.0, now_s - self.at_s) / HALF_S)
        return self._scaled(max(now_s, self.at_s), keep, keep)

    def marked(self, mark: float, weight: float) -> ArmCell:
        """Return the cell with one more mark, 0 to 1, that counts as much as `weight` marks."""
        room = self._scaled(self.at_s, _room(self.marks, weight), 1.0)
        good, bad = room.good + weight * mark, room.bad + weight * (1.0 - mark)
        return msgspec.structs.replace(room, good=good, bad=bad)

    def took(self, joules_times: float, seconds_times: float) -> ArmCell:
        """Return the cell with one more answer; both arguments are measured over predicted."""
        room = self._scaled(self.at_s, 1.0, _room(self.answers, 1.0))
        return msgspec.structs.replace(
            room,
            answers=room.answers + 1.0,
            joules=room.joules + _log(joules_times),
            seconds=room.seconds + _log(seconds_times),
        )

    def joined(self, older: ArmCell) -> ArmCell:
        """Return the sum of this cell and an older one of the same key."""
        older = older.faded(self.at_s)
        room = _room(older.marks, self.marks), _room(older.answers, self.answers)
        older = older._scaled(older.at_s, *room)
        names = self.__struct_fields__[1:]
        return ArmCell(older.at_s, *(getattr(self, name) + getattr(older, name) for name in names))

    def untimed(self) -> ArmCell:
        """Return the cell without its joules and seconds."""
        return self._scaled(self.at_s, 1.0, 0.0)

    def _scaled(self, at_s: float, marks: float, answers: float) -> ArmCell:
        return ArmCell(
            at_s,
            self.good * marks,
            self.bad * marks,
            self.answers * answers,
            self.joules * answers,
            self.seconds * answers,
        )


def _room(there: float, more: float) -> float:
    """What is left of each one that is there once `more` come."""
    return min(1.0, (MOST - more) / there) if there > 0.0 else 1.0


def _log(times: float) -> float:
    return min(max(math.log(max(times, 1e-9)), -_MOST_TIMES), _MOST_TIMES)


KEPT = 2048  # cells; those go first of which nothing was heard for longest

Context = tuple[str, str, str]
"""The class of a prompt: kind, length and level of its Features."""


class ArmEstimate(msgspec.Struct, frozen=True):
    """What was learnt of a way to serve requests of a context.

    `presumed` is the prior probability that its answer is good enough, `p` the one after learning;
    None: not known. The ratios are measured over predicted figures. `marks` and `answers` count
    observations.
    """

    context: Context
    presumed: float | None = None
    p: float | None = None
    marks: float = 0.0
    joules_ratio: float = 1.0
    seconds_ratio: float = 1.0
    answers: float = 0.0


class ArmFilter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Selects the cells to forget by model and mode; None matches any."""

    model: str | None = None
    mode: str | None = None

    def fits(self, key: Key) -> bool:
        return self.model in (None, key.model) and self.mode in (None, key.mode)


class Learner:
    """Holds a bounded number of cells; `changed` are those not written to the file yet."""

    def __init__(self, clock: Callable[[], float], alike: Sequence[str] = ()) -> None:
        """`clock` gives Unix seconds. In modes that are `alike` answers are the same, with the
        marks of the first.
        """
        self._clock, self._alike = clock, alike
        self._cells: dict[Key, ArmCell] = {}
        self.changed: set[Key] = set()

    def learnt(
        self,
        model: str,
        mode: str,
        context: Context,
        presumed: float | None = None,
        file: str = "",
    ) -> ArmEstimate:
        """What is known of an arm in a context."""
        key = Key(model, mode, *context, file)
        cell, marked = self._now(key), self._now(self._marked(key))
        return ArmEstimate(
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
        """Record the joules and seconds of an answer, each measured over predicted."""
        self._keep(key, self._now(key).took(joules_times, seconds_times))

    def recalibrated(self, model: str) -> None:
        """Forget the joules and seconds of a model, whose predictions have changed."""
        for key, cell in self._cells.items():
            if key.model == model:
                self._cells[key] = cell.untimed()
                self.changed.add(key)

    def cells(self) -> Mapping[Key, ArmCell]:
        """All of them as they are now, the one heard of last at the end."""
        now = self._clock()
        return {key: cell.faded(now) for key, cell in self._cells.items()}

    def restore(self, cells: Iterable[tuple[Key, ArmCell]]) -> None:
        """Add cells from an earlier run to those of this one."""
        kept = dict(sorted(cells, key=lambda item: item[1].at_s)[-KEPT:])
        since = {k: c.joined(kept[k]) if k in kept else c for k, c in self._cells.items()}
        self._cells = {**kept, **since}

    def reset(self, which: ArmFilter) -> int:
        """Forget the selected cells; return how many."""
        gone = [key for key in self._cells if which.fits(key)]
        for key in gone:
            del self._cells[key]
        self.changed.update(gone)
        return len(gone)

    def _marked(self, key: Key) -> Key:
        """Return the key under which the marks of `key` are kept."""
        return key.by_itself(self._alike[0]) if key.mode in self._alike else key

    def _now(self, key: Key) -> ArmCell:
        now = self._clock()
        return self._cells.get(key, ArmCell(now)).faded(now)

    def _keep(self, key: Key, cell: ArmCell) -> None:
        self._cells.pop(key, None)
        self._cells[key] = cell  # as the latest
        self.changed.add(key)
        if len(self._cells) > KEPT:
            oldest = next(iter(self._cells))
            del self._cells[oldest]
            self.changed.add(oldest)
