"""Who is at the other end of a Unix socket."""

from __future__ import annotations

import os
import socket
import struct
from contextlib import suppress
from typing import Any, NamedTuple

from edge_rt.api.middleware.access import ROOT, Access, Peer, People
from edge_rt.config import schema
from edge_rt.config.unix import group_id, user_id

_CREDENTIALS = struct.Struct("3i")  # process, user and group
_SO_PEERGROUPS = 59  # of Linux since 4.13, which Python does not name
_MOST_BYTES = 1024  # that Python reads of a socket's option: 256 groups


class Caller(NamedTuple):
    """The client that opened a connection, and the program it did so with."""

    client: object  # a user's number; over TCP the address
    program: object = None  # the number of the process; None: that is not known


def caller_of(connection: socket.SocketType, address: Any) -> Caller:
    """Who opened a connection that comes from `address`."""
    if connection.family == socket.AF_UNIX:
        pid, uid, _ = _credentials(connection)
        return Caller(uid, pid)
    return Caller(address[0])


def peer_of(connection: socket.socket | None) -> Peer | None:
    """The user who opened a connection; None where that is no Unix socket's.

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


def access_of(config: schema.Access) -> Access:
    """Who may do what; ValueError for a user or group that this machine does not have."""
    administer = _people(config.administer)
    administer = People(administer.users | {ROOT, os.getuid()}, administer.groups)
    everybody = config.generate == schema.People()
    return Access(None if everybody else _people(config.generate), administer)


def _people(named: schema.People) -> People:
    return People(frozenset(map(user_id, named.users)), frozenset(map(group_id, named.groups)))
