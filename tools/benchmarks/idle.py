"""What the daemon takes of the machine while nobody asks anything."""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from pathlib import Path

import click
from benchlib.daemon import MODEL, Ours, model_file
from benchlib.http import post
from benchlib.noise import Sample, Watch
from benchlib.process import Child
from benchlib.publish import published
from benchlib.report import Report
from benchlib.server import Settings
from bootstrap.paths import cache_dir

_SETTLE_S = 10.0  # until what came before is done with
_NOTES = (
    "All processes of the daemon together, with a model in memory. idle_cpu: percent of one core. "
    "idle_wakeups: voluntary context switches of all their threads, a second.",
)


@click.command()
@click.option("--seconds", default=60.0, show_default=True, help="How long it is watched.")
@published
async def command(directory: Path, seconds: float) -> Report:
    """Measure what a daemon at rest takes of a core, and how often it wakes."""
    store = cache_dir() / "store"
    settings = Settings(model_file(store), MODEL, 2048, 1, None)
    async with Ours(Path(sys.executable), store, directory).run(settings) as running:
        body = {"prompt": "Hello", "max_tokens": 2, "model": MODEL}
        await post(running.address, "/v1/completions", body)
        await asyncio.sleep(_SETTLE_S)
        watch, child = Watch("idle", 0.0), running.child
        cpu_s, before = child.cpu_s(), wakeups(child)
        await asyncio.sleep(seconds)
        cpu_s, after = child.cpu_s() - cpu_s, wakeups(child)
        woken = sum(count - before.get(task, 0) for task, count in after.items())
        sample: Sample = watch.finish(cpu_s)
    return Report(
        name="idle",
        about={"model": MODEL, "seconds": seconds},
        samples=[sample],
        values={"idle_cpu": 100 * cpu_s / seconds, "idle_wakeups": woken / seconds},
        notes=_NOTES,
    )


def wakeups(child: Child, proc: Path = Path("/proc")) -> dict[str, int]:
    """Return the voluntary context switches so far of each thread of a process and its children."""
    found: dict[str, int] = {}
    for task in (task for each in child.tree() for task in proc.glob(f"{each.pid}/task/*/status")):
        with suppress(OSError):  # it has ended
            lines = task.read_text().splitlines()
            counts = [int(line.split()[1]) for line in lines if line.startswith("voluntary_ctxt")]
            found[task.parent.name] = sum(counts)
    return found
