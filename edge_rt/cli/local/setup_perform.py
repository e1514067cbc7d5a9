"""Makes changes, each recorded before it is made, and takes them back."""

from __future__ import annotations

import grp
import pwd
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from edge_rt.cli.client import Client
from edge_rt.cli.exits import CommandFailure
from edge_rt.cli.local.model_store import fetch
from edge_rt.cli.local.setup_changes import (
    Change,
    ChangeJournal,
    FileChange,
    Membership,
    ModelPull,
    NewGroup,
    QuickCalibration,
)
from edge_rt.cli.options import there
from edge_rt.cli.progress import calibrated
from edge_rt.cli.text import Json, member, number
from edge_rt.core.errors import EdgeError, ModelNotFound
from edge_rt.core.files import READABLE, replace_file
from edge_rt.core.system.ownership import as_owner
from edge_rt.models.store.store import Store

_BUDGET = "/edge/v1/budget"
_FAILURES = (EdgeError, CommandFailure, OSError)


class Host:
    """The machine that is set up."""

    def run(self, argv: Sequence[str]) -> None:
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
        """Whether there is a group of that name."""
        try:
            grp.getgrnam(group)
        except KeyError:
            return False
        return True

    def is_member(self, user: str, group: str) -> bool:
        """Whether the user is in the group, or will be from the next login on."""
        try:
            entry = grp.getgrnam(group)
            return user in entry.gr_mem or pwd.getpwnam(user).pw_gid == entry.gr_gid
        except KeyError:
            return False


@dataclass(frozen=True)
class Performer:
    """Makes changes on `host`, which has models in `store` of a directory."""

    journal: ChangeJournal
    host: Host
    store: Callable[[Path], Store]

    def make(self, changes: Sequence[Change]) -> Iterator[tuple[Change, str | None]]:
        """Make each change; yield it with the reason where it could not be made."""
        for change in changes:
            self._record(change)
            try:
                done = self._do(change)
            except _FAILURES as error:
                with suppress(*_FAILURES):
                    self._undo(change)
                self.journal.drop(change)
                yield change, _words(error)
            else:
                if done != change:
                    self.journal.replace(change, done)
                yield change, None

    def undo(self) -> Iterator[tuple[Change, str | None]]:
        """Take all back, the latest first; yield each with the reason where it stays."""
        for change in reversed(self.journal.read()):
            try:
                told = self._undo(change)
            except _FAILURES as error:
                yield change, _words(error)
            else:
                self.journal.drop(change)
                yield change, told

    def _record(self, change: Change) -> None:
        try:
            self.journal.add(change)
        except OSError as error:
            why = f"cannot write {self.journal.path}: {error.strerror or error}"
            raise CommandFailure(f"{why}; run it as root: sudo edge-rt setup") from error

    def _do(self, change: Change) -> Change:
        """Make a change; return it with what is known only afterwards."""
        if isinstance(change, FileChange):
            replace_file(Path(change.path), change.after.encode(), READABLE)
            self._run(change.then)
        elif isinstance(change, NewGroup):
            self.host.run(["groupadd", "--system", change.group])
        elif isinstance(change, Membership):
            self.host.run(["usermod", "-aG", change.group, change.user])
        elif isinstance(change, ModelPull):
            entry = fetch(self.store(Path(change.store)), change.name)
            return msgspec.structs.replace(change, id=entry.id)
        elif isinstance(change, QuickCalibration):
            return _measure(change)
        else:
            _put(Path(change.socket), change.power_w)
        return change

    def _undo(self, change: Change) -> str | None:
        """Take a change back, if it was made; return what stays as it is, with the reason."""
        if isinstance(change, FileChange):
            return self._restore(change)
        if isinstance(change, NewGroup):
            if self.host.has_group(change.group):
                self.host.run(["groupdel", change.group])
        elif isinstance(change, Membership):
            if self.host.is_member(change.user, change.group):
                self.host.run(["gpasswd", "-d", change.user, change.group])
        elif isinstance(change, ModelPull):
            if change.id is not None:
                with suppress(ModelNotFound):
                    self.store(Path(change.store)).remove(change.id)
        elif isinstance(change, QuickCalibration):
            folder = Path(change.folder)
            with as_owner(folder):
                for name in change.made:
                    (folder / name).unlink(missing_ok=True)
        else:
            _lift(Path(change.socket), change.power_w)
        return None

    def _restore(self, change: FileChange) -> str | None:
        path = Path(change.path)
        now = path.read_bytes().decode(errors="replace") if there(path) else None
        if now == change.after:
            if change.before is None:
                path.unlink()
            else:
                replace_file(path, change.before.encode(), READABLE)
            self._run(change.then)
        elif now != change.before:
            return f"{path} was changed since and stays as it is; set-up had written {change.why}"
        return None

    def _run(self, commands: Sequence[Sequence[str]]) -> None:
        for argv in commands:
            self.host.run(argv)


def _measure(change: QuickCalibration) -> QuickCalibration:
    before = _names(change.folder)
    with Client(Path(change.socket)) as client:
        calibrated(client, {"quick": True})
    return msgspec.structs.replace(change, made=tuple(sorted(_names(change.folder) - before)))


def _names(folder: str) -> set[str]:
    with suppress(OSError):
        return {path.name for path in Path(folder).iterdir()}
    return set()


def _put(socket: Path, power_w: float | None) -> None:
    with Client(socket) as client:
        client.put(_BUDGET, {"power_w": power_w})


def _lift(socket: Path, power_w: float) -> None:
    """Take the cap away, if a daemon runs that has just this one."""
    if not there(socket):
        return
    state: Json = {}
    with suppress(CommandFailure), Client(socket) as client:
        state = client.get(_BUDGET)
    if number(member(state, "budget").get("power_w")) == power_w:
        _put(socket, None)


def _words(error: Exception) -> str:
    return error.message if isinstance(error, CommandFailure) else str(error)
