"""What a user whose constraints are expensive to compile costs another user, and the engine."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import socket
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import psutil
from benchlib import BenchError
from benchlib.crowd import NOBODY
from benchlib.daemon import MODEL, Ours, for_all
from benchlib.hostile import requests
from benchlib.http import Address, fetch, post
from benchlib.publish import published
from benchlib.report import Report
from benchlib.server import Running, Settings
from bootstrap.paths import cache_dir

_LOOK_S = 0.2
_TOKENS = 24  # of a polite answer
_PAUSE_S = 0.2  # between two requests of a hostile client
_REST_S = 3.0  # after the hostile user left, for what is under way to end
_LEAVES_S = 1.0  # after which every third hostile client leaves
_NOTES = (
    "KIND_ratio: 95th percentile of the times of the polite user's answers beside the hostile user "
    "over that without. engine_growth_mb: the most private memory of the engine with all its "
    "processes, over that before. engines_lost: how often the engine was started again.",
    "As root, the hostile user is another one, so that limits for one client tell them apart.",
)


@dataclass(frozen=True)
class Other(Address):
    """The address as another user reaches it, where we are root."""

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect; raises OSError when nobody listens."""
        connection = socket.socket(socket.AF_UNIX)
        root = os.geteuid() == 0
        try:
            if root:
                os.seteuid(NOBODY)
            connection.connect(self.path or "")
        finally:
            if root:
                os.seteuid(0)
        connection.setblocking(False)
        return await asyncio.open_unix_connection(sock=connection)


@click.command()
@click.option("--rounds", default=30, show_default=True, type=click.IntRange(2), help="Of each.")
@click.option("--hostile", default=4, show_default=True, type=click.IntRange(1), help="At once.")
@click.option("--store", type=click.Path(path_type=Path), help="The models; default: our own.")
@published
async def command(directory: Path, rounds: int, hostile: int, store: Path | None) -> Report:
    """Have one user send constraints that are expensive to compile, beside another user's requests.

    The other asks for new schemas, tool calls and chats in turn: alone, beside it, and alone again.
    """
    bench = Bench(for_all(store or cache_dir() / "store", directory))
    await bench.run(rounds, hostile)
    return bench.report(hostile)


@dataclass
class Bench:
    """A daemon, and the seconds that answers took, by their kind, alone and beside others."""

    side: Ours
    alone: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    beside: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    statuses: Counter[int] = field(default_factory=Counter[int])  # of hostile requests; 0: left
    memory: list[int] = field(default_factory=list[int])
    restarts: int = 0

    async def run(self, rounds: int, hostile: int) -> None:
        """Measure the polite user alone and beside so many hostile requests at once."""
        async with self.side.run(Settings(self.side.store, MODEL, 8192, 6, None)) as running:
            self.side.directory.chmod(0o755)  # which the daemon keeps its state in, too
            numbers = itertools.count()
            await self._rounds(running, 2, numbers, {})
            bodies = itertools.cycle(requests(MODEL))
            await self._rounds(running, rounds // 2, numbers, self.alone)
            self.memory.append(_memory(running))
            await self._beside(running, rounds, numbers, [bodies] * hostile)
            await asyncio.sleep(_REST_S)
            await self._rounds(running, rounds - rounds // 2, numbers, self.alone)
            status = json.loads((await fetch(running.address, "GET", "/edge/v1/status")).body)
            self.restarts = int(status["engine"]["restarts"])

    async def _beside(
        self,
        running: Running,
        rounds: int,
        numbers: Iterator[int],
        bodies: list[Iterator[tuple[str, Any]]],
    ) -> None:
        address = Other(running.address.path)
        tasks = [asyncio.create_task(self._attack(address, each)) for each in bodies]
        tasks.append(asyncio.create_task(self._watch(running)))
        await self._rounds(running, rounds, numbers, self.beside)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def report(self, hostile: int) -> Report:
        """Return the report of all rounds."""
        values: dict[str, float | None] = {}
        ratios: dict[str, float | None] = {}
        for kind, alone in self.alone.items():
            values[f"{kind}_alone_p95_s"], values[f"{kind}_p95_s"] = (
                p95(alone),
                p95(self.beside[kind]),
            )
            ratios[f"{kind}_ratio"] = p95(self.beside[kind]) / p95(alone)
        before, *after = self.memory
        values["engine_mb"] = before / 2**20
        values["engine_growth_mb"] = (max(after, default=before) - before) / 2**20
        values["engines_lost"] = self.restarts
        values |= {f"hostile_{status}": n for status, n in sorted(self.statuses.items())}
        return Report(
            name="constraints",
            about={"hostile": hostile},
            values={**values, **ratios},
            ratios=ratios,
            notes=_NOTES,
        )

    async def _rounds(
        self, running: Running, rounds: int, numbers: Iterator[int], found: dict[str, list[float]]
    ) -> None:
        for _ in range(rounds):
            for kind, body in polite(next(numbers)).items():
                begin = time.perf_counter()
                await post(running.address, "/v1/chat/completions", body)
                found.setdefault(kind, []).append(time.perf_counter() - begin)

    async def _attack(self, address: Address, bodies: Iterator[tuple[str, Any]]) -> None:
        while True:
            path, body = next(bodies)
            asked = fetch(address, "POST", path, body)
            leaves_s = _LEAVES_S if self.statuses.total() % 3 == 0 else None
            status = 0
            with suppress(asyncio.TimeoutError, OSError, BenchError):
                status = (await asyncio.wait_for(asked, leaves_s)).status
            self.statuses[status] += 1
            await asyncio.sleep(_PAUSE_S)

    async def _watch(self, running: Running) -> None:
        while True:
            await asyncio.sleep(_LOOK_S)
            self.memory.append(_memory(running))


def polite(number: int) -> dict[str, dict[str, Any]]:
    """Return a new schema, a tool call of a new tool, and a chat, by their kind."""
    words = {"type": "string", "maxLength": 8, "pattern": f"^[a-z]{{1,{2 + number % 6}}}$"}
    schema = {
        "type": "object",
        "properties": {f"name {number}": words},
        "required": [f"name {number}"],
    }
    function = {"name": f"look_up_{number}", "parameters": schema}
    text = [{"role": "user", "content": "Name a river."}]
    body = {"model": MODEL, "messages": text, "max_tokens": _TOKENS, "temperature": 0}
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    tools = [{"type": "function", "function": function}]
    return {
        "schema": {**body, "response_format": wanted},
        "tool": {**body, "tools": tools, "tool_choice": "required"},
        "chat": body,
    }


def p95(seconds: list[float]) -> float:
    """Return the 95th percentile."""
    return sorted(seconds)[max(0, round(0.95 * len(seconds)) - 1)]


def _memory(running: Running) -> int:
    """Return the private bytes of the engine and of all its processes."""
    front = running.child.process
    engine = max(front.children(), key=lambda child: child.memory_info().rss)
    total = 0
    for process in (engine, *engine.children(recursive=True)):
        with suppress(psutil.Error):
            total += process.memory_full_info().uss
    return total
