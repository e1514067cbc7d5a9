"""Engines that are killed and stopped under streams, and what clients see of it."""

from __future__ import annotations

import asyncio
import random
import signal
import statistics
import sys
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import click
import psutil
from benchlib import BenchError, chat, machine, prompts
from benchlib.chaos import Chaos, Pause, Stream
from benchlib.daemon import MODEL, Ours, model_file
from benchlib.noise import Sample, Watch
from benchlib.publish import publish
from benchlib.report import Report
from benchlib.server import Running, Settings
from bootstrap.paths import CHECKOUT, cache_dir

_ROUND = 10  # ends between two looks at how quiet the machine is
_HANGS = 4.0  # times as long between two hangs as between two kills: they take time to notice
_WAYS: dict[str, dict[str, Any]] = {
    "greedy": {"temperature": 0},
    "sampled": {"temperature": 1, "seed": 7},
    "lookup": {"temperature": 0, "edge": {"mode": "lookup"}},
}
_NOTES = (
    "kill -9 and SIGSTOP hit the engine at random moments, while it starts, loads and reads, too.",
    "A pause is from then until text has come again on every stream; *_stream_*: on one. Medians "
    "are of those in which the engine was not hit again, the longest of all.",
    "prompt_pause_ratio: kill -9 in the middle of a prompt. The time from the kill to the first "
    "token, less what the rest of the prompt takes, over what all of it takes. A like prompt just "
    "before, without a kill, tells that: (time to first token with a kill - without) / without.",
)
_PROMPT = 3000  # tokens
_WORDS = ("the", "river", "stone", "house", "of", "tree", "light", "road", "hand", "year", "city")


@click.command()
@click.option("--kills", default=100, show_default=True, type=click.IntRange(0))
@click.option("--hangs", default=20, show_default=True, type=click.IntRange(0))
@click.option(
    "--prompts",
    "prompt_kills",
    default=20,
    show_default=True,
    type=click.IntRange(0),
    help="Kills in the middle of a prompt of 3,000 tokens.",
)
@click.option("--streams", default=4, show_default=True, type=click.IntRange(1))
@click.option("--tokens", default=256, show_default=True, help="Of each answer.")
@click.option("--way", default="greedy", show_default=True, type=click.Choice(list(_WAYS)))
@click.option("--every", default=4.0, show_default=True, help="Most seconds between two kills.")
@click.option("--model", default=MODEL, show_default=True)
@click.option("--seed", default=1, show_default=True, help="Of the random moments.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write the result here.")
@click.option(
    "--wait", default=20.0, show_default=True, help="Seconds to wait, at most, for a quiet machine."
)
def command(
    kills: int,
    hangs: int,
    prompt_kills: int,
    streams: int,
    tokens: int,
    way: str,
    every: float,
    model: str,
    seed: int,
    json_file: Path | None,
    wait: float,
) -> None:
    """Kill the engine, and have it hang, under streams: do all of them end with the same text?"""
    found: list[Bench] = []

    def measure(directory: Path) -> Report:
        python, store = Path(sys.executable), cache_dir() / "store"
        file = model_file(model, python.with_name("edge-rt"), store)
        settings = Settings(file, model, 1024 * streams, streams, threads=None)
        fields = _WAYS[way] | {"model": model, "max_tokens": tokens, "ignore_eos": True}
        bench = Bench(Ours(python, store, directory), settings, fields, random.Random(seed), every)
        found.append(bench)
        if kills or hangs:
            asyncio.run(bench.run(kills, hangs, wait))
        asyncio.run(bench.read(prompt_kills, wait))
        return bench.report()

    publish(measure, json_file)
    if any(bench.wrong for bench in found):
        sys.exit(1)


