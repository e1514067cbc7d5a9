"""A process that opens no connection, whatever a library in it tries.

`python -m edge_rt.offline MODULE ARGUMENT...` runs a module in such a process.
"""

from __future__ import annotations

import runpy
import socket
import sys
from functools import partial
from typing import Any

from edge_rt.kernel import refuse_network

_NAMES = {  # events of https://docs.python.org/3/library/audit_events.html
    "socket.getaddrinfo",
    "socket.gethostbyaddr",
    "socket.gethostbyname",
    "socket.getnameinfo",
}
_GIVEN = -1  # the family of a socket that is made of a descriptor
_WAYS = {"socket.connect", "socket.sendto", "socket.sendmsg"}


def stay_offline(listens: bool = False) -> str | None:
    """From now on and for good let this process make and reach only Unix sockets.

    Python raises PermissionError for others, and the kernel refuses them to native code and to
    children. Connections that others open to a socket that `listens` here are as they were.
    Returns why the kernel does not refuse, None where it does.
    """
    sys.addaudithook(partial(_refuse, listens))
    return refuse_network()


def _refuse(listens: bool, event: str, args: tuple[Any, ...]) -> None:
    """Raise with a text that the kernel's refusal does not have.

    What a listening socket accepts becomes a new socket of Python's: the kernel tells those apart.
    """
    made = event == "socket.__new__" and not listens and args[1] not in (_GIVEN, socket.AF_UNIX)
    if made or event in _NAMES or (event in _WAYS and _leads_out(args[0], args[1])):
        what = "socket" if made else event.removeprefix("socket.")
        raise PermissionError(
            f"edge_rt is offline and refuses {what}; "
            "`offline: false` in its configuration allows it"
        )


def _leads_out(sock: socket.socket, address: object) -> bool:
    """Whether `sock` is to reach `address`; None: whoever connected to it."""
    return address is not None and sock.family != socket.AF_UNIX


if __name__ == "__main__":
    stay_offline()
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
