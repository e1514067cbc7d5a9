"""Who is at the other end of a Unix socket."""

from __future__ import annotations

import asyncio
import socket
import struct

from uvicorn.protocols.http.h11_impl import H11Protocol

from edge_rt.api.guard import PEER

_CREDENTIALS = struct.Struct("3i")  # process, user and group


class PeerProtocol(H11Protocol):
    """uvicorn's protocol, which tells the app the user id of a Unix socket's other end."""

    def connection_made(self, transport: asyncio.Transport) -> None:
        """See asyncio.Protocol."""
        super().connection_made(transport)
        uid = peer_uid(transport.get_extra_info("socket"))
        if uid is not None:
            self.app_state = {**self.app_state, PEER: uid}


def peer_uid(connection: socket.socket | None) -> int | None:
    """The user who opened a connection; None where that is no Unix socket's."""
    if connection is None or connection.family != socket.AF_UNIX:
        return None
    told = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, uid, _ = _CREDENTIALS.unpack(told)
    return uid
