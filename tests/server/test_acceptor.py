"""A user who floods the socket with connections is refused by the kernel for a while."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections.abc import Collection, Iterator
from pathlib import Path
from unittest.mock import patch

import pytest

from edge_rt.server.acceptor import Acceptor
from edge_rt.server.connection_limiter import ConnectionLimiter, ConnectionOwner
from edge_rt.server.listening import keep_out

OTHER, THIRD, LAST = 65_534, 65_533, 65_532  # users
ACL = "system.posix_acl_access"


@pytest.fixture
def listening(tmp_path: Path) -> Iterator[socket.socket]:
    """A socket to which all users may connect."""
    tmp_path.chmod(0o711)
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(tmp_path / "s"))
        (tmp_path / "s").chmod(0o666)
        sock.listen(16)
        yield sock


def place(sock: socket.socket) -> Path:
    return Path(sock.getsockname())


def connects(user: int) -> bool:
    """Return whether the kernel lets `user` connect here; only root can be somebody else."""
    os.seteuid(user)
    try:
        with socket.socket(socket.AF_UNIX) as client:
            client.connect("s")
    except PermissionError:
        return False
    finally:
        os.seteuid(0)
    return True


def test_the_kernel_refuses_those_who_are_kept_out_and_no_others(
    listening: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, mode = place(listening), place(listening).stat().st_mode
    monkeypatch.chdir(path.parent)  # whose own parents are closed to others
    keep_out(listening, [OTHER])
    assert OTHER.to_bytes(4, "little") in os.getxattr(path, ACL)
    assert path.stat().st_mode == mode
    if os.geteuid() == 0:
        assert [connects(user) for user in (OTHER, THIRD, 0)] == [False, True, True]
    keep_out(listening, [])
    assert ACL not in os.listxattr(path)
    assert path.stat().st_mode == mode
    if os.geteuid() == 0:
        assert connects(OTHER)


def access_list(*entries: tuple[int, int, int]) -> bytes:
    """The entries (tag, permissions, who) of an access list, as the kernel takes them."""
    return b"\2\0\0\0" + b"".join(struct.pack("<HHI", *entry) for entry in entries)


def test_an_administrators_access_list_stays_as_it_was(
    listening: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, nobody = place(listening), 0xFFFFFFFF
    monkeypatch.chdir(path.parent)
    set_before = access_list(
        (1, 6, nobody),
        (2, 6, OTHER),
        (2, 0, LAST),
        (4, 0, nobody),
        (16, 6, nobody),
        (32, 0, nobody),
    )
    os.setxattr(path, ACL, set_before)
    keep_out(listening, [])
    assert os.getxattr(path, ACL) == set_before
    for users in ([OTHER], [OTHER, THIRD]):  # the daemon may be killed in between
        keep_out(listening, users)
        if os.geteuid() == 0:
            assert [connects(user) for user in (OTHER, LAST)] == [False, False]
    keep_out(listening, [])
    assert os.getxattr(path, ACL) == set_before
    if os.geteuid() == 0:
        assert [connects(user) for user in (OTHER, LAST)] == [True, False]


def test_a_socket_of_tcp_keeps_nobody_out() -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        keep_out(sock, [OTHER])
        keep_out(sock, [])


def kept_out(sock: socket.socket, users: list[int], *, fault: bool = False) -> list[list[int]]:
    """Whom an acceptor has kept out, step by step, while each of `users` connects once."""
    asked: list[list[int]] = []

    def note(_: socket.socket, now: Collection[int]) -> None:
        asked.append(sorted(now))
        if fault:
            raise OSError("the file system has no access lists")

    async def run() -> None:
        coming, come = iter(users), asyncio.Event()

        def caller(*_: object) -> ConnectionOwner:
            user = next(coming)
            if user == LAST:
                come.set()
            return ConnectionOwner(user)

        limiter = ConnectionLimiter(8, clock=lambda: 0.0, per_client_s=0.5, refused_s=1.0)
        with (
            patch("edge_rt.server.acceptor.caller_of", caller),
            patch("edge_rt.server.acceptor.KEPT_OUT_S", 0.0),
        ):
            acceptor = Acceptor(sock, limiter, lambda *_: asyncio.Protocol(), note)
            for _ in users:
                with socket.socket(socket.AF_UNIX) as client:
                    client.connect(str(place(sock)))
            await come.wait()
            while len(asked) % 2 == 0:  # who was kept out is let in again
                await asyncio.sleep(0)
            acceptor.close()

    asyncio.run(run())
    return asked


def test_who_floods_is_kept_out_for_a_while(listening: socket.socket) -> None:
    # One connection is opened, two are refused, and the next ones are a flood.
    found = kept_out(listening, [THIRD, *[OTHER] * 6, THIRD, LAST])
    assert found == [[], [OTHER], [], []]  # the first and the last of the start and the end


def test_who_does_not_flood_is_let_in(listening: socket.socket) -> None:
    assert kept_out(listening, [THIRD, *[OTHER] * 3, LAST]) == [[], []]


@pytest.mark.parametrize("user", [0, os.geteuid()])
def test_whom_the_kernel_lets_in_anyway_is_not_kept_out(
    listening: socket.socket, user: int
) -> None:
    assert kept_out(listening, [*[user] * 8, LAST]) == [[], []]


def test_a_file_system_without_access_lists_is_no_fault(listening: socket.socket) -> None:
    assert [OTHER] in kept_out(listening, [*[OTHER] * 6, LAST], fault=True)
