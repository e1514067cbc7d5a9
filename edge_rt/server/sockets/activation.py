"""Sockets that systemd listens on and hands over, see sd_listen_fds(3)."""

from __future__ import annotations

import os
import socket
from collections.abc import MutableMapping

from edge_rt.errors import ListenError

FIRST = 3  # descriptor
_VARIABLES = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")
_FAMILIES = (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6)


def handed_over(
    environ: MutableMapping[str, str] = os.environ, first: int = FIRST
) -> list[socket.socket]:
    """The sockets that this process was started with, none where it was started otherwise.

    Its children get neither them nor the variables that tell of them. Raises ListenError for what
    is no listening socket.
    """
    pid, count, _ = (environ.pop(name, "") for name in _VARIABLES)
    if pid != str(os.getpid()) or not count.isdigit():
        return []
    numbers = range(first, first + int(count))
    for number in numbers:
        os.set_inheritable(number, False)
    return [_listening(number) for number in numbers]


def _listening(number: int) -> socket.socket:
    sock = socket.socket(fileno=number)
    stream = sock.family in _FAMILIES and sock.type == socket.SOCK_STREAM
    if stream and sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        return sock
    sock.close()
    raise ListenError(
        f"descriptor {number}, which systemd hands over, is no socket that listens for streams: "
        "edge-rt.socket needs ListenStream= and Accept=no"
    )
