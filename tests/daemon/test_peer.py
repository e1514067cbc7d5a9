"""The daemon knows which user is at the other end of its Unix socket."""

from __future__ import annotations

import os
import socket

from edge_rt.daemon.peer import peer_uid


def test_who_opened_a_unix_socket() -> None:
    one, other = socket.socketpair()
    with one, other:
        assert peer_uid(one) == os.getuid()


def test_a_tcp_socket_tells_nobody() -> None:
    with socket.socket() as one:
        assert peer_uid(one) is None
    assert peer_uid(None) is None
