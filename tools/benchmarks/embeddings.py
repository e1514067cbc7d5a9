"""A batch of texts against the same texts one by one: what embedding them takes."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
from benchlib import BenchError, machine
from benchlib.daemon import Ours, model_file
from benchlib.http import Address, fetch
from benchlib.noise import Sample, Watch
from benchlib.publish import publish
from benchlib.report import Report
from benchlib.server import Settings
from benchlib.stats import ratio, summarise
from bootstrap.paths import CHECKOUT, cache_dir

MODEL = "all-minilm-l6-v2"
BATCH = 32
_WORDS = "the fan of this small board turns faster when its processor gets warm under a load".split
_NOTES = (
    "One request of 32 texts, and the same 32 in requests of their own, one after the other, each "
    "on a connection of its own; the two take turns. batch_vs_singles: how many times faster.",
    "engine_batch_vs_singles: the same by the engine's own time, without HTTP and queues.",
)


@click.command()
@click.option("--rounds", default=15, show_default=True, type=click.IntRange(1))
@click.option("--words", default=10, show_default=True, type=click.IntRange(1), help="Of a text.")
@click.option("--quick", is_flag=True, help="Three rounds.")
@click.option("--threads", type=click.IntRange(1), help="Default: one a core.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write the result here.")
@click.option(
    "--wait", default=20.0, show_default=True, help="Seconds to wait, at most, for a quiet machine."
)
def command(
    rounds: int, words: int, quick: bool, threads: int | None, json_file: Path | None, wait: float
) -> None:
    """Measure how much a batch of 32 texts saves over 32 single requests."""

    def measure(directory: Path) -> Report:
        bench = _prepare(directory, threads, words)
        asyncio.run(bench.run(3 if quick else rounds, wait))
        return bench.report()

    publish(measure, json_file)


@dataclass
class Bench:
    """The daemon, the texts, and the seconds of each round by what they were spent on."""

    side: Ours
    settings: Settings
    texts: Sequence[str]
    found: dict[str, list[float]] = field(default_factory=dict[str, list[float]])
    samples: list[Sample] = field(default_factory=list[Sample])

    async def run(self, rounds: int, wait: float) -> None:
        """All rounds on one warm daemon."""
        watch, start_s = Watch("all rounds", wait), time.process_time()
        async with self.side.run(self.settings) as running:
            await self._embed(running.address, self.texts)
            await self._embed(running.address, self.texts[:1])
            for _ in range(rounds):
                batch = await self._timed(running.address, [self.texts])
                singles = await self._timed(running.address, [[text] for text in self.texts])
                for who, spent in (("batch", batch), ("singles", singles)):
                    self.found.setdefault(f"{who}_s", []).append(spent[0])
                    self.found.setdefault(f"engine_{who}_s", []).append(spent[1])
            own_s = time.process_time() - start_s + running.child.cpu_s()
            self.samples.append(watch.finish(own_s))

    def report(self) -> Report:
        """What was found."""
        medians = {key: _median(numbers) for key, numbers in self.found.items()}
        ratios = {
            "batch_vs_singles": self._ratio("singles_s", "batch_s"),
            "engine_batch_vs_singles": self._ratio("engine_singles_s", "engine_batch_s"),
        }
        return Report(
            name="embeddings",
            commit=machine.commit(CHECKOUT),
            machine={**machine.describe(), "threads": self.settings.threads, "model": MODEL},
            samples=self.samples,
            rows=[],
            values={**medians, **ratios},
            ratios=ratios,
            notes=_NOTES,
        )

    def _ratio(self, above: str, below: str) -> float | None:
        found = ratio(self.found[above], self.found[below])
        return None if found is None else found.of_medians

    async def _timed(self, address: Address, requests: Sequence[Sequence[str]]) -> list[float]:
        """Seconds that the requests took from first to last, and those of the engine in them."""
        begin_s = time.perf_counter()
        engine_s = [await self._embed(address, texts) for texts in requests]
        return [time.perf_counter() - begin_s, sum(engine_s)]

    async def _embed(self, address: Address, texts: Sequence[str]) -> float:
        """The engine's seconds for one request; raises BenchError unless all have a vector."""
        body = {"model": MODEL, "input": list(texts), "encoding_format": "base64"}
        response = await fetch(address, "POST", "/v1/embeddings", body)
        answer: Any = json.loads(response.body)
        if response.status != 200 or len(answer["data"]) != len(texts):
            raise BenchError(f"{len(texts)} texts got status {response.status}: {answer}")
        return answer["edge"]["prefill_s"]


def sentences(words: int) -> list[str]:
    """Different texts of so many words."""
    known = _WORDS()
    return [
        " ".join(known[(start * step) % len(known)] for step in range(1, words + 1))
        for start in range(1, BATCH + 1)
    ]


def _median(numbers: Sequence[float]) -> float | None:
    summary = summarise(numbers)
    return None if summary is None else summary.median


def _prepare(directory: Path, threads: int | None, words: int) -> Bench:
    python, store = Path(sys.executable), cache_dir() / "store"
    file = model_file(MODEL, python.with_name("edge-rt"), store)
    count = threads or len(os.sched_getaffinity(0))
    settings = Settings(gguf=file, model=MODEL, context=512, parallel=1, threads=count)
    return Bench(Ours(python, store, directory), settings, sentences(words))