@dataclass
class Bench:
    """The daemon, its requests, and the results."""

    side: Ours
    settings: Settings
    fields: dict[str, Any]
    dice: random.Random
    every_s: float
    pauses: dict[str, list[Pause]] = field(default_factory=dict[str, list[Pause]])
    samples: list[Sample] = field(default_factory=list[Sample])
    reads: list[tuple[float, float]] = field(default_factory=list[tuple[float, float]])
    ended: int = 0
    wrong: list[str] = field(default_factory=list[str])

    async def run(self, kills: int, hangs: int, wait: float) -> None:
        """The undisturbed answers first, then kills, then hangs."""
        async with self.side.run(self.settings) as running:
            streams = [
                Stream(running.address, self._body(text))
                for text in prompts.built_in().short[: self.settings.parallel]
            ]
            for stream, reply in zip(
                streams, await asyncio.gather(*(s.ask() for s in streams)), strict=True
            ):
                stream.reference = reply.text
            chaos = Chaos(running.child.process, streams, self.dice, self.every_s)
            await self._strike("kill", signal.SIGKILL, kills, chaos, running, wait)
            chaos.most_s = _HANGS * self.every_s
            await self._strike("hang", signal.SIGSTOP, hangs, chaos, running, wait)
            self.ended = sum(stream.ended for stream in streams)
            self.wrong = [what for stream in streams for what in stream.wrong]

    async def read(self, times: int, wait: float) -> None:
        """Prompts that are read undisturbed, each followed by one under which the engine dies."""
        if not times:
            return
        settings = replace(self.settings, context=_PROMPT + 512, parallel=1)
        async with self.side.run(settings) as running:
            chaos = Chaos(running.child.process, [], self.dice, self.every_s)
            watch, before_s = Watch("prompts", wait), _cpu_s(running)
            await chat.ask(running.address, settings.model, "Hello", 1)  # the model is loaded then
            while len(self.reads) < times:
                alone = await chat.ask(running.address, settings.model, self._prompt(), 1)
                ask = partial(chat.ask, running.address, settings.model, self._prompt(), 1)
                kill_s = alone.ttft_s * self.dice.uniform(0.05, 0.95)
                try:
                    hit = await chaos.strike_prompt(ask, kill_s)
                except BenchError as error:  # it was read faster than the one before
                    click.echo(f"not counted: {error}", err=True)
                    continue
                self.reads.append((alone.ttft_s, hit.ttft_s))
                told = f"{alone.ttft_s:.1f} s to read a prompt, {hit.ttft_s:.1f} s with a kill"
                click.echo(f"{told} after {kill_s:.1f} s", err=True)
            self.samples.append(watch.finish(_cpu_s(running) - before_s))

    def _prompt(self) -> str:
        """Another one each time, from the first word on."""
        return " ".join(self.dice.choices(_WORDS, k=_PROMPT))

    async def _strike(
        self,
        name: str,
        sign: signal.Signals,
        times: int,
        chaos: Chaos,
        running: Running,
        wait: float,
    ) -> None:
        for begin in range(0, times, _ROUND):
            watch, before_s = Watch(f"{name}s {begin + 1}", wait), _cpu_s(running)
            found = await chaos.strike(sign, min(_ROUND, times - begin))
            self.pauses.setdefault(name, []).extend(found)
            self.samples.append(watch.finish(_cpu_s(running) - before_s))

    def report(self) -> Report:
        """What was found."""
        values: dict[str, float | None] = {"answers": self.ended, "wrong": len(self.wrong)}
        for name, pauses in self.pauses.items():
            known = [pause.seconds for pause in pauses if pause.seconds is not None]
            whole = [pause for pause in pauses if pause.seconds and not pause.again]
            of_all = [pause.seconds for pause in whole if pause.seconds]
            each = [seconds for pause in whole for seconds in pause.streams if seconds]
            values |= {
                f"{name}s": len(pauses),
                f"{name}s_recovered": len(known),
                f"{name}s_hit_again": sum(pause.again for pause in pauses),
                f"{name}_pause_median_s": statistics.median(of_all) if of_all else None,
                f"{name}_pause_stream_median_s": statistics.median(each) if each else None,
                f"{name}_pause_max_s": max(known, default=None),
            }
        if self.reads:
            ratios = [(hit - alone) / alone for alone, hit in self.reads]
            values |= {
                "prompt_kills": len(ratios),
                "prompt_read_median_s": statistics.median(alone for alone, _ in self.reads),
                "prompt_pause_ratio": statistics.median(ratios),
                "prompt_pause_ratio_max": max(ratios),
            }
        return Report(
            name="recovery",
            commit=machine.commit(CHECKOUT),
            machine={**machine.describe(), "model": self.settings.model},
            samples=self.samples,
            rows=[],
            values=values,
            ratios={},
            notes=(*_NOTES, *self.wrong[:10]),
            details={"pauses": self.pauses, "reads": self.reads, "wrong": self.wrong},
        )

    def _body(self, text: str) -> dict[str, Any]:
        asked = {"messages": [{"role": "user", "content": text}], "stream": True}
        return self.fields | asked | {"stream_options": {"include_usage": True}}


def _cpu_s(running: Running) -> float:
    """Return the CPU seconds of the daemon, all its engines and this program."""
    own = psutil.Process().cpu_times()
    return running.child.cpu_s() + own.user + own.system
