"""Answers that come from the cache."""

from __future__ import annotations

import sys
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
from benchlib import hits, prompts
from benchlib.daemon import MODEL, Ours, model_file
from benchlib.http import Address, fetch
from benchlib.noise import Sample, Watch
from benchlib.process import Child, until
from benchlib.publish import published
from benchlib.report import Report
from benchlib.server import Running, Settings
from benchlib.stats import median
from bootstrap.paths import CHECKOUT, cache_dir

_QUESTIONS = 16
_ANSWER = 64  # tokens
_NOTES = (
    f"{_QUESTIONS} questions with answers of up to {_ANSWER} tokens, over a connection to the Unix "
    "socket that stays open; the daemon's front runs on one core, the client on the others.",
    "hit_p50_ms: until all of an answer is there, asked one after the other; stream_hit_p50_ms: "
    "the same of streams. hit_vs_bare: how many times as long as with a bare starlette on uvicorn, "
    "on the same core and asked by turns.",
)


@click.command()
@click.option("--rounds", default=5, show_default=True, type=click.IntRange(1))
@click.option("--quick", is_flag=True, help="Two rounds.")
@click.option(
    "--wait", default=20.0, show_default=True, help="Seconds to wait, at most, for a quiet machine."
)
@published
async def command(directory: Path, rounds: int, quick: bool, wait: float) -> Report:
    """Measure how soon answers come from the exact cache, also beside a bare starlette."""
    side = Ours(Path(sys.executable), cache_dir() / "store", directory, extra={"cache": {}})
    settings = Settings(gguf=model_file(side.store), model=MODEL, context=2048, parallel=1)
    bench = Bench(side, settings, questions())
    await bench.run(2 if quick else rounds, wait)
    return bench.report()


@dataclass
class Bench:
    """The daemon, the questions, and each round's figures by name."""

    side: Ours
    settings: Settings
    bodies: Sequence[dict[str, Any]]
    found: dict[str, list[float]] = field(default_factory=dict[str, list[float]])
    samples: list[Sample] = field(default_factory=list[Sample])

    async def run(self, rounds: int, wait: float) -> None:
        """Run all rounds on one daemon, whose cache was filled before."""
        async with self.side.run(self.settings) as running:
            path = running.address.path or ""
            hits.filled(path, self.bodies)
            async with self._bare(hits.document(path, self.bodies[0])) as bare:
                bare_path = bare.address.path or ""
                pids = running.child.process.pid, bare.child.process.pid
                for number in range(1, rounds + 1):
                    watch, cpu_s = Watch(f"round {number}", wait), running.child.cpu_s()
                    own_s = time.process_time() - bare.child.cpu_s()
                    with hits.apart(*pids):
                        self._round(path, bare_path)
                    own_s = time.process_time() + bare.child.cpu_s() - own_s
                    self.samples.append(watch.finish(running.child.cpu_s() - cpu_s + own_s))

    @asynccontextmanager
    async def _bare(self, document: bytes) -> AsyncGenerator[Running]:
        """Run a bare starlette that answers with `document`."""
        directory = self.side.directory
        file, address = directory / "document", Address(path=str(directory / "bare"))
        file.write_bytes(document)

        async def answers() -> bool:
            return (await fetch(address, "POST", hits.CHAT, {})).status == 200

        argv = [str(self.side.python), "-m", "benchlib.bare", str(address.path), str(file)]
        environ = {"PYTHONPATH": str(CHECKOUT / "tools")}
        with Child(argv, directory / "bare.log", environ=environ) as child:
            yield Running(child, address, await until(answers, child))

    def report(self) -> Report:
        """Return what was found."""
        return Report(
            name="cache",
            about={"model": MODEL},
            samples=self.samples,
            values={name: median(numbers) for name, numbers in self.found.items()},
            ratios={"hit_vs_bare": median(self.found.get("hit_vs_bare", ()))},
            notes=_NOTES,
            details={"rounds": self.found},
        )

    def _round(self, path: str, bare: str) -> None:
        plain = [hits.request(body) for body in self.bodies]
        streams = [hits.request(body | {"stream": True}) for body in self.bodies]
        for name, asked in (("", plain), ("stream_", streams)):
            took_ms = sorted(hits.latencies_ms(path, asked, 1000))
            self._note(f"{name}hit_p50_ms", took_ms[len(took_ms) // 2])
            self._note(f"{name}hit_p99_ms", took_ms[-len(took_ms) // 100])
        self._note("hit_vs_bare", hits.times_as_long(path, bare, plain))

    def _note(self, name: str, value: float) -> None:
        self.found.setdefault(name, []).append(value)


def questions() -> list[dict[str, Any]]:
    """Requests whose answers are the same each time."""
    fields = {"model": MODEL, "temperature": 0, "max_tokens": _ANSWER}
    return [
        fields | {"messages": [{"role": "user", "content": text}]}
        for text in prompts.built_in().short[:_QUESTIONS]
    ]
