"""The daemon makes no socket but its own: seen from within and by the kernel."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import socket
import subprocess
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

HELLOS = [{"role": "user", "content": "Hello"}]
HELLO = {"prompt": "Hello", "max_tokens": 4, "temperature": 0}
INTERNET = ("tcp", "tcp6", "udp", "udp6", "udplite", "udplite6", "raw", "raw6", "icmp", "icmp6")
AUDIT = """
import os, sys

def note(event, args):
    if event == "socket.__new__" and args[1] != -1:  # which is one that was there
        write(int(args[1]))

def write(family):
    with open(os.environ["EDGE_RT_SEEN"], "a") as file:
        file.write(f"{os.getpid()} {family}\\n")

write(0)
sys.addaudithook(note)
"""
NATIVE = """
import ctypes, os, threading, time

def call():  # from a thread that was there first
    libc = ctypes.CDLL(None, use_errno=True)
    while not os.path.exists(os.environ["EDGE_RT_GO"]):
        time.sleep(0.05)
    told = [libc.socket(family, 1, 0) >= 0 or ctypes.get_errno() for family in (2, 10, 1)]
    with open(f"{os.environ['EDGE_RT_GO']}-{os.getpid()}", "w") as file:
        file.write(repr(told))

threading.Thread(target=call, daemon=True).start()
"""
MARKERS = {name: f"marker-of-{name}" for name in ("prompt", "system", "stop", "path")}
KEY = "5e" * 32


def seen(place: Path) -> dict[int, set[int]]:
    """The families of the sockets that each process made, whether it made some or not."""
    found: dict[int, set[int]] = {}
    for line in (place / "seen").read_text().splitlines():
        process, family = map(int, line.split())
        found.setdefault(process, set()).add(family)
    return {process: families - {0} for process, families in found.items()}


@pytest.fixture
def watched(tmp_path: Path) -> dict[str, str]:
    """Variables with which every Python notes the sockets that it makes."""
    (tmp_path / "sitecustomize.py").write_text(AUDIT)
    return {"PYTHONPATH": str(tmp_path), "EDGE_RT_SEEN": str(tmp_path / "seen")}


def restart(daemon: Any) -> None:
    daemon.terminate()
    daemon.start()


@pytest.mark.slow
def test_unix_sockets_are_all_that_are_made(
    own_daemon: Any, watched: dict[str, str], tmp_path: Path
) -> None:
    daemon = own_daemon()
    daemon.environment = watched
    restart(daemon)
    assert daemon.complete("Hello", max_tokens=4)
    assert daemon.http.get("/metrics").status_code == 200
    engine = daemon.engine()["pid"]
    found = seen(tmp_path)
    assert {daemon.process.pid, engine} <= set(found), "both are watched"
    assert set().union(*found.values()) == {socket.AF_UNIX}


@pytest.mark.slow
def test_tcp_is_made_where_it_is_configured(
    own_daemon: Any, watched: dict[str, str], tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    daemon = own_daemon(tcp={"listen": f"127.0.0.1:{port}"})
    daemon.environment = watched
    restart(daemon)
    body = {"model": daemon.model} | HELLO
    answer = httpx.post(f"http://127.0.0.1:{port}/v1/completions", json=body, timeout=120)
    assert answer.status_code == 200, "who connects is served"
    found = seen(tmp_path)
    assert socket.AF_INET in found[daemon.process.pid]
    assert found[daemon.engine()["pid"]] <= {socket.AF_UNIX}


REFUSED, ALLOWED = [errno.EPERM, errno.EPERM, True], [True, True, True]


def filters(pid: int) -> int:
    """Return how many seccomp filters a process has; a container or service gives each some."""
    (line,) = re.findall(
        r"^Seccomp_filters:\t(\d+)$", Path(f"/proc/{pid}/status").read_text(), re.M
    )
    return int(line)


@pytest.mark.slow
@pytest.mark.parametrize(("offline", "becomes"), [(True, REFUSED), (False, ALLOWED)])
def test_native_code_is_refused_internet_sockets(
    own_daemon: Any, tools: Any, tmp_path: Path, offline: bool, becomes: list[object]
) -> None:
    (tmp_path / "sitecustomize.py").write_text(NATIVE)
    go = tmp_path / "go"
    daemon = own_daemon(offline=offline)
    daemon.environment = {"PYTHONPATH": str(tmp_path), "EDGE_RT_GO": str(go)}
    restart(daemon)
    answer = daemon.post({"messages": HELLOS, "max_tokens": 4}, "/v1/chat/completions")
    assert answer.status_code == 200
    go.touch()
    for pid in (daemon.process.pid, daemon.engine()["pid"]):
        told = tmp_path / f"go-{pid}"
        tools.eventually(lambda told=told: told.exists() and told.read_text(), f"{told} is there")
        assert told.read_text() == repr(becomes)
    children = psutil.Process(daemon.process.pid).children()
    assert len(children) == 2, "the engine and the process that fills in templates"
    for pid in (daemon.process.pid, *(child.pid for child in children)):
        assert (filters(pid) > filters(os.getpid())) == offline


def alone() -> list[str]:
    """The command that runs another in a network of its own, without any interface that is up."""
    for command in (["unshare", "--net"], ["unshare", "--user", "--map-root-user", "--net"]):
        program = shutil.which(command[0])
        if program and not subprocess.run([*command, "true"], check=False).returncode:
            return command
    pytest.skip("this machine lets nobody have a network namespace")


def counted(net: Path) -> dict[str, int]:
    """The kernel's counters of packets, by protocol and name."""
    lines = (net / "snmp").read_text().splitlines()
    counters: dict[str, int] = {}
    for names, values in zip(lines[::2], lines[1::2], strict=True):
        protocol, *rest = names.split()
        pairs = zip(rest, values.split()[1:], strict=True)
        counters |= {f"{protocol}{name}": int(value) for name, value in pairs}
    return counters


