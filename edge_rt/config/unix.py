"""What the configuration says of the Unix socket and its users, held against this machine."""

from __future__ import annotations

import grp
import os
import pwd
from collections.abc import Iterator
from pathlib import Path

from edge_rt.config.key import Key
from edge_rt.config.schema import Config

LONGEST_PATH = 107  # bytes, a limit of the kernel


def socket_faults(config: Config) -> Iterator[tuple[Key, str]]:
    """Every key of the socket with which it cannot be made, with the reason."""
    named = config.socket
    checks = (("path", named.path, check_path), ("group", named.group, group_id))
    for key, value, judge in checks:
        try:
            if value is not None:
                judge(value)
        except ValueError as error:
            yield ("socket", key), str(error)


def access_faults(config: Config) -> Iterator[tuple[Key, str]]:
    """Every user and group that this machine does not have, with the reason."""
    access = config.access
    for right, people in (("generate", access.generate), ("administer", access.administer)):
        kinds = (("users", people.users, user_id), ("groups", people.groups, group_id))
        for kind, names, find in kinds:
            for index, name in enumerate(names):
                try:
                    find(name)
                except ValueError as error:
                    yield ("access", right, kind, index), str(error)


def check_path(path: str | Path) -> None:
    """Raise ValueError unless a Unix socket can have that path."""
    if len(os.fsencode(path)) > LONGEST_PATH:
        raise ValueError(f"{path} is longer than {LONGEST_PATH} bytes: choose a shorter one")


def group_id(group: str) -> int:
    """The number of a group given by name or number; ValueError when nothing has that name."""
    if _is_number(group):
        return int(group)
    try:
        return grp.getgrnam(group).gr_gid
    except (KeyError, ValueError):
        raise ValueError(f"no group {group!r} on this machine: create it") from None


def user_id(user: str) -> int:
    """The number of a user given by name or number; ValueError when nobody has that name."""
    if _is_number(user):
        return int(user)
    try:
        return pwd.getpwnam(user).pw_uid
    except (KeyError, ValueError):
        raise ValueError(f"no user {user!r} on this machine: create it") from None


def _is_number(name: str) -> bool:
    return name.isascii() and name.isdigit() and len(name) < 10
