"""A process that stays offline reaches Unix sockets, whoever connected to it, and nobody else."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from edge_rt.core.system.process import refuse_network

BEFORE = """
import asyncio, ctypes, errno, os, socket, sys
from edge_rt.core.system.process import stay_offline
"""
OFFLINE = """
assert stay_offline() is None, "the kernel refuses nothing"
"""
NATIVE = """
import threading
libc = ctypes.CDLL(None, use_errno=True)
begin, told = threading.Event(), []
def call():
    begin.wait()
    for number, *words in calls:
        told.append((libc.syscall(number, *words), ctypes.get_errno()))
thread = threading.Thread(target=call)  # it is there before the kernel is told
thread.start()
"""


def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-c", BEFORE + OFFLINE + program, *arguments]
    return subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    "way",
    [
        "socket.create_connection(('127.0.0.1', 9))",
        "socket.socket().connect(('127.0.0.1', 9))",
        "socket.socket()",
        "socket.socket(socket.AF_INET6).connect(('::1', 9))",
        "socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', 9))",
        "socket.socket(type=socket.SOCK_DGRAM).sendmsg([b'x'], [], 0, ('127.0.0.1', 9))",
        "socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)",
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
assert stay_offline(listens=True) is None
print(server.getsockname()[1], flush=True)
with server.accept()[0] as client:
    client.sendall(client.recv(9))
    client.sendmsg([b"!"])
for way in (lambda: client.connect(("127.0.0.1", 9)), socket.socket):
    try:
        way()
    except PermissionError:
        print("refused")
"""
    words = [sys.executable, "-c", BEFORE + program]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as served:
        assert served.stdout is not None
        with socket.create_connection(("127.0.0.1", int(served.stdout.readline())), 30) as client:
            client.sendall(b"hello")
            client.shutdown(socket.SHUT_WR)
            assert client.makefile().read() == "hello!"
        assert served.stdout.read() == "refused\nrefused\n"
    assert served.returncode == 0


def test_a_module_runs_in_such_a_process(tmp_path: Path) -> None:
    (tmp_path / "tried.py").write_text(
        "import socket, sys\nassert __name__ == '__main__'\nprint(sys.argv[1:])\n"
        "socket.create_connection(('127.0.0.1', 9))\n"
    )
    words = [sys.executable, "-m", "edge_rt.core.system.process", "tried", "7", "8"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout == "['7', '8']\n"
    assert "edge_rt is offline" in done.stderr


def test_native_code_is_refused_in_every_thread_and_child() -> None:
    program = """
number = {"x86_64": 41, "aarch64": 198}[os.uname().machine]
calls = [(number, family, 1, 0) for family in (socket.AF_INET, socket.AF_INET6, 16, 40)]
calls += [(425, 1, 0), (number | 1 << 30, socket.AF_INET, 1, 0)]  # a ring, and x32
assert stay_offline() is None
begin.set()
thread.join()
assert told == [(-1, errno.EPERM)] * 6, told
assert libc.socket(socket.AF_UNIX, 1, 0) > 0
child = "import ctypes; raise SystemExit(ctypes.CDLL(None).socket(2, 1, 0) + 8)"
assert os.spawnv(os.P_WAIT, sys.executable, [sys.executable, "-c", child]) == 7
"""
    words = [sys.executable, "-c", BEFORE + NATIVE + program]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_machine_that_is_not_known_is_told() -> None:
    why = refuse_network("riscv64")
    assert why == "edge_rt does not know the system calls of riscv64 with this Python"
