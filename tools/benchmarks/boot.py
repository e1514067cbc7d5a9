"""How soon the first token of a daemon that has just been started comes."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from benchlib.chat import ask
from benchlib.daemon import MODEL, Ours, compile_bytecode, model_file
from benchlib.noise import Sample, Watch
from benchlib.publish import published
from benchlib.report import Report
from benchlib.server import Settings
from benchlib.stats import median
from bootstrap.paths import cache_dir

_NOTES = (
    "From the start of the process; the model's file is in the kernel's memory already. "
    "ready_s: until the daemon answers. boot_to_token_s: until the first token of a chat, whose "
    "request is sent then and loads the model.",
)


@click.command()
@click.option("--rounds", default=5, show_default=True, type=click.IntRange(1))
@click.option(
    "--wait", default=20.0, show_default=True, help="Seconds to wait, at most, for a quiet machine."
)
@published
async def command(directory: Path, rounds: int, wait: float) -> Report:
    """Measure how long a daemon takes from its start to the first token."""
    compile_bytecode()
    store = cache_dir() / "store"
    settings = Settings(model_file(store), MODEL, 2048, 1, None)
    found: dict[str, list[float]] = {"ready_s": [], "boot_to_token_s": []}
    samples: list[Sample] = []
    for number in range(1, rounds + 1):
        watch = Watch(f"round {number}", wait)
        async with Ours(Path(sys.executable), store, directory).run(settings) as running:
            reply = await ask(running.address, MODEL, "Hello", 2)
            found["ready_s"].append(running.ready_s)
            found["boot_to_token_s"].append(reply.first_s - running.child.start_s)
            samples.append(watch.finish(running.child.cpu_s()))
    return Report(
        name="boot",
        about={"model": MODEL, "rounds": rounds},
        samples=samples,
        values={name: median(numbers) for name, numbers in found.items()},
        notes=_NOTES,
        details={"rounds": found},
    )
