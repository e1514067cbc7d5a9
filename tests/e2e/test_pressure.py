"""Clients that send too much, connect without end or fill all places: others are served on."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from contextlib import ExitStack

import httpx
import psutil
import pytest

from edge_rt.cli.client import Client

STRANGER = 54_321  # a user's number
WORD = "word "
CONNECTING = """
import contextlib, os, socket, sys
os.chdir(sys.argv[1])  # before the rights to that are given up
if sys.argv[2] != "0":
    os.setgroups([])
    os.setgid(int(sys.argv[2]))
    os.setuid(int(sys.argv[2]))
print(flush=True)
while True:
    with socket.socket(socket.AF_UNIX) as one, contextlib.suppress(PermissionError):
        one.connect("s")  # whose user may be kept out for a while
"""


def refused_chats(daemon, tools, clients: int, size: int) -> int:
    """Have clients send three chats each that are too long; the daemon's memory in bytes after."""
    messages = [{"role": "user", "content": WORD * (size // len(WORD))}]
    body = json.dumps({"model": daemon.model, "messages": messages})

    def chat() -> None:
        with httpx.Client(
            transport=httpx.HTTPTransport(uds=str(daemon.socket)), timeout=120
        ) as http:
            for _ in range(3):
                answer = http.post("http://x/v1/chat/completions", content=body)
                assert answer.status_code in (400, 503), answer.text

    tools.together([chat] * clients)
    return psutil.Process(daemon.process.pid).memory_info().rss


@pytest.mark.parametrize(
    ("clients", "size", "rounds", "growth"),
    [(6, 2_000_000, 4, 1.5), pytest.param(15, 4_000_000, 20, 1.3, marks=pytest.mark.whole)],
)
def test_refused_chats_leave_no_memory(own_daemon, tools, clients, size, rounds, growth):
    daemon = own_daemon()
    first, *others = [refused_chats(daemon, tools, clients, size) for _ in range(rounds)]
    assert others[-1] <= growth * first, [n >> 20 for n in (first, *others)]
    assert first < 120_000_000


@pytest.mark.parametrize("count", [10, pytest.param(300, marks=pytest.mark.whole)])
@pytest.mark.parametrize("uid", [STRANGER, 0] if os.getuid() == 0 else [0])
def test_who_connects_without_end_keeps_nobody_out(own_daemon, uid, count):
    daemon = own_daemon(socket={"mode": "0666"})
    daemon.directory.chmod(0o711)  # pytest's folders are for their owner alone
    words = [sys.executable, "-c", CONNECTING, daemon.directory, str(uid)]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as rude:
        try:
            assert rude.stdout is not None
            assert rude.stdout.readline() == b"\n"
            waited = []
            for _ in range(count):
                begun = time.monotonic()
                with Client(daemon.socket) as client:
                    assert client.get("/v1/models")["data"]
                waited.append(time.monotonic() - begun)
            assert rude.poll() is None
        finally:
            rude.kill()
    if count > 100:
        assert sorted(waited)[int(0.95 * count)] <= 1.0


@pytest.mark.parametrize("seconds", [2.0, pytest.param(30.0, marks=pytest.mark.whole)])
def test_with_few_file_descriptors_it_rests_and_says_so(own_daemon, tools, seconds):
    daemon = own_daemon(through=["sh", "-c", 'ulimit -n 64; exec "$@"', "sh"])
    assert "only 12 of 512" in daemon.log.read_text()
    assert daemon.complete("The moon is", max_tokens=2)
    process = psutil.Process(daemon.process.pid)
    with ExitStack() as stack:
        for _ in range(150):
            stack.enter_context(socket.socket(socket.AF_UNIX)).connect(str(daemon.socket))
        lines, used = len(daemon.log.read_text().splitlines()), sum(process.cpu_times()[:2])
        time.sleep(seconds)
        assert len(daemon.log.read_text().splitlines()) <= lines + 10 * max(1, seconds / 60)
        if seconds > 10:
            assert sum(process.cpu_times()[:2]) - used <= 0.05 * seconds
    tools.eventually(lambda: daemon.client().get("/v1/models").status_code == 200, "it serves on")


def test_a_template_process_that_is_stopped_is_replaced(own_daemon):
    daemon = own_daemon()
    body = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 2}
    assert daemon.post(body, "/v1/chat/completions").status_code == 200
    children = psutil.Process(daemon.process.pid).children()
    [process] = [
        child for child in children if "edge_rt.models.templates.worker" in child.cmdline()
    ]
    process.suspend()
    assert daemon.post(body, "/v1/chat/completions").status_code == 200


@pytest.mark.whole
def test_a_small_chat_does_not_wait_for_a_pile_of_large_ones(own_daemon, tools):
    """Of the same user."""
    daemon = own_daemon()
    large = {"messages": [{"role": "user", "content": WORD * 800_000}], "max_tokens": 2}
    small = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 2}
    assert daemon.post(small, "/v1/chat/completions").status_code == 200
    waited: list[float] = []

    def send() -> None:
        body = {"model": daemon.model} | large
        answer = daemon.client().post("/v1/chat/completions", json=body)
        assert answer.status_code in (400, 429, 503), answer.text

    def ask() -> None:
        time.sleep(2.0)  # into the middle of the others
        begun = time.monotonic()
        assert daemon.post(small, "/v1/chat/completions").status_code == 200
        waited.append(time.monotonic() - begun)

    tools.together([send] * 30 + [ask])
    assert waited[0] <= 10.0
