"""A process that opens no connection, whatever a library in it tries.

`python -m edge_rt.offline MODULE ARGUMENT...` runs a module in such a process.
"""

from __future__ import annotations

import runpy
import socket
import sys
from typing import Any

_NAMES = {  # events of https://docs.python.org/3/library/audit_events.html
    "socket.getaddrinfo",
    "socket.gethostbyaddr",
    "socket.gethostbyname",
    "socket.getnameinfo",
}
_WAYS = {"socket.connect", "socket.sendto", "socket.sendmsg"}


def stay_offline() -> None:
    """From now on and for good let Python's sockets reach only Unix ones: else PermissionError.

    Connections that others open to a socket that listens here are as they were.
    """
    sys.addaudithook(_refuse)


def _refuse(event: str, args: tuple[Any, ...]) -> None:
    if event in _NAMES or (event in _WAYS and _leads_out(args[0], args[1])):
        message = f"edge_rt is offline and refuses {event.removeprefix('socket.')}"
        raise PermissionError(f"{message}; `offline: false` in its configuration allows it")


def _leads_out(sock: socket.socket, address: object) -> bool:
    """Whether `sock` is to reach `address`; None: whoever connected to it."""
    return address is not None and sock.family != socket.AF_UNIX


if __name__ == "__main__":
    stay_offline()
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
