"""The changes that a set-up makes, each with what is needed to take it back."""

from __future__ import annotations

from typing import Any

import msgspec

from edge_rt.cli.text import significant


class _Change(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all changes, which are kept as JSON until they are taken back."""

    @property
    def what(self) -> str:
        """One line that says what is changed."""
        raise NotImplementedError


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
        """Name the file and the reason."""
        return f"{'write' if self.before is None else 'add to'} {self.path}: {self.why}"


class NewGroup(_Change, frozen=True, tag_field="kind", tag="group"):
    """A group that sensors are given to."""

    group: str

    @property
    def what(self) -> str:
        """Name the group."""
        return f"make the system group {self.group}"


class Membership(_Change, frozen=True, tag_field="kind", tag="membership"):
    """A user joins a group."""

    user: str
    group: str
    why: str

    @property
    def what(self) -> str:
        """Name user, group and reason."""
        return f"make {self.user} a member of {self.group}, {self.why}; from the next login on"


class Fetch(_Change, frozen=True, tag_field="kind", tag="model"):
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
        """Name the model and what it takes."""
        return f"pull {self.name} into {self.store}: {self.why}"


class Measurement(_Change, frozen=True, tag_field="kind", tag="calibration"):
    """The daemon measures the board; `made` are the files that came of it."""

    socket: str
    folder: str
    made: tuple[str, ...] = ()

    @property
    def what(self) -> str:
        """Say how long it takes."""
        return "calibrate the board, within a minute, if it is cool and has nothing else to do"


class LiveBudget(_Change, frozen=True, tag_field="kind", tag="budget"):
    """The running daemon gets a cap of power."""

    socket: str
    power_w: float

    @property
    def what(self) -> str:
        """Name the cap."""
        return f"tell the daemon of the power cap of {significant(self.power_w)} W"


Change = FileChange | NewGroup | Membership | Fetch | Measurement | LiveBudget


def facts(change: Change) -> dict[str, Any]:
    """Return a change for JSON."""
    return msgspec.to_builtins(change) | {"what": change.what}
