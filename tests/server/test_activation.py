"""Sockets that systemd hands over are taken, checked, and kept from children."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from edge_rt.config.paths import Paths
from edge_rt.config.schema import Config, Socket, Tcp
from edge_rt.core.errors import ConfigError, ListenError
from edge_rt.server.server import listen
from edge_rt.server.systemd import handed_over


def environment(count: int, pid: int | None = None) -> dict[str, str]:
    return {
        "LISTEN_PID": str(os.getpid() if pid is None else pid),
        "LISTEN_FDS": str(count),
        "LISTEN_FDNAMES": "edge-rt.socket",
        "HOME": "/",
    }


def listening(path: Path) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(str(path))
    sock.listen()
    return sock


def descriptor(sock: socket.socket) -> int:
    """The socket's number, inheritable as systemd hands it over; `sock` is closed."""
    number = os.dup(sock.fileno())
    sock.close()
    os.set_inheritable(number, True)
    return number


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "s"


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(tmp_path / "run", tmp_path, tmp_path / "config.yaml", tmp_path)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def test_a_socket_is_taken_over_and_no_child_gets_it(path: Path, stack: ExitStack) -> None:
    first, environ = descriptor(listening(path)), environment(1)
    [sock] = [stack.enter_context(sock) for sock in handed_over(environ, first)]
    assert sock.getsockname() == str(path)
    assert not os.get_inheritable(first)
    assert environ == {"HOME": "/"}


@pytest.mark.parametrize("environ", [{}, environment(1, pid=1)])
def test_what_is_meant_for_another_process_is_left_alone(
    environ: dict[str, str], path: Path
) -> None:
    first = descriptor(listening(path))
    assert handed_over(environ, first) == []
    assert os.get_inheritable(first)
    os.close(first)


def test_a_socket_that_does_not_listen_is_refused() -> None:
    with pytest.raises(ListenError, match="Accept=no"):
        handed_over(environment(1), descriptor(socket.socket(socket.AF_UNIX)))


def test_datagrams_are_refused(path: Path) -> None:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sock.bind(str(path))
    with pytest.raises(ListenError, match="ListenStream="):
        handed_over(environment(1), descriptor(sock))


def test_the_daemon_then_makes_none_of_its_own(
    path: Path, paths: Paths, stack: ExitStack, caplog: pytest.LogCaptureFixture
) -> None:
    given = stack.enter_context(listening(path))
    config = Config(socket=Socket(path=str(path.with_name("other")), mode="0600"))
    assert listen(config, paths, [given]) == [given]
    assert not path.with_name("other").exists()
    assert "socket: of the configuration does not count" in caplog.text


def test_the_file_stays_for_the_next_one(path: Path, paths: Paths) -> None:
    for sock in listen(Config(), paths, [listening(path)]):
        sock.close()
    assert path.is_socket()


def test_of_a_kind_that_was_not_handed_over_the_daemon_makes_its_own(
    path: Path, paths: Paths, stack: ExitStack
) -> None:
    config = Config(tcp=Tcp(listen="127.0.0.1:0"))
    given = stack.enter_context(listening(path))
    _, own = [stack.enter_context(sock) for sock in listen(config, paths, [given])]
    assert own.getsockname()[0] == "127.0.0.1"
    sockets = listen(config, paths, [own])
    local = stack.enter_context(sockets[1])
    assert sockets == [own, local]
    assert local.getsockname() == str(paths.socket)


def test_tcp_that_others_can_reach_needs_a_key(paths: Paths, stack: ExitStack) -> None:
    given = stack.enter_context(socket.socket())
    given.bind(("0.0.0.0", 0))
    given.listen()
    with pytest.raises(ConfigError, match=r"edge-rt\.socket: 0\.0\.0\.0 is what.*api_key_sha256"):
        listen(Config(), paths, [given])
    config = Config(tcp=Tcp(api_key_sha256=["0" * 64]))
    for sock in listen(config, paths, [given]):
        sock.close()
