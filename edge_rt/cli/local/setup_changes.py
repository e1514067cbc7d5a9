"""The changes that a set-up makes: what each is, which right it takes, and how it is made."""

from __future__ import annotations

import grp
import os
import pwd
import subprocess
from pathlib import Path

import msgspec
from typing_extensions import override

from edge_rt.cli.client import Client
from edge_rt.cli.doctor.machine import ExaminedMachine
from edge_rt.cli.exits import CommandFailure
from edge_rt.cli.local.model_store import fetch
from edge_rt.cli.options import nearest
from edge_rt.cli.progress import calibrated
from edge_rt.cli.text import significant
from edge_rt.core.files import READABLE, replace_file
from edge_rt.models.catalogue import load_catalogue
from edge_rt.models.store.store import Store


class Host:
    """The machine that is set up."""

    def run(self, *argv: str) -> None:
        """Run a command of the system; raises CommandFailure with its words."""
        try:
            done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
        except FileNotFoundError:
            raise CommandFailure(f"{argv[0]} is missing") from None
        except subprocess.TimeoutExpired:
            raise CommandFailure(f"{' '.join(argv)} did not end within a minute") from None
        if done.returncode != 0:
            raise CommandFailure(f"{' '.join(argv)} failed: {done.stderr.strip()}")

    def has_group(self, group: str) -> bool:
        """Return whether there is a group of that name."""
        try:
            grp.getgrnam(group)
        except KeyError:
            return False
        return True

    def is_member(self, user: str, group: str) -> bool:
        """Return whether the user is in the group, or will be from the next login on."""
        try:
            entry = grp.getgrnam(group)
            return user in entry.gr_mem or pwd.getpwnam(user).pw_gid == entry.gr_gid
        except KeyError:
            return False


class _Change(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all changes: as it stands one for which only root has the right.

    Each has `what`, one line that says what is changed, and `make`, which raises EdgeError,
    CommandFailure or OSError where it cannot be changed.
    """

    @property
    def later(self) -> str | None:
        """The command that does the same; None: that is setup itself."""
        return None

    def lacks(self, machine: ExaminedMachine) -> str | None:
        """Return the right that this process lacks for it; None: it may make the change."""
        return None if machine.user.uid == 0 else "only root may change groups"


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

    @override
    def lacks(self, machine: ExaminedMachine) -> str | None:
        return _closed(machine, self.path)

    def make(self, machine: ExaminedMachine, host: Host) -> None:
        path = Path(self.path)
        replace_file(path, self.after.encode(), READABLE)
        try:
            for argv in self.then:
                host.run(*argv)
        except CommandFailure:  # without effect it would only look as if it were done
            if self.before is None:
                path.unlink()
            else:
                replace_file(path, self.before.encode(), READABLE)
            raise


class NewGroup(_Change, frozen=True, tag_field="kind", tag="group"):
    """A group that sensors are given to."""

    group: str

    @property
    def what(self) -> str:
        return f"make the system group {self.group}"

    def make(self, machine: ExaminedMachine, host: Host) -> None:
        host.run("groupadd", "--system", self.group)


class Membership(_Change, frozen=True, tag_field="kind", tag="membership"):
    """A user joins a group."""

    user: str
    group: str
    why: str

    @property
    def what(self) -> str:
        return f"make {self.user} a member of {self.group}, {self.why}; from the next login on"

    def make(self, machine: ExaminedMachine, host: Host) -> None:
        host.run("usermod", "-aG", self.group, self.user)


class ModelPull(_Change, frozen=True, tag_field="kind", tag="model"):
    """A model is pulled."""

    name: str
    store: str
    why: str

    @property
    def what(self) -> str:
        return f"pull {self.name} into {self.store}: {self.why}"

    @property
    @override
    def later(self) -> str:
        return f"edge-rt models pull {self.name} --store {self.store}"

    @override
    def lacks(self, machine: ExaminedMachine) -> str | None:
        return _closed(machine, self.store)

    def make(self, machine: ExaminedMachine, host: Host) -> None:
        fetch(Store(Path(self.store), load_catalogue(machine.config.models.catalogue)), self.name)


class QuickCalibration(_Change, frozen=True, tag_field="kind", tag="calibration"):
    """The daemon measures the board."""

    @property
    def what(self) -> str:
        return "calibrate the board, within a minute, if it is cool and has nothing else to do"

    @property
    @override
    def later(self) -> str:
        return "edge-rt calibrate --quick"

    @override
    def lacks(self, machine: ExaminedMachine) -> str | None:
        return _no_daemon(machine)

    def make(self, machine: ExaminedMachine, host: Host) -> None:
        with Client(machine.socket) as client:
            calibrated(client, {"quick": True})


class LiveBudget(_Change, frozen=True, tag_field="kind", tag="budget"):
    """The running daemon gets a cap of power."""

    power_w: float

    @property
    def what(self) -> str:
        return f"tell the daemon of the power cap of {significant(self.power_w)} W"

    @override
    def lacks(self, machine: ExaminedMachine) -> str | None:
        return _no_daemon(machine)

    def make(self, machine: ExaminedMachine, host: Host) -> None:
        with Client(machine.socket) as client:
            client.put("/edge/v1/budget", {"power_w": self.power_w})


Change = FileChange | NewGroup | Membership | ModelPull | QuickCalibration | LiveBudget


def _closed(machine: ExaminedMachine, path: str) -> str | None:
    place = nearest(Path(path))
    return None if machine.access(place, os.W_OK) else f"no right to write to {place}"


def _no_daemon(machine: ExaminedMachine) -> str | None:
    return None if machine.access(machine.socket, os.W_OK) else "no right to use the daemon"
