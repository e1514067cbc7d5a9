"""Turns knobs so that each can be put back, whatever happens in between."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path

import msgspec

from edge_rt.board.readers.sysfs import first_line
from edge_rt.governor.knobs.journal import Journal, JournalEntry, KnobOutcome
from edge_rt.governor.knobs.knob import (
    Knob,
    KnobBusy,
    KnobError,
    KnobGone,
    KnobTarget,
    Pause,
    Value,
    settled,
    steady,
    stood,
)

log = logging.getLogger(__name__)

Find = Callable[[str], Knob | None]
"""The knob of a name in the journal; None where such a knob is not known here."""


class Turner:
    """Sets knobs to their targets and puts them back; for one thread at a time.

    The order is: read, journal, write, read back, journal the result. A knob that is in the journal
    already keeps its first original: an earlier process may have set its present value.
    """

    def __init__(
        self, journal: Journal, find: Find, boot_id: str | None, pause: Pause = time.sleep
    ) -> None:
        """`boot_id` tells this run of the board from others; None where it is not known."""
        self._journal, self._find, self._boot_id = journal, find, boot_id
        self._pause = pause
        self._turned: set[str] = set()
        self._outcomes: dict[str, KnobOutcome] = {}

    @property
    def outcomes(self) -> list[KnobOutcome]:
        """The last one of each knob, in the order in which they were first tried."""
        return list(self._outcomes.values())

    @property
    def waiting(self) -> bool:
        """Whether `turn` should be tried again for some knob."""
        return any(outcome.state == "waiting" for outcome in self.outcomes)

    def note(self, outcome: KnobOutcome) -> None:
        """Keep what became of a knob, and log it once."""
        if self._outcomes.get(outcome.knob) != outcome:
            outcome.log()
        self._outcomes[outcome.knob] = outcome

    def update(self, outcome: KnobOutcome) -> None:
        """Note a knob that is turned again and again: a new value alone is not logged."""
        before = self._outcomes.get(outcome.knob)
        if before is None or before.state != outcome.state:
            outcome.log()
        self._outcomes[outcome.knob] = outcome

    def turn(self, target: KnobTarget, *, again: bool = False) -> None:
        """Turn a knob, once: when somebody moves it afterwards, it is theirs. Or `again`."""
        name = target.knob.name
        if name in self._turned and not again:
            return
        try:
            outcome = self._turn(target)
            self._turned.add(name)
        except KnobError as error:
            outcome = KnobOutcome.refused(target, error)
        self.note(outcome)

    def look(self) -> None:
        """Check whether turned knobs still have their values."""
        for outcome in self.outcomes:
            knob = self._find(outcome.knob) if outcome.state == "turned" else None
            if knob is not None:
                self.note(self._watched(knob, outcome))

    def restore(self, knobs: Collection[str] | None = None) -> None:
        """Put back `knobs`, None: everything, that is in the journal, the last turned first."""
        for entry in reversed(self._journal.entries()):
            if knobs is not None and entry.knob not in knobs:
                continue
            try:
                outcome = self._restore(entry)
            except KnobError as error:
                said = f"{error}; it is tried again when the daemon starts"
                outcome = KnobOutcome.of(entry, "failed", None, said)
            self._turned.discard(entry.knob)
            self.note(outcome)

    def forget(self, knob: str) -> None:
        """Drop a knob that is gone."""
        self._turned.discard(knob)
        self._outcomes.pop(knob, None)
        if self._journal.get(knob) is not None:
            self._journal.drop(knob)

    def _watched(self, knob: Knob, outcome: KnobOutcome) -> KnobOutcome:
        try:
            now, hidden = steady(knob, self._pause)
        except KnobGone as error:
            return replace(outcome, state="gone", said=str(error))
        except KnobError:
            return outcome  # it may be read again later
        return outcome if now == outcome.value or hidden else outcome.moved(now)

    def _turn(self, target: KnobTarget) -> KnobOutcome:
        knob, wanted = target.knob, target.value
        seen, hidden = steady(knob, self._pause)
        if hidden is not None:
            raise KnobBusy(f"the value in force cannot be read: {hidden}; tried again later")
        entry = self._journal.get(knob.name)
        if entry is None or entry.stale(self._boot_id):
            if seen == wanted:
                return KnobOutcome(knob.name, "turned", wanted, seen, seen, "it stood so before")
            entry = JournalEntry(
                knob=knob.name,
                original=seen,
                wanted=wanted,
                lasting=knob.lasting,
                boot_id=self._boot_id,
            )
        entry = msgspec.structs.replace(entry, wanted=wanted, came=None, among=[])
        self._journal.put(entry)
        try:
            came = self._write(target, seen)
        except KnobError:
            self._undo(knob, entry)
            raise
        self._journal.put(msgspec.structs.replace(entry, came=came))
        said = None if came == wanted else f"asked for {wanted}, it then said {came}"
        return KnobOutcome.of(entry, "turned", came, said)

    def _write(self, target: KnobTarget, seen: Value) -> Value:
        """Turn the knob from `seen`; what it then stands at."""
        target.knob.write(target.value)
        came, hidden = stood(target.knob, target.value, self._pause)
        if hidden is not None:
            return target.value
        if came == seen and came != target.value:
            raise KnobError(f"{target.value} was written, and it still says {came}")
        return came

    def _undo(self, knob: Knob, entry: JournalEntry) -> None:
        """Put the knob back after a failure, which may have turned it halfway."""
        try:
            self._put_back(knob, entry)
        except KnobError as error:
            log.error("knob %s stays in the journal, to be put back later: %s", knob.name, error)

    def _restore(self, entry: JournalEntry) -> KnobOutcome:
        if entry.stale(self._boot_id):
            self._journal.drop(entry.knob)
            said = "the board has been restarted since it was turned, which set it anew"
            return KnobOutcome.of(entry, "restored", None, said)
        knob = self._find(entry.knob)
        if knob is None:
            raise KnobError("nothing here can turn such a knob")
        try:
            return self._put_back(knob, entry)
        except KnobGone as error:
            self._journal.drop(entry.knob)
            return KnobOutcome.of(entry, "gone", None, str(error))

    def _put_back(self, knob: Knob, entry: JournalEntry) -> KnobOutcome:
        """Restore one knob and forget it; KnobError where it stays in the journal."""
        now, hidden = steady(knob, self._pause)
        if hidden is None and now == entry.original:
            self._journal.drop(knob.name)
            return KnobOutcome.of(entry, "restored", now)
        if hidden is None and entry.theirs(now):
            self._journal.drop(knob.name)
            return KnobOutcome.of(entry, "turned", entry.came).moved(now)
        knob.write(entry.original)
        now, hidden = settled(knob, entry.original, self._pause)
        if hidden is None and now != entry.original:
            # What it says now is neither ours nor somebody else's: the next try must not mind.
            self._journal.put(msgspec.structs.replace(entry, came=None, among=[]))
            raise KnobError(f"{entry.original} was written, and it says {now}")
        self._journal.drop(knob.name)
        return KnobOutcome.of(entry, "restored", now)


def boot_id(root: Path) -> str | None:
    """Return the kernel's random id of this boot; None where it has none."""
    return first_line(root / "proc" / "sys" / "kernel" / "random" / "boot_id")
