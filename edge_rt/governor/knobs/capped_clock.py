"""One file that caps a clock, for caps that change several times a second."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from edge_rt.governor.knobs.clock_files import ClockFile
from edge_rt.governor.knobs.journal import Journal, JournalEntry, KnobOutcome
from edge_rt.governor.knobs.knob import KnobBusy, KnobError, Pause, Value, settled, steady


class CappedClock:
    """A clock with one entry in the journal for all changes of its cap.

    The first change is written down before it is made, with all values that may follow: the disk
    is not written to several times a second. For one thread at a time; methods raise KnobError.
    """

    def __init__(
        self, file: ClockFile, journal: Journal, boot_id: str | None, pause: Pause
    ) -> None:
        """Read nothing yet; `find` comes first."""
        self.file, self.name = file, file.knob.name
        self._knob, self._journal = file.knob, journal
        self._boot_id, self._pause = boot_id, pause
        self.original: int | None = None  # the cap that was found; None: not read yet
        self.entry: JournalEntry | None = None  # in the journal
        self.now: int | None = None  # the cap in force, when it was last read
        self._came = self._written = self._before = 0
        self._ours: set[int] = set()  # what the file may read while no other program changes it

    @property
    def held(self) -> bool:
        """Whether the cap in force is another than the original one."""
        return self.original is not None and self._written != self.original

    def find(self) -> None:
        """Read the original cap; KnobBusy where it cannot be read now."""
        self._knob.check_writable()
        value, hidden = steady(self._knob, self._pause)
        if hidden is not None:
            raise KnobBusy(f"the value in force cannot be read: {hidden}; tried again later")
        now = _number(value)
        entry = self._journal.get(self.name)
        if entry is not None and (entry.stale(self._boot_id) or entry.theirs(now)):
            entry = None
        self.entry = entry
        self._adopt(now, now if entry is None else _number(entry.original))

    def foreign(self) -> int | None:
        """The cap that another program has set; None: none has, or it is hidden."""
        self.now = None
        self.now = self._knob.read()
        if self.now in self._ours or self._knob.hidden() is not None:
            return None
        value, hidden = steady(self._knob, self._pause)
        return None if hidden is not None or value in self._ours else _number(value)

    def yield_to(self, now: int) -> None:
        """Take another program's cap as the original one; only while no cap of ours is in force."""
        if self.entry is not None:
            self._journal.drop(self.name)
        self.entry = None
        self._adopt(now, now)

    def due(self, value: int, among: Iterable[int]) -> JournalEntry | None:
        """The journal entry that `write` of `value` needs first; None: it needs none.

        `among` are the values that may be written later.
        """
        known = self.entry is not None and self.entry.among
        if known or self.original is None or value == self.original:
            return None
        return JournalEntry(
            knob=self.name,
            original=self.original,
            wanted=value,
            boot_id=self._boot_id,
            among=sorted({value, *among, *self._ours}),
        )

    def write(self, value: int) -> bool:
        """Write `value`, unless it is in force already; whether it was written."""
        if value == self._written:
            return False
        self._ours.add(value)
        self._knob.write(value)
        self._before, self._written = self._written, value
        return True

    def verify(self) -> KnobOutcome:
        """Read back the outcome of `write`, which is tried once more if it had no effect."""
        now = self._look()
        if self._without_effect(now):
            self._knob.write(self._written)
            now = self._look()
        if self._without_effect(now):
            raise KnobError(f"{self._written} was written to {self.name}, and it still says {now}")
        self.now = self._came = now
        self._ours = {now, self._written}
        self._remember()
        said = None if now == self._written else f"asked for {self._written}, it then said {now}"
        return KnobOutcome(self.name, "turned", self._written, self.original, now, said)

    def settle(self) -> None:
        """Note the cap in force in the journal, so that `Turner.restore` can put the clock back."""
        if self.entry is not None:
            self._journal.put(msgspec.structs.replace(self.entry, came=self._came, among=[]))

    def _adopt(self, now: int, original: int) -> None:
        self.original = original
        self.now = self._came = self._written = self._before = now
        self._ours = {now}

    def _look(self) -> int:
        now = self._knob.read()
        if now == self._written:  # whether it may be hidden costs many files to find out
            return now
        value, hidden = settled(self._knob, self._written, self._pause)
        return self._written if hidden is not None else _number(value)

    def _without_effect(self, now: int) -> bool:
        """Whether the kernel may have kept the clock below what was written, as before."""
        return now != self._written and now == self._came == self._before

    def _remember(self) -> None:
        """Journal the cap that the kernel made of ours, to be known as ours after a crash too."""
        entry = self.entry
        if entry is not None and entry.among and self._came not in entry.among:
            self.entry = msgspec.structs.replace(entry, among=[*entry.among, self._came])
            self._journal.put(self.entry)


def _number(value: Value) -> int:
    if isinstance(value, int):
        return value
    raise KnobError(f"a clock is a number, not {value!r}")
