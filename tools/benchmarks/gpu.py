"""llama.cpp on this machine's GPU against its CPU: tokens, joules, and governed clocks."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

import click
from benchlib import gpu
from benchlib.daemon import Ours, model_file
from benchlib.http import Address, post
from benchlib.noise import Sample, Watch
from benchlib.publish import published
from benchlib.report import Report
from benchlib.server import Settings
from bootstrap.paths import cache_dir

CANNOT = 3  # the exit code where there is nothing to measure
_NONE = (
    "llama.cpp finds no GPU here. One for CUDA is built by EDGE_RT_VENV=.venv-gpu "
    "CMAKE_ARGS=-DGGML_CUDA=on tools/run Hello, for Vulkan with -DGGML_VULKAN=on; then run "
    "EDGE_RT_VENV=.venv-gpu tools/bench gpu. You may have to be in the groups video and render."
)
_PROMPT = "Tell me how a small computer keeps cool. " * 24
_NOTES = (
    "The same prompt and number of tokens, each time by a daemon of its own, in turns: cpu with no "
    "layer on the GPU, gpu with all, governed with its clock set by the governor.",
    "energy_j_per_token is the board's, above its rest, by the daemon's own sensors; "
    "card_j_per_token that of the card's counter (NVML), with its rest.",
)


@click.command()
@click.option("--model", default="smollm2-135m-instruct", show_default=True)
@click.option("--tokens", default=256, show_default=True, type=click.IntRange(8))
@click.option("--rounds", default=5, show_default=True, type=click.IntRange(1))
@click.option(
    "--wait", default=20.0, show_default=True, help="Seconds to wait, at most, for a quiet machine."
)
@published
async def command(directory: Path, model: str, tokens: int, rounds: int, wait: float) -> Report:
    """Measure what the GPU gains in speed and joules.

    Where the llama.cpp of this environment finds no GPU, the exit code is 3. CMAKE_ARGS of
    tools/run build one that does, and EDGE_RT_VENV names an environment for it.
    """
    python = Path(sys.executable)
    if (found := gpu.find(python)) is None:
        click.echo(_NONE, err=True)
        sys.exit(CANNOT)
    return await Bench(found, python, model, tokens).run(directory, rounds, wait)


class Bench:
    """The ways that are compared, and what each answer took."""

    def __init__(self, found: gpu.Gpu, python: Path, model: str, tokens: int) -> None:
        self._gpu, self._python, self._model, self._tokens = found, python, model, tokens
        self.found: dict[str, list[float]] = {}
        self._samples: list[Sample] = []

    async def run(self, directory: Path, rounds: int, wait: float) -> Report:
        """Run all rounds, the ways in turns; what a daemon learns is kept for its next round."""
        store = cache_dir() / "store"
        file = model_file(store, self._model)
        settings = Settings(file, self._model, context=2048, parallel=1, threads=None)
        for number in range(rounds):
            for name, sections in gpu.ways(self._gpu).items():
                place = directory / name
                place.mkdir(exist_ok=True)
                side = Ours(self._python, store, place, name, sections)
                watch = Watch(f"{name}, round {number + 1}", wait)
                self._samples.append(watch.finish(await self._once(side, settings)))
        return self.report()

    async def _once(self, side: Ours, settings: Settings) -> float:
        """One answer by a daemon that has loaded its model; returns the CPU's seconds for it."""
        async with side.run(settings) as running:
            await self._complete(running.address, 2, "Hello")
            before_s, before_j = running.child.cpu_s(), gpu.energy_j()
            edge = await self._complete(running.address, self._tokens, _PROMPT)
            after_j = gpu.energy_j()
            self.note(side.name, edge)
            if before_j is not None and after_j is not None:
                self._add(side.name, "card_j_per_token", (after_j - before_j) / self._tokens)
            return running.child.cpu_s() - before_s

    async def _complete(self, address: Address, tokens: int, prompt: str) -> Mapping[str, Any]:
        body = {"model": self._model, "prompt": prompt, "max_tokens": tokens}
        body |= {"temperature": 0, "ignore_eos": True}
        answer = json.loads((await post(address, "/v1/completions", body)).body)
        return {**answer["edge"], "prompt_tokens": answer["usage"]["prompt_tokens"]}

    def note(self, name: str, edge: Mapping[str, Any]) -> None:
        """Keep the figures of one answer."""
        self._add(name, "prefill_tokens_per_s", edge["prompt_tokens"] / edge["prefill_s"])
        self._add(name, "decode_tokens_per_s", self._tokens / edge["decode_s"])
        if edge["energy_j"] is not None:
            self._add(name, "energy_j_per_token", edge["energy_j"] / self._tokens)

    def report(self) -> Report:
        """Medians by way and figure, and how many times faster than the CPU."""
        values = {key: median(numbers) for key, numbers in self.found.items()}
        ratios = {
            key: value / base
            for key, value in values.items()
            if (base := values.get(f"cpu_{key.partition('_')[2]}")) and not key.startswith("cpu_")
        }
        described = {"gpu": self._gpu.kind, "model": self._model}
        return Report(
            name="gpu",
            about=described,
            samples=self._samples,
            values={**values, **{f"{key}_vs_cpu": value for key, value in ratios.items()}},
            ratios={**ratios},
            notes=_NOTES,
        )

    def _add(self, name: str, figure: str, value: float) -> None:
        self.found.setdefault(f"{name}_{figure}", []).append(value)
