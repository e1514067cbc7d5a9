"""Many short requests of every kind, and nothing is left behind."""

from __future__ import annotations

import asyncio
import itertools
import threading
from pathlib import Path
from statistics import median

import psutil
import pytest
from crowd import Crowd

REQUESTS, CLIENTS = 200, 8
RUDE = 1 / 3
SLACK_FDS = 2  # descriptors that come and go
SLACK_BYTES = 6_000_000
WORDS = ["fox", "river", "engine", "lamp", "cheese", "cloud", "piano", "winter", "train", "glass"]


class Load:
    """Request number `i` is always the same; each kind comes again and again."""

    def __init__(self, daemon, tools) -> None:
        self._daemon = daemon
        self._tools = tools
        self._kinds = [
            self._chat, self._stream, self._complete, self._cancel, self._chat_stream, self._several
        ]  # fmt: skip

    def run(self, i: int) -> None:
        body = {"max_tokens": 2 + i % 5, "temperature": (i % 3) / 2, "seed": i}
        prompt = f"{WORDS[i % len(WORDS)]} {i}: " + "tell me more. " * (i % 7)
        self._kinds[i % len(self._kinds)](prompt, body)

    def _complete(self, prompt, body) -> None:
        self._check(self._daemon.post({"prompt": prompt} | body), 1)

    def _several(self, prompt, body) -> None:
        self._check(self._daemon.post({"prompt": prompt, "n": 2, "stop": ["zq"]} | body), 2)

    def _chat(self, prompt, body) -> None:
        messages = [{"role": "user", "content": prompt}]
        self._check(self._daemon.post({"messages": messages} | body, "/v1/chat/completions"), 1)

    def _check(self, answer, choices) -> None:
        assert answer.status_code == 200, answer.text
        reasons = [choice["finish_reason"] for choice in answer.json()["choices"]]
        assert len(reasons) == choices
        assert set(reasons) <= {"stop", "length"}

    def _stream(self, prompt, body) -> None:
        with self._daemon.stream(prompt=prompt, **body) as events:
            "".join(self._tools.texts(events))

    def _chat_stream(self, prompt, body) -> None:
        messages = [{"role": "user", "content": prompt}]
        with self._daemon.stream("/v1/chat/completions", messages=messages, **body) as events:
            "".join(self._tools.texts(events))

    def _cancel(self, prompt, body) -> None:
        with self._daemon.stream(prompt=prompt, **body | {"max_tokens": 500}) as events:
            next(events)


class Watch:
    """What the two processes hold."""

    def __init__(self, daemon) -> None:
        self._daemon = daemon
        self._pids = [daemon.process.pid, daemon.engine()["pid"]]

    def fds(self) -> list[int]:
        return [len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in self._pids]

    def rss(self) -> list[int]:
        return [psutil.Process(pid).memory_info().rss for pid in self._pids]


def test_nothing_is_left_behind(own_daemon, tools):
    daemon = own_daemon()
    load = Load(daemon, tools)
    for i in range(24):  # warm: every kind was there, connections are open
        load.run(1000 + i)
    tools.together([lambda i=i: load.run(2000 + i) for i in range(CLIENTS)])
    daemon.http.get("/edge/v1/ledger")  # its file is open from here on
    daemon.quiet()
    watch = Watch(daemon)
    fds = watch.fds()
    numbers = itertools.count()
    lock = threading.Lock()
    seen: list[list[int]] = []

    def client():
        while True:
            with lock:
                i = next(numbers)
                seen.append(watch.rss())
            if i >= REQUESTS:
                return
            load.run(i)

    tools.together([client] * CLIENTS)
    engine = daemon.quiet()
    assert (engine["running"], engine["waiting"], engine["restarts"]) == (0, 0, 0)
    for before, after in zip(fds, watch.fds(), strict=True):
        assert after <= before + SLACK_FDS
    quarter = REQUESTS // 4
    for process in (0, 1):
        values = [rss[process] for rss in seen]
        second, last = values[quarter : 2 * quarter], values[3 * quarter : REQUESTS]
        assert median(last) <= median(second) + SLACK_BYTES
    with daemon.stream(prompt="The moon is", n=8, max_tokens=500) as events:
        next(events)
        tools.eventually(lambda: daemon.engine()["running"] == 8, "all sequences can be had")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("seconds", "clients", "growth"),
    [(15.0, 30, 0.3), pytest.param(600.0, 200, 0.05, marks=pytest.mark.whole)],
)
def test_the_polite_are_served_among_the_rude(
    own_daemon, tools, monkeypatch, seconds, clients, growth
):
    daemon = own_daemon(socket={"mode": "0666"})
    daemon.directory.chmod(0o711)  # the rude are another user, where this runs as root
    monkeypatch.chdir(daemon.directory)  # whose own parents are closed to others
    asyncio.run(Crowd("s", 4, 0.0).run(5.0))
    daemon.quiet()
    watch, looks = Watch(daemon), list[list[int]]()
    fds, crowd = watch.fds(), Crowd("s", clients, RUDE)

    async def watched() -> None:
        asking = asyncio.create_task(crowd.run(seconds))
        while not asking.done():
            looks.append(watch.rss())
            await asyncio.wait([asking], timeout=1.0)
        await asking

    asyncio.run(watched())
    assert not crowd.seen.faults
    assert crowd.seen.statuses[200] > 20
    tools.eventually(  # what hangs is cut off at last
        lambda: all(now <= was + 3 for was, now in zip(fds, watch.fds(), strict=True)),
        "as many descriptors as before",
    )
    assert daemon.engine()["restarts"] == 0
    assert "ERROR" not in daemon.log.read_text(errors="replace")
    fifth = len(looks) // 5
    for values in zip(*looks, strict=True):
        second, last = values[fifth : 2 * fifth], values[-fifth:]
        assert median(last) <= median(second) * (1.0 + growth)
