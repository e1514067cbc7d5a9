"""The state of every knob before it was turned, on disk, and what became of it."""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import msgspec

from edge_rt.core.files import read_regular, replace_file, take
from edge_rt.governor.knobs.knob import KnobBusy, KnobError, KnobGone, KnobTarget, Value

_LOUD = {"failed": logging.ERROR, "moved": logging.WARNING, "gone": logging.WARNING}


class JournalEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One knob that is turned, or was about to be."""

    knob: str
    original: Value
    wanted: Value
    came: Value | None = None  # what it stood at once turned; None: not known to be turned
    lasting: bool = False
    boot_id: str | None = None
    # What it may stand at instead of `came`: a governed clock changes too often to be written down.
    among: list[int] = []

    def theirs(self, now: Value) -> bool:
        """Return whether another program must have set the knob, given its value `now`."""
        if self.among:
            return now not in self.among
        return self.came is not None and now != self.came

    def stale(self, boot_id: str | None) -> bool:
        """Return whether the board has been restarted since, which has set the knob by itself."""
        known = self.boot_id is not None and boot_id is not None
        return known and self.boot_id != boot_id and not self.lasting


class Journal:
    """A file of entries, in the order in which their knobs were turned.

    Each change is on disk when it returns; a crash leaves the old file or the new one. Everything
    raises KnobError, KnobBusy where the disk is full.
    """

    def __init__(self, path: Path) -> None:
        """Create no file yet."""
        self.path = path
        self._lock = -1

    def hold(self) -> None:
        """Keep other daemons out until `release` or the end of the process."""
        if self._lock >= 0:
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = take(Path(f"{self.path}.lock"))
        except BlockingIOError:
            raise KnobError(f"another daemon turns knobs with {self.path}: stop it first") from None
        except OSError as error:
            raise self._error(error) from error

    def release(self) -> None:
        """Let other daemons use the journal."""
        lock, self._lock = self._lock, -1
        if lock >= 0:
            os.close(lock)

    def entries(self) -> tuple[JournalEntry, ...]:
        """Return all entries; none where there is no file."""
        try:
            return msgspec.json.decode(read_regular(self.path), type=tuple[JournalEntry, ...])
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise self._error(error) from error
        except (ValueError, RecursionError) as error:  # msgspec's own are ValueErrors
            raise KnobError(
                f"{self.path} cannot be understood ({error}), so no knob is touched: put back "
                "by hand what it tells of, or restart the board, then remove the file"
            ) from error

    def get(self, knob: str) -> JournalEntry | None:
        return next((entry for entry in self.entries() if entry.knob == knob), None)

    def put(self, *added: JournalEntry) -> None:
        """Write each entry in place of its knob's older one, else behind all others."""
        entries = {entry.knob: entry for entry in self.entries()}
        entries.update({entry.knob: entry for entry in added})
        self._write(list(entries.values()))

    def drop(self, knob: str) -> None:
        self._write([entry for entry in self.entries() if entry.knob != knob])

    def _write(self, entries: Sequence[JournalEntry]) -> None:
        try:
            content = msgspec.json.format(msgspec.json.encode(entries)) + b"\n"
            replace_file(self.path, content)
        except OSError as error:
            raise self._error(error) from error

    def _error(self, error: OSError) -> KnobError:
        kind = KnobBusy if error.errno in (errno.ENOSPC, errno.EDQUOT) else KnobError
        return kind(f"no knob is touched without a journal: {self.path}: {error.strerror}")


log = logging.getLogger(__name__)

State = Literal["turned", "waiting", "failed", "moved", "restored", "gone"]
"""turned: as wished, or as near as the kernel let it. waiting: not possible now, but later.
failed: could not be turned, or not put back. moved: somebody else has set it since, and it is
left alone. restored: stands at its original. gone: there is no such knob any more.
"""


@dataclass(frozen=True)
class KnobOutcome:
    """One knob, or a key of the configuration for which there is none.

    `said` is a sentence for people where it is not simply done. Values are in the knob's own unit.
    """

    knob: str
    state: State
    wanted: Value | None = None
    original: Value | None = None
    value: Value | None = None  # what it stood at when it was read last
    said: str | None = None

    @classmethod
    def of(
        cls, entry: JournalEntry, state: State, value: Value | None, said: str | None = None
    ) -> KnobOutcome:
        """Return what became of the knob of an entry."""
        return cls(entry.knob, state, entry.wanted, entry.original, value, said)

    @classmethod
    def refused(cls, target: KnobTarget, error: KnobError) -> KnobOutcome:
        """Return a target that could not be fulfilled."""
        state: State = "failed"
        if isinstance(error, KnobBusy):
            state = "waiting"
        elif isinstance(error, KnobGone):
            state = "gone"
        return cls(target.knob.name, state, target.value, said=str(error))

    def moved(self, now: Value) -> KnobOutcome:
        """Return the same knob, which has been set to `now` by somebody else."""
        turned = "it was turned" if self.value is None else f"it was turned to {self.value}"
        said = f"somebody else has set it to {now} since {turned}: left alone"
        return replace(self, state="moved", value=now, said=said)

    def log(self) -> None:
        """Tell the log, the louder the worse."""
        steps = "" if self.value is None else f"{self.original} -> {self.value}"
        parts = [part for part in (self.state, steps, self.said) if part]
        log.log(_LOUD.get(self.state, logging.INFO), "knob %s: %s", self.knob, ": ".join(parts))
