"""Work of root's in directories of another user, done as that user."""

from __future__ import annotations

import errno
import os
import pwd
import stat
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

_MOST_LINKS = 40  # as the kernel follows at most
_NOBODY = 65534  # the group of a user that the system does not know
_PLANTED = "its group or everybody may plant links there, which root would follow: chmod go-w it"
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True)
class Owner:
    """A user who decides what lies below the directory `own`, `rest` being the names to a place."""

    uid: int
    own: Path
    rest: tuple[str, ...]


def owner_of(place: Path) -> Owner | None:
    """Return the first user but root who could have a path to `place` lead elsewhere.

    None where root alone decides. Raises PermissionError where a group or everybody could, and
    OSError where links go round.
    """
    here, left, links = Path("/"), [*reversed(place.absolute().parts[1:])], 0
    while left:
        step = here / left.pop()
        try:
            found = step.lstat()
        except FileNotFoundError:  # root's to make
            return None
        if found.st_uid != 0:
            return Owner(found.st_uid, step, tuple(reversed(left)))
        if _shared(found):
            raise PermissionError(errno.EPERM, _PLANTED, str(step))
        if not stat.S_ISLNK(found.st_mode):
            here = here.parent if step.name == ".." else step
            continue
        links += 1
        if links > _MOST_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(place))
        target = step.readlink()
        here = Path("/") if target.is_absolute() else here
        left += reversed(target.parts[target.is_absolute() :])
    return None


def _shared(found: os.stat_result) -> bool:
    """Return whether other users may replace the files in a directory of root's.

    In a sticky directory they may not. Root's group is as good as root.
    """
    others = stat.S_IWOTH | (stat.S_IWGRP if found.st_gid else 0)
    replaced = found.st_mode & others and not found.st_mode & stat.S_ISVTX
    return stat.S_ISDIR(found.st_mode) and bool(replaced)


@contextmanager
def as_owner(place: Path) -> Generator[None]:
    """Act as the user who decides what lies at `place`, where this is root; see `owner_of`.

    As root, links that the user planted would have files of root's replaced. The user gets what
    root made at `place` earlier. For the main thread of a command alone: all threads
    act so. Raises PermissionError in another thread, and as `owner_of` does.
    """
    owner = owner_of(place) if os.geteuid() == 0 else None
    if owner is None:
        yield
        return
    if threading.current_thread() is not threading.main_thread():
        what = f"root's daemon writes nothing where user {owner.uid} could plant links"
        raise PermissionError(errno.EPERM, what, str(place))
    before, groups, own = os.getegid(), os.getgroups(), _groups_of(owner.uid)
    _hand_over(owner, own[0])
    try:
        os.setgroups(own)
        os.setegid(own[0])
        os.seteuid(owner.uid)
        yield
    finally:
        os.seteuid(0)
        os.setegid(before)
        os.setgroups(groups)


@contextmanager
def as_caller() -> Generator[None]:
    """Act as who ran the command, within `as_owner`: for files that the command line names."""
    real, effective, _ = os.getresuid()
    if real == effective:
        yield
        return
    os.seteuid(real)
    try:
        yield
    finally:
        os.seteuid(effective)


def child_ids() -> tuple[int, int] | tuple[None, None]:
    """Return the user and the group that a child process is given for good; None: this one's."""
    real, effective, _ = os.getresuid()
    return (None, None) if real == effective else (effective, os.getegid())


def _groups_of(uid: int) -> list[int]:
    """Return the user's groups, the primary one first."""
    try:
        known = pwd.getpwuid(uid)
    except KeyError:
        return [_NOBODY]
    return [known.pw_gid, *os.getgrouplist(known.pw_name, known.pw_gid)]


def _hand_over(owner: Owner, gid: int) -> None:
    """Give root's files at the place to the owner; no link is followed on the way or below."""
    folder = os.open(owner.own.parent, _READ | os.O_DIRECTORY)
    try:
        for name in (owner.own.name, *owner.rest):
            if name == "..":
                return
            below = os.open(name, _READ | os.O_DIRECTORY, dir_fd=folder)
            os.close(folder)
            folder = below
        for _, _, files, inside in os.fwalk(".", dir_fd=folder):
            _give(inside, owner.uid, gid)
            for name in files:
                _give_file(inside, name, owner.uid, gid)
    except OSError:
        return  # not there yet, or behind a link: the owner's own rights decide
    finally:
        os.close(folder)


def _give_file(folder: int, name: str, uid: int, gid: int) -> None:
    with suppress(OSError):  # a link, or gone by now
        file = os.open(name, _READ, dir_fd=folder)
        try:
            _give(file, uid, gid)
        finally:
            os.close(file)


def _give(descriptor: int, uid: int, gid: int) -> None:
    """Give a directory or a file of root's away, but no file that has a name elsewhere, too."""
    found = os.fstat(descriptor)
    alone = stat.S_ISREG(found.st_mode) and found.st_nlink == 1
    if found.st_uid == 0 and (alone or stat.S_ISDIR(found.st_mode)):
        os.fchown(descriptor, uid, gid)
