"""A process that stays offline reaches Unix sockets, whoever connected to it, and nobody else."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

BEFORE = """
import asyncio, socket, sys
from edge_rt.offline import stay_offline
stay_offline()
"""


def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-c", BEFORE + program, *arguments]
    return subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    "way",
    [
        "socket.create_connection(('127.0.0.1', 9))",
        "socket.socket().connect(('127.0.0.1', 9))",
        "socket.socket().connect_ex(('127.0.0.1', 9))",
        "socket.socket(socket.AF_INET6).connect(('::1', 9))",
        "socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', 9))",
        "socket.socket(type=socket.SOCK_DGRAM).sendmsg([b'x'], [], 0, ('127.0.0.1', 9))",
        "socket.getaddrinfo('localhost', 80)",
        "socket.gethostbyname('localhost')",
        "asyncio.run(asyncio.open_connection('127.0.0.1', 9))",
        "__import__('urllib.request').request.urlopen('http://127.0.0.1:9')",
    ],
)
def test_no_way_out_is_open(way: str) -> None:
    done = run(way)
    assert done.returncode != 0
    assert "edge_rt is offline and refuses" in done.stderr
    assert "`offline: false`" in done.stderr


def test_unix_sockets_are_reached(tmp_path: Path) -> None:
    program = """
server = socket.socket(socket.AF_UNIX)
server.bind(sys.argv[1])
server.listen()
client = socket.socket(socket.AF_UNIX)
client.connect(sys.argv[1])
told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
told.bind(sys.argv[1] + "d")
socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b"x", sys.argv[1] + "d")
"""
    done = run(program, str(tmp_path / "s"))
    assert (done.returncode, done.stderr) == (0, "")


def test_who_connects_is_served() -> None:
    program = """
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
with server.accept()[0] as client:
    client.sendall(client.recv(9))
    client.sendmsg([b"!"])
"""
    words = [sys.executable, "-c", BEFORE + program]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as served:
        assert served.stdout is not None
        with socket.create_connection(("127.0.0.1", int(served.stdout.readline())), 30) as client:
            client.sendall(b"hello")
            client.shutdown(socket.SHUT_WR)
            assert client.makefile().read() == "hello!"
    assert served.returncode == 0


def test_a_module_runs_in_such_a_process(tmp_path: Path) -> None:
    (tmp_path / "tried.py").write_text(
        "import socket, sys\nassert __name__ == '__main__'\nprint(sys.argv[1:])\n"
        "socket.create_connection(('127.0.0.1', 9))\n"
    )
    words = [sys.executable, "-m", "edge_rt.offline", "tried", "7", "8"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout == "['7', '8']\n"
    assert "edge_rt is offline" in done.stderr
