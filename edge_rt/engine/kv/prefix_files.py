"""Prefixes of prompts in files: one folder, one file for each prefix and its state."""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import shutil
import struct
from array import array
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from io import BufferedReader
from pathlib import Path
from typing import TypeAlias

import msgspec

from edge_rt.core.cached import Which

_FRONT = struct.Struct("<8sIQ16s")  # magic, bytes of the head and of the state, the state's check
_KIND, _MAGIC = b"edge-px", b"edge-px1"  # what all files begin with, and those that are read here
_CHECK = 16  # bytes; one stands behind the front, for front and head
_MOST_HEAD = 1 << 24  # bytes

Tokens: TypeAlias = "array[int]"
"""Token ids as C ints: slices of them are compared in no time."""

SPARE_BYTES = 128 << 20  # of the disk are left to others
_SUFFIX = ".prefix"
log = logging.getLogger(__name__)


class PrefixHeader(msgspec.Struct, frozen=True, array_like=True):
    """Which beginning it is, and whose: made for `client` at `made` in Unix seconds.

    `key` tells all that shapes the state beside the text. Several texts that go on differently
    have a `shared` one. Earlier versions look at `token_s`.
    """

    key: bytes
    model: str
    client: str
    ids: bytes  # of the tokens, as this machine keeps C ints
    made: float
    token_s: float
    shared: bool

    @property
    def tokens(self) -> Tokens:
        """The text."""
        return array("i", self.ids)

    def is_among(self, which: Which, now: float) -> bool:
        """Return whether it is one of `which`, at `now` in Unix seconds."""
        return which.fits(self.model, self.client, now - self.made)

    @property
    def name(self) -> str:
        """A name that no other beginning has."""
        said = msgspec.msgpack.encode((self.key, self.client, self.ids))
        return hashlib.sha256(said).hexdigest()[:32]


@dataclass(eq=False)
class Stored:
    """A prefix file that is whole, as far as its head tells."""

    head: PrefixHeader
    size: int  # bytes
    used: float  # Unix seconds

    @cached_property
    def tokens(self) -> Tokens:
        """The text."""
        return self.head.tokens


def write(path: Path, head: PrefixHeader, state: bytes | bytearray) -> int:
    """Write a file that only this user can read, all of it or nothing; return its bytes.

    It is not synced: what a power cut leaves is no whole file. Raises OSError.
    """
    packed = _pack(head)
    front = _FRONT.pack(_MAGIC, len(packed), len(state), _check(state))
    draft = draft_of(path)
    try:
        with open(draft, "wb", opener=_private) as file:
            file.writelines((front, _check(front + packed), packed, state))
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    return size_of(head, state)


def size_of(head: PrefixHeader, state: bytes | bytearray) -> int:
    """Return the bytes of the file."""
    return _FRONT.size + _CHECK + len(_pack(head)) + len(state)


def draft_of(path: Path) -> Path:
    """Return what it is called until it is whole."""
    return path.with_name(f".{path.name}.new")


def look(path: Path) -> Stored | None:
    """Return what the head says; None where the file is damaged, cut or another one.

    Raises OSError.
    """
    with path.open("rb") as file:
        found = _head(file)
        status = os.fstat(file.fileno())
    return None if found is None else Stored(found[0], status.st_size, status.st_mtime)


def is_newer(path: Path) -> bool:
    """Return whether the file is of another version than is read here. Raises OSError."""
    with path.open("rb") as file:
        magic = file.read(len(_MAGIC))
    return magic.startswith(_KIND) and len(magic) == len(_MAGIC) and magic > _MAGIC


def read(path: Path) -> tuple[PrefixHeader, bytearray] | None:
    """Head and state; None where the file is not what was written. Raises OSError."""
    with path.open("rb") as file:
        found = _head(file)
        if found is None:
            return None
        head, size, check = found
        state = bytearray(size)
        if file.readinto(state) != size or _check(state) != check:
            return None
    return head, state


