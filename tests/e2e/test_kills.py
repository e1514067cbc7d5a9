"""A daemon that is killed in the middle of its writes loses nothing that it had written.

`-m whole` kills fifty times. What a power cut does beyond that is for the tests with a kernel of
their own.
"""

from __future__ import annotations

import json
import random
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from edge_rt.engine.kv.prefix_files import read

Daemon = Any
Rows = dict[str, set[tuple[Any, ...]]]

CLIENTS = 3
RULES = 48  # of a text that is long enough to be kept
LOOK_S = 0.0003
PATIENCE_S = 15.0  # for a file that is written all ten seconds
FILES = ("cache.db-wal", "ledger.db-wal", "prefixes", "any moment")
TABLES = {"ledger.db": "answers", "cache.db": "kept"}


class Load:
    """Clients that ask each question once, until the daemon is gone; what they were told."""

    def __init__(self, daemon: Daemon, first: int) -> None:
        self.told: dict[str, str] = {}
        self._daemon, self._next = daemon, first
        self._lock = threading.Lock()

    @contextmanager
    def running(self) -> Iterator[None]:
        """At work until the block has killed the daemon."""
        clients = [self._daemon.client() for _ in range(CLIENTS)]
        threads = [threading.Thread(target=self._ask, args=(client,)) for client in clients]
        for thread in threads:
            thread.start()
        yield
        for thread in threads:
            thread.join()

    def _ask(self, client: httpx.Client) -> None:
        with suppress(httpx.TransportError):  # the kill
            while True:
                number = self._number()
                prompt = f"{rules(number // 8)} {number}" if number % 4 == 0 else f"{number} is"
                body = {"model": self._daemon.model, "prompt": prompt, "max_tokens": 3}
                answer = client.post("/v1/completions", json=body | {"temperature": 0})
                assert answer.status_code == 200, answer.text
                self.told[prompt] = answer.json()["choices"][0]["text"]

    def _number(self) -> int:
        with self._lock:
            self._next += 1
            return self._next


def rules(number: int) -> str:
    """A text that two prompts begin with."""
    return " ".join(f"Rule {number}.{one}: room {one * 7 % 90} is closed." for one in range(RULES))


def rows(state: Path) -> Rows:
    """Return all answers of ledger and cache that are in the files."""
    found: Rows = {}
    for name, table in TABLES.items():
        with closing(sqlite3.connect(state / name, timeout=60)) as db:
            # When an answer was used last may change.
            names = [row[1] for row in db.execute(f"PRAGMA table_info({table})")]
            columns = ", ".join(name for name in names if name != "used")
            found[name] = set(db.execute(f"SELECT {columns} FROM {table}"))
    return found


def moment(state: Path, name: str, chance: random.Random) -> None:
    """Wait until something is written there, and a little more; or any time."""
    if name == "any moment":
        time.sleep(chance.uniform(0.0, 2.0))
        return
    before, end = _stamp(state / name), time.monotonic() + PATIENCE_S
    while _stamp(state / name) == before and time.monotonic() < end:
        time.sleep(LOOK_S)
    time.sleep(chance.choice((0.0, chance.uniform(0.0, 0.003))))


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_size, status.st_mtime_ns


def check(state: Path, before: Rows) -> None:
    """Every file is whole, and has what it had `before`."""
    after = rows(state)
    for name in TABLES:
        assert before[name] <= after[name]
    for file in state.glob("*.db"):
        with closing(sqlite3.connect(file)) as db:
            assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)], file
    with closing(sqlite3.connect(state / "ledger.db")) as db:
        tokens = "TOTAL(prompt_tokens), TOTAL(completion_tokens)"
        single = db.execute(f"SELECT COUNT(*), {tokens} FROM answers").fetchone()
        assert db.execute(f"SELECT TOTAL(requests), {tokens} FROM models").fetchone() == single
    for file in state.glob("*.json"):
        json.loads(file.read_bytes())
    assert not list(state.glob("*.corrupt-*"))


@pytest.mark.slow
@pytest.mark.parametrize("kills", [3, pytest.param(50, marks=pytest.mark.whole)])
def test_kills_in_the_middle_of_writes(
    own_daemon: Callable[..., Daemon], tools: Any, kills: int
) -> None:
    daemon, chance, told = own_daemon(cache={"enabled": True}), random.Random(7), dict[str, str]()
    state: Path = daemon.directory
    daemon.complete("0 is", max_tokens=3)
    tools.eventually(lambda: (state / "ledger.db").exists(), "there is a ledger")
    for kill in range(kills):
        load = Load(daemon, 100_000 * (kill + 1))
        engine = daemon.engine()["pid"]
        with load.running():
            tools.eventually(lambda load=load: load.told, "the first answer comes")
            acknowledged = dict(load.told)
            assert daemon.http.get("/edge/v1/cache").json()["stored"]  # by then they are written
            before = rows(state)
            moment(state, FILES[kill % len(FILES)], chance)
            daemon.kill()
        tools.eventually(lambda engine=engine: tools.gone(engine), "the engine has followed")
        assert all(read(file) is not None for file in state.glob("prefixes/*.prefix"))
        daemon.start()
        told |= acknowledged
        only = {"max_tokens": 3, "edge": {"cache": "only"}}
        assert {prompt: daemon.complete(prompt, **only) for prompt in told} == told
        check(state, before)
