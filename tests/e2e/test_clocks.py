"""The clock of a simulated board is a limit of a real engine, and comes back whatever ends it."""

from __future__ import annotations

import threading
from contextlib import contextmanager

import httpx
import pytest

STORY = {"prompt": "Once upon a time there was a fox who", "max_tokens": 64, "ignore_eos": True}
TOP_KHZ = 2_400_000  # of a Pi 5
GOVERNED = {"cpufreq": "governed"}


@pytest.fixture(scope="module")
def board(make_board):
    with make_board("raspberry-pi-5") as root:
        yield root


@pytest.fixture
def governed(own_daemon, board, tools):
    """A daemon that may set the clock, once it has seen the board at rest."""
    engine = {"threads": 2, "context": 1024, "sequences": 4, "batch": 128}
    daemon = own_daemon(sensors={"root": str(board)}, knobs=GOVERNED, engine=engine)
    tools.steady(lambda: supply(daemon) and supply(daemon)["idle_w"], "the rest is seen")
    return daemon


def supply(daemon):
    """The supply as /edge/v1/board has it."""
    return daemon.http.get("/edge/v1/board").json()["supply"]


def cap_khz(board):
    """Return what the kernel of the simulated board allows."""
    [policy] = (board / "sys/devices/system/cpu/cpufreq").iterdir()
    words = (policy / "scaling_max_freq").read_text().split()
    return int(words[0]) if words else None


@contextmanager
def work(daemon):
    """Two clients that ask for one story after the other; the tokens that they got."""
    tokens, over = [0], threading.Event()

    def ask(http):
        while not over.is_set():
            try:
                answer = http.post("/v1/completions", json={"model": daemon.model, **STORY})
            except httpx.TransportError:  # it was killed
                return
            tokens[0] += answer.json()["usage"]["completion_tokens"]

    clients = [threading.Thread(target=ask, args=(daemon.client(),)) for _ in range(2)]
    for client in clients:
        client.start()
    try:
        yield tokens
    finally:
        over.set()
        for client in clients:
            client.join()


def hold_down(daemon, board, tools, tokens):
    """Cap the watts until the clock falls, with tokens still coming."""
    idle_w = supply(daemon)["idle_w"]
    full_w = tools.eventually(
        lambda: (w := supply(daemon)["power_w"]) > 1.15 * idle_w and w, "the board is at work"
    )
    answer = daemon.http.put("/edge/v1/budget", json={"power_w": idle_w + 0.6 * (full_w - idle_w)})
    assert answer.status_code == 200, answer.text
    tools.eventually(lambda: (cap_khz(board) or TOP_KHZ) < TOP_KHZ, "the clock falls")
    limits = tools.eventually(
        lambda: (found := daemon.status()["governor"]["limits"])["cpu_hz"] and found, "it is told"
    )
    assert limits["cpu_hz"] < 1e3 * TOP_KHZ
    before = tokens[0]
    tools.eventually(lambda: tokens[0] > before, "tokens flow")


@pytest.mark.slow
def test_a_cap_takes_the_clock_down_and_the_end_puts_it_back(governed, board, tools):
    with work(governed) as tokens:
        hold_down(governed, board, tools, tokens)
        assert governed.http.put("/edge/v1/budget", json={"power_w": None}).status_code == 200
        tools.eventually(lambda: cap_khz(board) == TOP_KHZ, "without a cap the clock is free")
        hold_down(governed, board, tools, tokens)
    assert governed.terminate() == 0
    tools.eventually(lambda: cap_khz(board) == TOP_KHZ, "the clock is put back")


@pytest.mark.slow
def test_after_kill_9_the_next_start_puts_it_back(governed, board, tools):
    with work(governed) as tokens:
        hold_down(governed, board, tools, tokens)
        governed.kill()
    left = cap_khz(board)
    assert left is not None
    assert left < TOP_KHZ
    governed.configure(sensors={"root": str(board)})
    governed.start()
    tools.eventually(lambda: cap_khz(board) == TOP_KHZ, "the clock is put back")
