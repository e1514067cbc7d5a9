"""Who opens connections, and how many there may be."""

from __future__ import annotations

import ctypes
import os
import resource
import socket
import struct
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from enum import Enum
from typing import Any, NamedTuple

from edge_rt.api.middleware.access import ROOT, AccessRules, Peer, UserIds
from edge_rt.api.middleware.clients import ClientRates
from edge_rt.config import schema
from edge_rt.config.checks import group_id, user_id

_CREDENTIALS = struct.Struct("3i")  # process, user and group
_SO_PEERGROUPS = 59  # of Linux since 4.13, which Python does not name
_MOST_BYTES = 1024  # that Python reads of a socket's option: 256 groups
MOST_FILES = 4096  # open at once; more than the connections, models and sensors of any board
_LARGE = 128 * 1024  # bytes
_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8  # of malloc.h
MORE = 64  # connections that are told that there are too many, beyond those that are served
RESERVED = 48  # open files for all but connections: models, sensors, engine, databases
_PROGRAMS = 1024  # whose rates are remembered, those that connected last
_CLIENTS = 256


class ConnectionOwner(NamedTuple):
    """The client that opened a connection, and the program it did so with."""

    client: object  # a user's number; over TCP the address
    program: object = None  # the number of the process; None: that is not known


def caller_of(connection: socket.SocketType, address: Any) -> ConnectionOwner:
    """Return the client that opened a connection from `address`."""
    if connection.family == socket.AF_UNIX:
        pid, uid, _ = _credentials(connection)
        return ConnectionOwner(uid, pid)
    return ConnectionOwner(address[0])


def peer_of(connection: socket.socket | None) -> Peer | None:
    """Return the user who opened a connection; None where that is no Unix socket's.

    The groups are those that the process had, as the kernel tells; where it does not, or there are
    more than 256, that is the first one alone.
    """
    if connection is None or connection.family != socket.AF_UNIX:
        return None
    _, uid, gid = _credentials(connection)
    groups = [gid]
    with suppress(OSError):
        others = connection.getsockopt(socket.SOL_SOCKET, _SO_PEERGROUPS, _MOST_BYTES)
        groups += struct.unpack(f"{len(others) // 4}I", others)
    return Peer(uid, frozenset(groups))


def _credentials(connection: socket.SocketType) -> tuple[int, int, int]:
    told = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return _CREDENTIALS.unpack(told)


def access_of(config: schema.Access) -> AccessRules:
    """Return the rights of users; raises ValueError for an unknown user or group."""
    administer = _people(config.administer)
    administer = UserIds(administer.users | {ROOT, os.getuid()}, administer.groups)
    everybody = config.generate == schema.People()
    return AccessRules(None if everybody else _people(config.generate), administer)


def _people(named: schema.People) -> UserIds:
    return UserIds(frozenset(map(user_id, named.users)), frozenset(map(group_id, named.groups)))


def raise_file_limit() -> int:
    """Raise the soft limit of open files to the hard one, or to MOST_FILES; return the new one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if hard == resource.RLIM_INFINITY else min(MOST_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def return_large_blocks() -> None:
    """Have malloc map large blocks one by one, so that the kernel has each back when it is freed.

    Otherwise glibc takes larger and larger blocks from its heap after the first such block was
    freed, and request bodies of megabytes leave a fragmented heap that never shrinks. Threads share
    one heap, as few of them compute at once.
    """
    with suppress(AttributeError):  # a C library without mallopt, such as musl, needs none
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_THRESHOLD, _LARGE)
        mallopt(_M_ARENA_MAX, 1)


class ConnectionVerdict(Enum):
    """What becomes of a new connection."""

    OPEN = 1
    FULL = 2  # it is told so, by the app
    SHUT = 3  # it is told so and closed at once: so many were told already
    OFTEN = 4  # likewise: its client opens too many a second
    FLOOD = 5  # likewise, and so many that others find no place in the backlog


class ConnectionLimiter:
    """Counts connections. No client, told apart by `who` it is, has more than half of them.

    The connections that a client, or one of its processes, opens per second are limited as well:
    opening one takes as long as a small request.
    """

    def __init__(
        self,
        most: int,
        files: int = 2**31,
        clock: Callable[[], float] = time.monotonic,
        *,
        per_program_s: float = 250.0,
        per_client_s: float = 500.0,
        refused_s: float = 500.0,
    ) -> None:
        """Allow `most` connections at once, or fewer where only `files` may be open.

        Twice as many as may be opened in a second may be opened at once. A client of whom more
        than `refused_s` a second have to be refused floods. `clock` is in seconds.
        """
        spare = max(4, files - RESERVED)
        self._more = min(MORE, spare // 4)
        self.most = max(2, min(most, spare - self._more))
        self._inside: Counter[object] = Counter()
        self._programs = ClientRates(2 * per_program_s, per_program_s, clock, _PROGRAMS)
        self._clients = ClientRates(2 * per_client_s, per_client_s, clock, _CLIENTS)
        self._refused = ClientRates(2 * refused_s, refused_s, clock, _CLIENTS)

    @property
    def inside(self) -> int:
        """Connections of all clients."""
        return self._inside.total()

    def enter(self, who: object, program: object = None) -> ConnectionVerdict:
        """Let in a connection of `who`; after OPEN or FULL it must leave again.

        `program` is the process of `who` that opens it; None: not known.
        """
        known = program is not None
        if (known and not self._programs.of((who, program)).allows()) or (
            not self._clients.of(who).allows()
        ):
            floods = not self._refused.of(who).allows()
            return ConnectionVerdict.FLOOD if floods else ConnectionVerdict.OFTEN
        beyond = max(self.inside - self.most, self._inside[who] - self.most // 2)
        if beyond >= self._more:
            return ConnectionVerdict.SHUT
        self._inside[who] += 1
        return ConnectionVerdict.FULL if beyond >= 0 else ConnectionVerdict.OPEN

    def leave(self, who: object) -> None:
        self._inside[who] -= 1
        if not self._inside[who]:
            del self._inside[who]
