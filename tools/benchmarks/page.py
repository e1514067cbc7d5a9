"""What browsers that show the page cost the daemon while nobody asks anything."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import click
from benchlib import BenchError
from benchlib.daemon import MODEL, simulated
from benchlib.http import Address, post
from benchlib.noise import Sample, Watch
from benchlib.publish import published
from benchlib.report import Report
from benchlib.stats import median

_BOARD = "raspberry-pi-5"
_MOST = 2  # browsers
_SETTLE_S = 10.0
_ASKED = b"GET /edge/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n"
_SNAPSHOT = b'"type":"snapshot"'
_NOTES = (
    "Percent of one core, from the CPU seconds that /proc has of the daemon and its engine, which "
    "has a model in memory. A browser reads GET /edge/v1/events, as the page does. second_percent "
    f"is what the second one adds. A simulated {_BOARD} tells power.",
)


@click.command()
@click.option("--seconds", default=60.0, show_default=True, help="For each number of browsers.")
@click.option("--rounds", default=3, show_default=True, help="How often each is measured, in turn.")
@published
async def command(directory: Path, seconds: float, rounds: int) -> Report:
    """Measure the daemon's CPU time at rest with no, one and two browsers that show the page."""
    samples: list[Sample] = []
    found: dict[int, list[float]] = {count: [] for count in range(_MOST + 1)}
    async with simulated(directory, _BOARD) as running:
        body = {"prompt": "Hello", "max_tokens": 2, "model": MODEL}
        await post(running.address, "/v1/completions", body)
        for turn in range(rounds):
            for count, shares in found.items():
                async with browsers(running.address, count):
                    await asyncio.sleep(_SETTLE_S)
                    watch, before_s = (
                        Watch(f"{turn + 1}, {count} browsers", 0.0),
                        running.child.cpu_s(),
                    )
                    await asyncio.sleep(seconds)
                    cpu_s = running.child.cpu_s() - before_s
                    samples.append(watch.finish(cpu_s))
                shares.append(100 * cpu_s / seconds)
    values = {f"browsers_{count}_percent": median(shares) for count, shares in found.items()}
    second = [two - one for one, two in zip(found[1], found[2], strict=True)]
    values |= {"second_percent": median(second), "second_percent_max": max(second, default=None)}
    return Report(
        name="page",
        about={"seconds": seconds, "rounds": rounds},
        samples=samples,
        values=values,
        notes=_NOTES,
    )


@asynccontextmanager
async def browsers(address: Address, count: int) -> AsyncGenerator[None]:
    """So many that read the page's events while the block runs.

    Raises BenchError where one of them gets no snapshots.
    """
    readers = [asyncio.create_task(_read(address)) for _ in range(count)]
    try:
        yield
    finally:
        for reader in readers:
            reader.cancel()
        ended = await asyncio.gather(*readers, return_exceptions=True)
    if faults := [each for each in ended if not isinstance(each, int) or each < 1]:
        raise BenchError(f"a browser got no snapshots: {faults[0]!r}")


async def _read(address: Address) -> int:
    """Read until it is cancelled; how many snapshots came."""
    snapshots = 0
    reader, writer = await address.open()
    try:
        writer.write(_ASKED)
        while content := await reader.read(1 << 16):
            snapshots += content.count(_SNAPSHOT)
        raise BenchError(f"the events ended after {snapshots} snapshots")
    except asyncio.CancelledError:
        return snapshots
    finally:
        writer.close()
