"""Servers measured one after the other, each round with fresh ones."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchlib import workload
from benchlib.hog import hog
from benchlib.noise import Sample, Watch
from benchlib.prompts import Prompts
from benchlib.server import Loop, Running, Settings, Side
from benchlib.stats import summarise
from benchlib.workload import Amounts, Asker

SETTLE_S = 5.0  # under a hog, for a server that adapts its threads
HOGGED_S = 6.0
HOGGED_TOKENS = 32  # of an answer; beside a hog some servers make one or two a second

Measures = dict[str, float]


@dataclass(frozen=True)
class Entrant:
    """What takes part under the name `who`: a side with a thread count of its own."""

    who: str
    side: Side
    threads: int | None  # None: the side's own choice


def hogged_entrants(sides: Sequence[Side], cores: int) -> list[Entrant]:
    """Return who runs beside a hog: ours by its own choice and fixed ones, the peer as it comes."""
    entrants: list[Entrant] = []
    for side in sides:
        if side.name == "peer":
            entrants.append(Entrant("peer default", side, None))
        else:
            fixed = sorted({1, max(1, cores - 1), cores})
            entrants.append(Entrant("ours auto", side, None))
            entrants += [Entrant(f"ours fixed_{count}", side, count) for count in fixed]
    return entrants


@dataclass(frozen=True)
class Rounds:
    """Runs rounds and keeps their results: `found[who][measure]` is a list, round by round."""

    settings: Settings
    prompts: Prompts
    amounts: Amounts
    patience_s: float  # to wait for a quiet machine before each turn
    say: Callable[[str], None]
    found: dict[str, dict[str, list[float]]] = field(
        default_factory=dict[str, dict[str, list[float]]]
    )
    samples: list[Sample] = field(default_factory=list[Sample])

    async def quiet(self, entrant: Entrant, label: str) -> None:
        """Measure all workloads, with the machine to itself."""

        async def measure(running: Running, asker: Asker) -> tuple[Measures, float]:
            return await _workloads(entrant.side, running, asker, self.amounts), 0.0

        await self.turn(entrant, f"{label} {entrant.who}", measure)

    async def hogged(self, entrant: Entrant, label: str, directory: Path) -> None:
        """One stream beside a process that wants a core, once the server had time to adapt."""

        async def measure(running: Running, asker: Asker) -> tuple[Measures, float]:
            with hog(directory) as other:
                speed = await workload.settled_decode(asker, SETTLE_S, HOGGED_S, HOGGED_TOKENS)
                return {"decode_1": speed}, other.cpu_s()

        await self.turn(entrant, f"{label} {entrant.who}", measure)

    def of(self, who: str, measure: str) -> list[float]:
        """Return what was found, round by round; empty when it was not measured."""
        return self.found.get(who, {}).get(measure, [])

    def median(self, who: str, measure: str) -> float | None:
        """The median over the rounds; None when it was not measured."""
        summary = summarise(self.of(who, measure))
        return None if summary is None else summary.median

    async def turn(
        self,
        entrant: Entrant,
        label: str,
        measure: Callable[[Running, Asker], Awaitable[tuple[Measures, float]]],
    ) -> None:
        """`measure` a fresh, warm server; it also tells CPU seconds that are not the server's."""
        watch, start_s = Watch(label, self.patience_s), time.process_time()
        settings = replace(self.settings, threads=entrant.threads)
        async with entrant.side.run(settings) as running:
            asker = Asker(running.address, settings.model, self.prompts)
            await asker.short(self.amounts.warm_up_tokens)
            measures, other_s = await measure(running, asker)
            own_s = time.process_time() - start_s + running.child.cpu_s() + other_s
            self.samples.append(watch.finish(own_s))
        self._keep(entrant.who, measures)
        self.say(f"{label}: " + ", ".join(f"{k} {v:.4g}" for k, v in measures.items()))

    def _keep(self, who: str, measures: Measures) -> None:
        for measure, value in measures.items():
            self.found.setdefault(who, {}).setdefault(measure, []).append(value)


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
