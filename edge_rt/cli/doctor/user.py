"""The user who runs the command, and the rights that the groups give."""

from __future__ import annotations

import grp
import os
import pwd
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class User:
    """A user; `groups` count for this process, `listed` from the next login on."""

    uid: int
    name: str
    groups: frozenset[str]
    listed: frozenset[str]

    @classmethod
    def current(cls) -> User:
        """Return the user of this process."""
        uid = os.geteuid()
        name = _name(lambda: pwd.getpwuid(uid).pw_name, uid)
        groups = frozenset(group_name(gid) for gid in {os.getegid(), *os.getgroups()})
        listed = frozenset(entry.gr_name for entry in grp.getgrall() if name in entry.gr_mem)
        return cls(uid, name, groups, groups | listed)

    @property
    def sudo(self) -> str:
        """What goes before a command that only root may run."""
        return "" if self.uid == 0 else "sudo "

    def join(self, group: str) -> tuple[str, ...]:
        """How to become a member of `group`."""
        if group in self.listed and group not in self.groups:
            return ("# you are a member from your next login on: log out and in again",)
        return (
            f"{self.sudo}usermod -aG {group} {self.name}",
            "# then log out and in again",
        )


def group_name(gid: int) -> str:
    """The name of a group, or its number."""
    return _name(lambda: grp.getgrgid(gid).gr_name, gid)


def group_of(path: Path) -> str:
    """The name of the group that `path` belongs to."""
    return group_name(path.stat().st_gid)


def _name(look: Callable[[], str], number: int) -> str:
    try:
        return look()
    except KeyError:
        return str(number)
