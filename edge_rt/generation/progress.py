"""How far one request has come, so that another engine can take it over."""

from __future__ import annotations

import time
from array import array
from collections.abc import Callable

from edge_rt.decoding.params import Made, TokenLogprob
from edge_rt.engine.client import Event
from edge_rt.engine.protocol import Delta, Started

CLEARED = 8  # tokens more than where it was lost clear a request of the suspicion
LOSSES = 10  # engines that it may lose in a row without coming any further,
STUCK_S = 120.0  # and any number of them within so long


class Progress:
    """Tokens received, how they were made and what was judged by, what was withheld of them, and
    answers finished, by answer index.

    It is `suspected` from the loss of an engine that was at work for it until it comes past that
    place.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` is in seconds."""
        self._clock = clock
        self.tokens: dict[int, list[int]] = {}
        self.made: dict[int, Made] = {}
        self.withheld: dict[int, list[TokenLogprob]] = {}
        self.seen: dict[int, array[float]] = {}  # see Delta; 8 bytes each
        self.done: list[int] = []
        self.suspected = False
        self.cleared: Callable[[], None] = lambda: None  # called when the suspicion ends
        self._started = self._begun = False  # by any engine, and by the present one
        self._losses = 0
        self._stuck_s = 0.0  # when the first of them was lost
        self._alone = False  # whether it lost an engine that was at work for nobody else
        self._new = 0  # tokens since the last loss

    def news(self, event: Event) -> bool:
        """Note `event`; False when the client has seen its like before the engine was lost."""
        if isinstance(event, Started):
            first, self._started = not self._started, True
            self._begun = True
            return first
        if event.made is not None:
            self.made[event.index] = event.made
        if isinstance(event, Delta):
            self.tokens.setdefault(event.index, []).extend(event.tokens)
            self.withheld[event.index] = event.withheld
            if event.seen:
                self.seen.setdefault(event.index, array("d")).extend(event.seen)
            self._new += len(event.tokens)
            self._losses = 0
        else:
            self.done.append(event.index)
        if self.suspected and self._new >= CLEARED:
            self.suspected = False
            self.cleared()
        return True

    def lost(self, *, blamed: bool, alone: bool, waited: bool = False) -> bool:
        """Count one lost engine; True when it is for sure that the request ended two.

        It may have, where it is `blamed`; `alone`: nobody else may have. Who is suspected is tried
        apart from others who are, so that the second time tells. Where others were served, and it
        had `waited` for its turn, there is hope.
        """
        guilty = blamed and (self.suspected or (alone and self._alone))
        self.suspected = self.suspected or blamed
        self._alone = self._alone or (blamed and alone)
        if self._begun or not waited:
            self._stuck_s = self._stuck_s if self._losses else self._clock()
            self._losses += 1
        self._new, self._begun = 0, False
        return guilty

    @property
    def hopeless(self) -> bool:
        """Whether too many engines were lost, for too long, since it came any further."""
        return self._losses >= LOSSES and self._clock() - self._stuck_s >= STUCK_S