def test_without_a_network_all_works_and_nobody_tries_to_have_one(own_daemon: Any) -> None:
    daemon = own_daemon()
    daemon.through = alone()
    restart(daemon)
    assert daemon.complete("Hello", max_tokens=4)
    assert daemon.http.get("/health").status_code == 200
    net = Path("/proc") / str(daemon.engine()["pid"]) / "net"
    assert net.joinpath("dev").read_text().count(":") == 1, "its network is one of its own"
    for protocol in INTERNET:
        if (net / protocol).exists():
            assert len((net / protocol).read_text().splitlines()) == 1, f"no {protocol} socket"
    assert (net / "packet").read_text().count("\n") == 1
    counters = counted(net)
    for counter in ("Ip:OutRequests", "Ip:OutNoRoutes", "Tcp:ActiveOpens", "Udp:OutDatagrams"):
        assert counters[counter] == 0, counter


def test_what_goes_into_a_report_has_nothing_of_what_was_asked(own_daemon: Any) -> None:
    """Whatever the daemon was asked, and whatever went wrong with it."""
    daemon = own_daemon(tcp={"api_key_sha256": [KEY]}, cache={})
    messages = [
        {"role": "system", "content": MARKERS["system"]},
        {"role": "user", "content": MARKERS["prompt"]},
    ]
    answer = daemon.post({"messages": messages, "max_tokens": 8}, "/v1/chat/completions")
    assert answer.status_code == 200
    words = answer.json()["choices"][0]["message"]["content"]
    daemon.complete(MARKERS["prompt"], max_tokens=4, stop=[MARKERS["stop"]])
    daemon.post({"messages": MARKERS["prompt"]}, "/v1/chat/completions")
    daemon.http.get(f"/{MARKERS['path']}")
    told = {name: daemon.run(name, "--json").stdout for name in ("doctor", "status")}
    assert all(map(json.loads, told.values()))
    for name, text in (told | {"log": daemon.log.read_text()}).items():
        for secret in (*MARKERS.values(), KEY, words.strip()):
            assert secret not in text, f"{secret} is in {name}"
