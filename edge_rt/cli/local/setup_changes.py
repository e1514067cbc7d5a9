"""The changes that a set-up makes, and the file that records them before they are made."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path

import msgspec

from edge_rt.cli.exits import CommandFailure
from edge_rt.cli.text import significant
from edge_rt.config.paths import Paths
from edge_rt.core.files import NewerFile, decode_kept, replace_file
from edge_rt.core.system.ownership import as_owner

_NAME = "setup.json"
_MOST_BYTES = 1 << 20


class _Change(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all changes, which are kept as JSON until they are taken back.

    Each has `what`, one line that says what is changed.
    """


class FileChange(_Change, frozen=True, tag_field="kind", tag="file"):
    """A file gets the text `after`; `before` None: there is none."""

    path: str
    before: str | None
    after: str
    why: str
    then: tuple[tuple[str, ...], ...] = ()
    """Commands that have it take effect."""

    @property
    def what(self) -> str:
        return f"{'write' if self.before is None else 'add to'} {self.path}: {self.why}"


class NewGroup(_Change, frozen=True, tag_field="kind", tag="group"):
    """A group that sensors are given to."""

    group: str

    @property
    def what(self) -> str:
        return f"make the system group {self.group}"


class Membership(_Change, frozen=True, tag_field="kind", tag="membership"):
    """A user joins a group."""

    user: str
    group: str
    why: str

    @property
    def what(self) -> str:
        return f"make {self.user} a member of {self.group}, {self.why}; from the next login on"


class ModelPull(_Change, frozen=True, tag_field="kind", tag="model"):
    """A model is pulled; `id` is the one that it has in the store afterwards."""

    name: str
    store: str
    why: str
    id: str | None = None

    @property
    def command(self) -> str:
        """The command that does the same."""
        return f"edge-rt models pull {self.name} --store {self.store}"

    @property
    def what(self) -> str:
        return f"pull {self.name} into {self.store}: {self.why}"


class QuickCalibration(_Change, frozen=True, tag_field="kind", tag="calibration"):
    """The daemon measures the board; `made` are the files that came of it."""

    socket: str
    folder: str
    made: tuple[str, ...] = ()

    @property
    def what(self) -> str:
        return "calibrate the board, within a minute, if it is cool and has nothing else to do"


class LiveBudget(_Change, frozen=True, tag_field="kind", tag="budget"):
    """The running daemon gets a cap of power."""

    socket: str
    power_w: float

    @property
    def what(self) -> str:
        return f"tell the daemon of the power cap of {significant(self.power_w)} W"


Change = FileChange | NewGroup | Membership | ModelPull | QuickCalibration | LiveBudget


def journal_of(paths: Paths, uid: int) -> ChangeJournal:
    """Return the record of the set-ups of user `uid`.

    It is in the state directory, but root's beside the configuration.

    `--undo` writes files and runs commands by it, so only who runs that may write it. One that
    root kept in the state directory, as earlier versions did, is taken over. Raises CommandFailure
    for one there that is the daemon's.
    """
    old = paths.state / _NAME
    if uid != 0:
        return ChangeJournal(old)
    journal = ChangeJournal(paths.config_file.parent / _NAME)
    try:
        kept = os.open(old, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return journal
    with os.fdopen(kept, "rb") as file:
        found = os.fstat(kept)
        if found.st_uid != 0 or not stat.S_ISREG(found.st_mode):
            raise CommandFailure(
                f"{old} is of user {found.st_uid}, who could have root run anything by it: delete "
                f"it or, if every line is right, move it to {journal.path}"
            )
        if not journal.path.exists():
            replace_file(journal.path, file.read(_MOST_BYTES))
    with as_owner(paths.state):
        old.unlink()
    return journal


class _Kept(msgspec.Struct, frozen=True):
    changes: list[Change] = []


class ChangeJournal:
    """The changes that can be taken back, the oldest first."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> list[Change]:
        """Return all of them; raises CommandFailure where the file cannot be understood."""
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return []
        except OSError as error:
            raise CommandFailure(f"{self.path} cannot be read: {error.strerror}") from error
        try:
            return decode_kept(content[:_MOST_BYTES], _Kept).changes
        except NewerFile as error:
            raise CommandFailure(f"{self.path}: {error}; upgrade to take it back") from error
        except ValueError as error:
            why = f"{self.path} is no record of a set-up ({error}): move it away"
            raise CommandFailure(why) from error

    def add(self, change: Change) -> None:
        """Take a change that is about to be made."""
        self._write([*self.read(), change])

    def replace(self, old: Change, new: Change) -> None:
        """Have the last `old` be `new`, which tells more."""
        changes = self.read()
        place = len(changes) - 1 - changes[::-1].index(old)
        self._write([*changes[:place], new, *changes[place + 1 :]])

    def drop(self, change: Change) -> None:
        """Forget the last such change, which was taken back."""
        changes = self.read()
        del changes[len(changes) - 1 - changes[::-1].index(change)]
        self._write(changes)

    def _write(self, changes: Sequence[Change]) -> None:
        if changes:
            content = msgspec.json.encode(_Kept(list(changes)))
            replace_file(self.path, msgspec.json.format(content, indent=1))
        else:
            self.path.unlink(missing_ok=True)