def _head(file: BufferedReader) -> tuple[PrefixHeader, int, bytes] | None:
    """Return the head, the bytes of the state and its check.

    The file is then where the state begins.
    """
    front = file.read(_FRONT.size)
    if len(front) < _FRONT.size:
        return None
    magic, head_size, size, check = _FRONT.unpack(front)
    if magic != _MAGIC or head_size > _MOST_HEAD:
        return None
    whole = _FRONT.size + _CHECK + head_size + size
    if os.fstat(file.fileno()).st_size != whole:
        return None
    own, packed = file.read(_CHECK), file.read(head_size)
    if _check(front + packed) != own:
        return None
    try:
        return msgspec.msgpack.decode(packed, type=PrefixHeader), size, check
    except ValueError:  # of another version
        return None


def _pack(head: PrefixHeader) -> bytes:
    return msgspec.msgpack.encode(head)


def _check(data: bytes | bytearray) -> bytes:
    return hashlib.blake2b(data, digest_size=_CHECK).digest()


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, 0o600)


def common_prefix(a: Sequence[object], b: Sequence[object]) -> int:
    """Return how many leading items `a` and `b` share, by bisection over slice equality."""
    low, high = 0, min(len(a), len(b))
    while low < high:
        middle = (low + high + 1) // 2
        if a[low:middle] == b[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


class PrefixFolder:
    """Files by the names of their heads.

    Incomplete files are deleted when they are met, those of a later version are left alone. What
    cannot be deleted is not used: a client may have wanted it to be forgotten.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def scan(self) -> list[Stored]:
        """Return all there is, but for what a kill left half written. Raises OSError."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not _may_change(self.path):
            raise PermissionError(errno.EACCES, "nothing can be deleted there", str(self.path))
        found: list[Stored] = []
        for file in self.path.iterdir():
            if file.name.startswith(".") and file.name.endswith(draft_of(Path(_SUFFIX)).name[1:]):
                _remove(file)
            elif file.suffix == _SUFFIX and _may_change(file):
                with suppress(OSError):  # which reading it would meet again
                    whole = look(file)
                    if whole is not None and self._of(whole.head.name) == file:
                        found.append(whole)
                    elif is_newer(file):
                        log.info("%s is of a newer edge_rt and left alone", file)
                    else:
                        self._damaged(file)
        return found

    def write(self, head: PrefixHeader, state: bytes | bytearray) -> int:
        """Keep a state, return the bytes of its file; OSError, also if the disk is almost full."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if shutil.disk_usage(self.path).free < len(state) + SPARE_BYTES:
            raise OSError(errno.ENOSPC, "the disk is all but full", str(self.path))
        place = self._of(head.name)
        if place.exists() and is_newer(place):
            raise FileExistsError(errno.EEXIST, "it is of a newer edge_rt", head.name)
        return write(place, head, state)

    def read(self, name: str) -> tuple[PrefixHeader, bytearray] | None:
        """Head and state of that name; None where it is not there any more. Raises OSError."""
        file = self._of(name)
        try:
            found = read(file)
        except FileNotFoundError:
            return None
        if found is None or found[0].name != name:
            self._damaged(file)
            return None
        return found

    def use(self, name: str, now: float) -> None:
        """Note when it was used last, in Unix seconds, as far as the disk lets that be noted."""
        with suppress(OSError):
            os.utime(self._of(name), (now, now))

    def delete(self, name: str) -> bool:
        """Delete the file of that name; return whether there was one. Raises OSError."""
        file = self._of(name)
        try:
            file.unlink()
        except FileNotFoundError:
            return False
        except OSError:
            os.truncate(file, 0)  # the name stays, and nothing of what was said
        return True

    def _of(self, name: str) -> Path:
        return self.path / f"{name}{_SUFFIX}"

    def _damaged(self, file: Path) -> None:
        log.warning("%s is damaged: it is deleted", file)
        _remove(file)


def _may_change(path: Path) -> bool:
    return os.access(path, os.W_OK, effective_ids=True)


def _remove(file: Path) -> None:
    with suppress(OSError):  # it is met again
        file.unlink()
