"""The record of what a set-up changed, in a file that is there before each change is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from edge_rt.cli.exits import CommandFailure
from edge_rt.cli.setup.changes import Change
from edge_rt.core.files import replace_file

NAME = "setup.json"  # in the state directory
_MOST_BYTES = 1 << 20


class _Kept(msgspec.Struct, frozen=True):
    changes: list[Change] = []


class Journal:
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
            return msgspec.json.decode(content[:_MOST_BYTES], type=_Kept).changes
        except msgspec.DecodeError as error:
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
