"""The clock of the CPU or of the GPU, for the governor to choose."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from edge_rt.governor.knobs.clock_files import CappedClock, ClockFile
from edge_rt.governor.knobs.journal import Journal, KnobOutcome, State
from edge_rt.governor.knobs.knob import KnobBusy, KnobError, KnobGone
from edge_rt.governor.knobs.turner import Turner

REST_LOOKS = 20  # looks until a clock that was not found is searched for again
_NEAR = 1.0 + 1e-9  # so that a step in Hz is found again in the unit of its file

Files = Callable[[], list[ClockFile]]
"""Finds all files that cap a clock; raises KnobError."""


class GovernedClock:
    """The files that cap one kind of clock, such as the policies of cpufreq, set together.

    Cores of different kinds have different top clocks. A clock in Hz is that of the fastest part;
    every other part gets the same share of its own top clock, rounded down to a clock that it has.

    The clock is given up for good when another program changes a file while it is capped, when a
    file does not take a value, or when caps have no effect; the original caps are put back where
    possible. For one thread at a time.
    """

    def __init__(
        self,
        key: str,
        files: Files,
        make: Callable[[ClockFile], CappedClock],
        turner: Turner,
        journal: Journal,
        top_hz: float | None = None,
    ) -> None:
        """`key` names the clock in reports; `top_hz` bounds it, None: the original cap alone."""
        self.key = key
        self.steps: tuple[float, ...] = ()  # to choose from, in Hz; empty: it may not be changed
        self.hz: float | None = None  # the highest clock in force; None: not known
        self._files, self._make = files, make
        self._turner, self._journal, self._top_hz = turner, journal, top_hz
        self._parts: list[CappedClock] = []
        self._rest = 0  # looks
        self._waiting = self._off = False

    @property
    def begun(self) -> bool:
        """Whether its files were searched for since `release`."""
        return self._rest > 0 or self._off or bool(self._parts)

    @property
    def capped(self) -> bool:
        """Whether `top_hz` bounds it, even while it is not governed."""
        return self._top_hz is not None and bool(self._parts)

    def look(self, wanted_hz: float | None) -> None:
        """Set it to `wanted_hz`, None: to the highest, unless another program has set it."""
        try:
            if not self._off and self._ready() and self._undisturbed():
                self._set(wanted_hz)
                self._tell()
        except KnobBusy as error:
            self._wait("waiting", str(error))
        except KnobError as error:
            self._give_up("failed", str(error))

    def give_up(self) -> None:
        """Put the original caps back for good, as caps have no effect on the clock."""
        if not self._off:
            names = ", ".join(part.name for part in self._known)
            self._give_up("failed", f"the clock stays above what is written to {names}")

    def release(self) -> None:
        """Put the original caps back; the next look searches for the files again."""
        self._put_back()
        self._off, self._rest = False, 0
        self._turner.forget(self.key)

    def lift(self) -> bool:
        """Put the original caps back until the next look, which takes those it finds for such.

        Return whether there were any, and the clock is not given up.
        """
        if self._off or not self._known:
            return False
        self._put_back()
        self._rest = 0
        return True

    def settle(self) -> None:
        """Write the caps in force to the journal, from which they can be put back."""
        for part in self._known:
            with contextlib.suppress(KnobError):  # the journal still has all possible caps
                part.settle()

    @property
    def _known(self) -> list[CappedClock]:
        return [part for part in self._parts if part.original is not None]

    def _ready(self) -> bool:
        """Search for parts that were not found yet; whether there is any to set."""
        if self._rest > 0:
            self._rest -= 1
            return bool(self._known) and not self._waiting
        self._rest, self._waiting = REST_LOOKS, False
        busy = self._find()
        if not self._known and busy is not None:
            self._wait("waiting", str(busy))
        elif self._known and not self._useful():
            self._wait("failed", f"{self._parts[0].name} has no lower clock to choose")
            self._parts = []
        elif self._known:
            self._turner.forget(self.key)
        return bool(self._known)

    def _useful(self) -> bool:
        return self._top_hz is not None or any(len(self._choices(p)) > 1 for p in self._known)

    def _find(self) -> KnobBusy | None:
        """Find all parts; returns why one has to wait, such as for its cores to be online."""
        busy = None
        try:
            self._parts = self._parts or [self._make(file) for file in self._files()]
            for part in self._parts:
                try:
                    if part.original is None:
                        part.find()
                except KnobBusy as error:
                    busy = error
        except KnobError as error:
            if not any(part.held for part in self._parts):
                self._parts = []
                self._wait("failed", str(error))
        return busy

    def _undisturbed(self) -> bool:
        """Return whether no other program has set a part that is capped by us."""
        for part in self._known:
            try:
                theirs = part.foreign()
            except KnobGone:
                self._parts.remove(part)
                continue
            except KnobError:  # as while its cores are offline
                continue
            if theirs is not None and part.held:
                self._give_up("moved", f"somebody else sets {part.name} too: it is left alone")
                return False
            if theirs is not None:
                part.yield_to(theirs)
        return True

    def _set(self, wanted_hz: float | None) -> None:
        values = {part: self._value(part, wanted_hz) for part in self._known}
        self._write_down(values)
        written: list[CappedClock] = []
        for part, value in values.items():  # write all, then wait for the kernel
            with contextlib.suppress(KnobBusy):  # its cores are offline
                if part.write(value):
                    written.append(part)
        for part in written:
            with contextlib.suppress(KnobBusy):
                self._turner.update(part.verify())

    def _write_down(self, values: dict[CappedClock, int]) -> None:
        due = {part: part.due(value, self._choices(part)) for part, value in values.items()}
        entries = [entry for entry in due.values() if entry is not None]
        if entries:
            self._journal.put(*entries)
            for part, entry in due.items():
                part.entry = entry or part.entry

    def _tell(self) -> None:
        fastest = self._fastest
        choices = () if fastest is None else self._choices(fastest)
        unit_hz = 0.0 if fastest is None else fastest.file.unit_hz
        self.steps = tuple(value * unit_hz for value in choices) if len(choices) > 1 else ()
        caps = [part.now * part.file.unit_hz for part in self._known if part.now is not None]
        self.hz = max(caps, default=None)

    def _choices(self, part: CappedClock) -> tuple[int, ...]:
        return part.file.choices(self._top(part))

    def _top(self, part: CappedClock) -> int:
        """Return the highest cap of a part, in its own unit."""
        found = part.original or 0
        if self._top_hz is None:
            return found
        return min(found, max(part.file.low, round(self._top_hz / part.file.unit_hz)))

    @property
    def _fastest(self) -> CappedClock | None:
        known = self._known
        return max(known, key=lambda p: self._top(p) * p.file.unit_hz, default=None)

    def _value(self, part: CappedClock, wanted_hz: float | None) -> int:
        fastest, top = self._fastest, self._top(part)
        if wanted_hz is None or fastest is None:
            return top
        share = wanted_hz / (self._top(fastest) * fastest.file.unit_hz)
        choices = self._choices(part)
        return max((c for c in choices if c <= share * top * _NEAR), default=choices[0])

    def _wait(self, state: State, said: str) -> None:
        self._waiting, self._rest = True, REST_LOOKS
        self.steps, self.hz = (), None
        self._turner.note(KnobOutcome(self.key, state, said=said))

    def _give_up(self, state: State, said: str) -> None:
        self._off = True  # first, as the journal may not be readable
        self._turner.note(
            KnobOutcome(self.key, state, said=f"{said}; the clock is not set any more")
        )
        self._put_back()

    def _put_back(self) -> None:
        self.steps, self.hz = (), None
        self.settle()
        if self._known:
            self._turner.restore({part.name for part in self._known})
        self._parts, self._waiting = [], False
