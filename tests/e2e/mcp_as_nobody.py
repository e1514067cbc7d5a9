"""Run edge-rt, whose connections are those of the user nobody.

The daemon asks the kernel who has connected. Only that is nobody's: files of this machine's Python
may be root's alone.
"""

from __future__ import annotations

import os
import socket
from typing import Any

from typing_extensions import override

from edge_rt.cli.entry import main

NOBODY = 65_534


class NobodysSocket(socket.socket):
    """Connects to Unix sockets as nobody."""

    @override
    def connect(self, address: Any, /) -> None:
        if self.family != socket.AF_UNIX:
            super().connect(address)
            return
        os.seteuid(NOBODY)
        try:
            super().connect(address)
        finally:
            os.seteuid(0)


if __name__ == "__main__":
    socket.socket = NobodysSocket
    main()
