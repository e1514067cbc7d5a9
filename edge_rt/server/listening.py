"""The sockets that the daemon listens on, made so that nobody else can get between."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
import struct
from collections.abc import Callable, Collection, Generator, Sequence
from pathlib import Path
from typing import Any, cast

from edge_rt.config.checks import Address, check_path, group_id, is_loopback
from edge_rt.core.errors import ConfigError, ListenError
from edge_rt.core.files import take

_ACL = "system.posix_acl_access"  # linux/posix_acl_xattr.h
_ACL_HEAD, _ACL_ENTRY = struct.pack("<I", 2), struct.Struct("<HHI")
_OWNER, _USER, _GROUP, _GROUPS, _MASK, _OTHERS = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
_REFUSED = 1  # to execute, which is nothing at a socket: no administrator's entry allows just that
_UNNAMED = 0xFFFFFFFF
_PROBE_S = 1.0  # a daemon whose queue is not full accepts at once
_BACKLOG = 128  # until the daemon accepts connections; see Acceptor
_NO_NETWORK = (
    "; a service without a network has systemd listen: leave tcp.listen out, and add ListenStream= "
    "to edge-rt.socket with `systemctl edit edge-rt.socket`"
)


def safe_directory(directory: Path) -> None:
    """Make sure that only root and this user decide what is in `directory`.

    Makes it when it is missing, closed to others below a directory that everybody may write to.
    Its parents are for whoever owns them to make.
    """
    with contextlib.suppress(FileExistsError):
        try:
            directory.mkdir(mode=0o700)
        except FileNotFoundError:
            raise ListenError(
                f"the socket's directory {directory} cannot be made, for {directory.parent} is "
                "missing: make that first, or choose another path for the socket"
            ) from None
        if not _open_to_all(directory.parent.stat()):
            directory.chmod(0o755)  # who may talk to the daemon is for the socket's mode to say
    info = directory.lstat()
    if not stat.S_ISDIR(info.st_mode):
        raise _unsafe(directory, "it is a symbolic link or a file")
    if info.st_uid not in (0, os.geteuid()):
        raise _unsafe(directory, f"it belongs to user {info.st_uid}")
    if _open_to_all(info) and not info.st_mode & stat.S_ISVTX:
        raise _unsafe(directory, "everybody may remove and replace files in it")


def _open_to_all(info: os.stat_result) -> bool:
    return bool(info.st_mode & stat.S_IWOTH)


def _unsafe(directory: Path, reason: str) -> ListenError:
    return ListenError(f"{directory} is no safe place for a socket: {reason}; choose another")


def hold_lock(path: Path) -> int:
    """Hold the lock beside `path`: of two daemons that start at once, one gets it."""
    try:
        return take(Path(f"{path}.lock"))
    except BlockingIOError:
        raise ListenError(f"another daemon runs or starts at {path}: stop it first") from None


def clear_stale(path: Path) -> None:
    """Remove the socket of a daemon that is gone; refuse everything else that is at `path`."""
    try:
        kind = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(kind):
        raise ListenError(f"{path} is there and no socket: move it away or choose another path")
    if _answers(path):
        raise ListenError(f"another daemon answers at {path}: stop it first")
    path.unlink(missing_ok=True)


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(_PROBE_S)
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except (BlockingIOError, TimeoutError):
            return True  # its queue is full, but somebody owns it
    return True


def keep_out(sock: socket.socket, users: Collection[int]) -> None:
    """Have the kernel refuse `users` at a Unix socket, and nobody whom this kept out before.

    An access list says so, beside what else is in it. Raises OSError where the file system has
    none, or the socket is another user's. See acl(5) for the list, whose mask shows as the group's
    part of the mode.
    """
    path = sock.getsockname()
    if not isinstance(path, str) or not path:
        return
    before = _access_list(path)
    others = [entry for entry in before if entry[:2] != (_USER, _REFUSED)]
    allowed = {tag: allowed for tag, allowed, _ in others}
    if users and _MASK not in allowed:
        others.append((_MASK, allowed[_GROUP], _UNNAMED))
    refused = [(_USER, _REFUSED, user) for user in sorted(users)]
    entries = sorted([*refused, *others], key=lambda entry: entry[0])  # the first of a user counts
    if entries == before:
        return
    if not allowed.keys() & {_USER, _GROUPS} and not users and allowed[_MASK] == allowed[_GROUP]:
        os.removexattr(path, _ACL)  # the mode says the same
    else:
        os.setxattr(path, _ACL, _ACL_HEAD + b"".join(_ACL_ENTRY.pack(*entry) for entry in entries))


def _access_list(path: str) -> list[tuple[int, int, int]]:
    """Return the entries (tag, permissions, who), of the mode where there is no list."""
    if _ACL in os.listxattr(path):
        packed = os.getxattr(path, _ACL)[len(_ACL_HEAD) :]
        return [(tag, allowed, who) for tag, allowed, who in _ACL_ENTRY.iter_unpack(packed)]
    mode = Path(path).stat().st_mode
    parts = ((_OWNER, 6), (_GROUP, 3), (_OTHERS, 0))
    return [(tag, mode >> bits & 7, _UNNAMED) for tag, bits in parts]


def identity(path: Path) -> tuple[int, int] | None:
    """Return what tells the file at `path` from one put there later; None when there is none."""
    try:
        info = path.lstat()
    except OSError:
        return None
    return info.st_dev, info.st_ino


_Resolved = tuple[int, int, int, str, Any]
Resolver = Callable[..., Sequence[_Resolved]]
"""What socket.getaddrinfo is."""


class UnixSocket(socket.socket):
    """A listening Unix socket; closing it removes its file and gives up its lock.

    The file is removed only while it is the one that was made here.
    """

    def __init__(self, path: Path, lock: int) -> None:
        super().__init__(socket.AF_UNIX, socket.SOCK_STREAM)
        self.path = path
        self._lock: int | None = lock
        self._identity: tuple[int, int] | None = None

    def claim(self) -> None:
        """Bind to the path with a file that only this user can open."""
        before = os.umask(0o177)
        try:
            self.bind(str(self.path))
        finally:
            os.umask(before)
        self._identity = identity(self.path)

    def close(self) -> None:
        """Stop listening. May be called more than once."""
        if self._identity is not None and identity(self.path) == self._identity:
            with contextlib.suppress(OSError):  # closing must go on: the next start clears it away
                self.path.unlink()
        self._identity = None
        super().close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def unix_socket(path: Path, mode: int, group: str | None = None) -> UnixSocket:
    """Return a Unix socket that listens at `path` with `mode` and `group` (a name or a number).

    Makes the directory when it is missing (not its parents) and clears away the socket of a
    daemon that is gone. Sets the process's umask for a moment, so call it before threads start.
    Raises ConfigError for a path or group that cannot be, and ListenError when another daemon
    answers, something else is in the way, or the directory is not safe.
    """
    with _naming("socket.path"):
        check_path(path)
    with _naming("socket.group"):
        gid = None if group is None else group_id(group)
    with _refusal(path):
        safe_directory(path.parent)
        sock = UnixSocket(path, hold_lock(path))
        try:
            clear_stale(path)
            sock.claim()
            if gid is not None:
                _give(path, gid, group)
            path.chmod(mode)
            sock.listen(_BACKLOG)
        except BaseException:
            sock.close()
            raise
    return sock


def tcp_socket(listen: str, has_key: bool, resolve: Resolver = socket.getaddrinfo) -> socket.socket:
    """Return a TCP socket that listens at `listen` ("HOST:PORT").

    Without a key every address that the host stands for must be a loopback address; ConfigError
    otherwise. ListenError when the host is unknown or the address taken.
    """
    with _naming("tcp.listen"):
        address = Address.parse(listen)
    with _refusal(listen):
        found = resolve(address.host, address.port, type=socket.SOCK_STREAM)
        check_reach(address.host, [place[0] for *_, place in found], has_key)
        return _first(found)


def address(sock: socket.socket) -> str:
    """Return where a socket listens, as people write it."""
    name = sock.getsockname()
    if isinstance(name, str):
        return name
    host, port = cast("tuple[str, int]", name[:2])
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def way_in(sockets: Sequence[socket.socket], has_key: bool) -> str:
    """Return a hint for people: how clients reach `sockets`, of which the first for TCP counts."""
    place = next((address(sock) for sock in sockets if sock.family != socket.AF_UNIX), None)
    if place is None:
        return "for clients that take an address: --listen 127.0.0.1:8080, or tcp.listen"
    key = " (with a key of tcp.api_key_sha256)" if has_key else ""
    return f"OpenAI's clients use http://{place}/v1, Ollama's and browsers http://{place}{key}"


def check_reach(
    host: str, addresses: Sequence[str], has_key: bool, key: str = "tcp.listen"
) -> None:
    """ConfigError unless there is a key, or only this machine reaches what `host` stands for.

    `key` is what names the host.
    """
    foreign = [address for address in addresses if not is_loopback(address)]
    if foreign and not has_key:
        reached = f"{host} is {foreign[0]}, which" if host != foreign[0] else f"{host} is what"
        raise _wrong(
            key,
            f"{reached} other machines can reach, so a key is "
            "needed: set tcp.api_key_sha256, or listen on 127.0.0.1",
        )


def _first(found: Sequence[_Resolved]) -> socket.socket:
    """Listen at the first address that this machine has: a name may stand for IPv6 and IPv4."""
    for number, (family, kind, _, _, place) in enumerate(found, 1):
        sock = socket.socket(family, kind)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(place)
            sock.listen(_BACKLOG)
        except OSError:
            sock.close()
            if number == len(found):
                raise
        else:
            return sock
    raise OSError("the host name stands for no address")


@contextlib.contextmanager
def _refusal(place: object) -> Generator[None, None, None]:
    """Say of every OSError inside where the listening failed."""
    try:
        yield
    except ListenError:
        raise
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        advice = _NO_NETWORK if getattr(error, "errno", None) == errno.EAFNOSUPPORT else ""
        raise ListenError(f"cannot listen at {place}: {reason}{advice}") from error


@contextlib.contextmanager
def _naming(key: str) -> Generator[None, None, None]:
    """Say of a ValueError inside which key of the configuration it is about."""
    try:
        yield
    except ValueError as error:
        raise _wrong(key, str(error)) from None


def _wrong(key: str, message: str) -> ConfigError:
    return ConfigError(message, file="configuration", key=key)


def _give(path: Path, gid: int, group: str | None) -> None:
    try:
        os.chown(path, -1, gid, follow_symlinks=False)
    except PermissionError:
        raise ListenError(
            f"no right to give {path} to group {group}: start the daemon as root or as a member "
            "of the group, or leave socket.group out"
        ) from None
