"""Servers measured one after the other, each round with fresh ones."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from benchlib import workload
from benchlib.noise import Sample, Watch
from benchlib.prompts import Prompts
from benchlib.server import Loop, Running, Settings, Side
from benchlib.stats import median
from benchlib.workload import Amounts, Asker

Measures = dict[str, float]


@dataclass(frozen=True)
class Rounds:
    """Runs rounds and keeps their results: `found[side][measure]` is a list, round by round."""

    settings: Settings
    prompts: Prompts
    amounts: Amounts
    patience_s: float  # to wait for a quiet machine before each turn
    say: Callable[[str], None]
    found: dict[str, dict[str, list[float]]] = field(
        default_factory=dict[str, dict[str, list[float]]]
    )
    samples: list[Sample] = field(default_factory=list[Sample])

    async def turn(self, side: Side, label: str) -> None:
        """Measure all workloads of a fresh, warm server, with the machine to itself."""
        label = f"{label} {side.name}"
        watch, start_s = Watch(label, self.patience_s), time.process_time()
        async with side.run(self.settings) as running:
            asker = Asker(running.address, self.settings.model, self.prompts)
            await asker.short(self.amounts.warm_up_tokens)
            measures = await _workloads(side, running, asker, self.amounts)
            own_s = time.process_time() - start_s + running.child.cpu_s()
            self.samples.append(watch.finish(own_s))
        for measure, value in measures.items():
            self.found.setdefault(side.name, {}).setdefault(measure, []).append(value)
        self.say(f"{label}: " + ", ".join(f"{k} {v:.4g}" for k, v in measures.items()))

    def of(self, side: str, measure: str) -> list[float]:
        """Return a measure round by round; empty when it was not measured."""
        return self.found.get(side, {}).get(measure, [])

    def median(self, side: str, measure: str) -> float | None:
        """The median over the rounds; None when it was not measured."""
        return median(self.of(side, measure))


async def _workloads(side: Side, running: Running, asker: Asker, amounts: Amounts) -> Measures:
    found = {"ready_s": running.ready_s, "ttft_1": await workload.ttft_s(asker, amounts)}
    lap = await Lap.begin(side, running, asker)
    found["decode_1"] = await workload.decode_alone(asker, amounts)
    before, lap = lap, await Lap.begin(side, running, asker)
    found |= lap.since(before, 1)
    for streams in amounts.streams:
        speeds = await workload.together(asker, streams, amounts)
        found |= {f"decode_{streams}": speeds.decode, f"throughput_{streams}": speeds.throughput}
        before, lap = lap, await Lap.begin(side, running, asker)
        found |= lap.since(before, streams)
    found["prefill"] = await workload.prefill(asker, amounts)
    return {**found, **side.memory_mb(running), **_tokens(asker)}


@dataclass(frozen=True)
class Lap:
    """What a server had done when a workload began: its loop, its CPU seconds, its tokens."""

    loop: Loop | None
    cpu_s: float  # of all its processes
    made: int

    @staticmethod
    async def begin(side: Side, running: Running, asker: Asker) -> Lap:
        """Return the lap that begins now."""
        made = sum(reply.completion_tokens for reply in asker.replies)
        return Lap(await side.loop(running), running.child.cpu_s(), made)

    def since(self, before: Lap, streams: int) -> Measures:
        """Measure the workload of so many streams between both: the CPU seconds that a thousand
        tokens of answers took, with their prompts, and the share of the loop that was not native.
        """
        cpu_s = 1000 * (self.cpu_s - before.cpu_s) / (self.made - before.made)
        found = {f"cpu_s_{streams}": cpu_s}
        if before.loop and self.loop:
            key = "loop_overhead" if streams == 1 else f"loop_overhead_{streams}"
            found[key] = self.loop.overhead_since(before.loop)
        return found


def _tokens(asker: Asker) -> Measures:
    """Return what the server says it read, took from its cache and made."""
    return {
        "tokens_read": sum(reply.prompt_tokens for reply in asker.replies),
        "tokens_cached": sum(reply.cached_tokens for reply in asker.replies),
        "tokens_made": sum(reply.completion_tokens for reply in asker.replies),
    }
