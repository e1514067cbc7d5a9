"""What the daemon writes to the disk that its state is on, idle and at work."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import click
from benchlib.daemon import MODEL, simulated
from benchlib.http import post
from benchlib.noise import Sample, Watch
from benchlib.publish import published
from benchlib.report import Report
from benchlib.server import Running
from benchlib.writes import Written, own_disk, written

_BOARD = "raspberry-pi-5"
_CLIENTS = 4
_ANSWER = 32  # tokens
_SETTLE_S = 30.0  # until what came before is written: the ledger's next flush, the cache
_HOUR_S = 3600.0
_KB = 1000.0
_NOTES = (
    "*_process_*: what the front and the engine gave to the kernel for a disk (write_bytes of "
    "/proc/PID/io). *_disk_*: what an ext4 of its own wrote for that, journal included (where root "
    "runs this). kB are 1,000 bytes; an hour is extrapolated.",
    f"A simulated {_BOARD} tells power. idle: with a model in memory; load: {_CLIENTS} clients "
    "with one question after the other, each another one, and answers of "
    f"{_ANSWER} tokens, all of which are kept.",
)


@click.command()
@click.option("--minutes", default=30.0, show_default=True, help="While nobody asks.")
@click.option("--load-minutes", default=5.0, show_default=True, help="While clients ask.")
@click.option("--quick", is_flag=True, help="One minute of either.")
@published
async def command(directory: Path, minutes: float, load_minutes: float, quick: bool) -> Report:
    """Measure how much is written an hour while nobody asks, and while clients ask all the time."""
    with own_disk(directory) as disk:
        idle_s, load_s = (60.0, 60.0) if quick else (60.0 * minutes, 60.0 * load_minutes)
        bench = Bench(directory, disk, idle_s, load_s)
        await bench.run()
    return bench.report()


@dataclass
class Bench:
    """One daemon, with a disk of its own if there can be one, and the figures by their names."""

    directory: Path
    disk: Path | None
    idle_s: float
    load_s: float
    values: dict[str, float | None] = field(default_factory=dict[str, "float | None"])
    samples: list[Sample] = field(default_factory=list[Sample])

    async def run(self) -> None:
        """Both measures, one after the other."""
        numbers = itertools.count(1)
        place = self.disk or self.directory
        async with simulated(place, _BOARD, _CLIENTS, {"cache": {}}) as running:
            await _answer(running, next(numbers))  # the model is in memory from then on
            await self._measure("idle", running, self.idle_s)
            async with _asking(running, numbers) as answers:
                before = answers()
                await self._measure("load", running, self.load_s)
                asked = answers() - before
            self.values["load_requests_per_s"] = asked / (self.load_s + _SETTLE_S)

    def report(self) -> Report:
        """Return what came of it."""
        return Report(
            name="writes",
            about={"idle_s": self.idle_s, "load_s": self.load_s},
            samples=self.samples,
            values=self.values,
            notes=_NOTES,
        )

    async def _measure(self, name: str, running: Running, seconds: float) -> None:
        await asyncio.sleep(_SETTLE_S)
        watch, before = Watch(name, 0.0), self._written(running)
        cpu_s = running.child.cpu_s()
        await asyncio.sleep(seconds)
        self.samples.append(watch.finish(running.child.cpu_s() - cpu_s))
        found, hours = self._written(running).since(before), seconds / _HOUR_S
        self.values[f"{name}_process_kb_per_h"] = found.process / _KB / hours
        disk = found.disk
        self.values[f"{name}_disk_kb_per_h"] = None if disk is None else disk / _KB / hours

    def _written(self, running: Running) -> Written:
        return written([process.pid for process in running.child.tree()], self.disk)


@asynccontextmanager
async def _asking(running: Running, numbers: Iterator[int]) -> AsyncGenerator[Callable[[], int]]:
    """Clients at work while the block runs; gives what tells how many answers they got."""
    count = 0

    async def client() -> None:
        nonlocal count
        while True:
            await _answer(running, next(numbers))
            count += 1

    clients = [asyncio.create_task(client()) for _ in range(_CLIENTS)]
    try:
        yield lambda: count
    finally:
        for task in clients:
            task.cancel()
        for fault in await asyncio.gather(*clients, return_exceptions=True):
            if isinstance(fault, Exception):
                raise fault


async def _answer(running: Running, number: int) -> None:
    text = f"Tell what is special about the number {number}."
    messages = [{"role": "user", "content": text}]
    body = {"messages": messages, "max_tokens": _ANSWER, "temperature": 0, "model": MODEL}
    await post(running.address, "/v1/chat/completions", body)
