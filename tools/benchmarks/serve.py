"""Our daemon against llama.cpp's own server: speed, memory, start."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click
from benchlib import peer, prompts
from benchlib.daemon import MODEL, Ours, compile_bytecode, model_file
from benchlib.publish import published
from benchlib.report import Report, Row, row_ratios, row_values
from benchlib.rounds import Rounds
from benchlib.server import Settings, Side
from benchlib.workload import Amounts
from bootstrap.paths import cache_dir

_CONTEXT = 8192  # tokens, of all conversations together
_PARALLEL = 8
_ROWS = (
    ("decode_1", "decode, 1 stream", "tok/s", False),
    ("decode_4", "decode, 4 streams at once", "tok/s", False),
    ("throughput_4", "the same with prompts and ends", "tok/s", False),
    ("decode_8", "decode, 8 streams at once", "tok/s", False),
    ("throughput_8", "the same with prompts and ends", "tok/s", False),
    ("ttft_1", "time to first token", "s", True),
    ("prefill", "prefill, long prompt", "tok/s", False),
    ("cpu_s_1", "CPU time, 1 stream", "s/1000 tok", True),
    ("cpu_s_4", "CPU time, 4 streams at once", "s/1000 tok", True),
    ("cpu_s_8", "CPU time, 8 streams at once", "s/1000 tok", True),
)
_OURS = (
    "front_rss_mb",
    "front_anon_mb",
    "engine_rss_mb",
    "engine_anon_mb",
    "ready_s",
    "loop_overhead",
    "loop_overhead_8",
)


@click.command()
@click.option(
    "--rounds", default=5, show_default=True, type=click.IntRange(1), help="Of each side."
)
@click.option("--quick", is_flag=True, help="Two rounds.")
@click.option("--threads", type=click.IntRange(1), help="Of both sides; default: one a core.")
@click.option(
    "--wait",
    default=20.0,
    show_default=True,
    help="Seconds to wait, at most, for a quiet machine before each turn.",
)
@click.option("--side", type=click.Choice(["ours", "peer"]), help="Measure only this side.")
@published
async def command(
    directory: Path,
    rounds: int,
    quick: bool,
    threads: int | None,
    wait: float,
    side: str | None,
) -> Report:
    """Compare our daemon with llama.cpp's own server, round by round, never both at once.

    Both get the same weights, threads, context, prompts and number of tokens, and are spoken to
    over HTTP by the same client: ours over its Unix socket, the peer over the loopback.
    """
    bench = _prepare(directory, threads, wait, side)
    await bench.run(2 if quick else rounds)
    return bench.report()


@dataclass(frozen=True)
class Bench:
    """The sides that take part, and the rounds."""

    sides: Sequence[Side]
    rounds: Rounds

    async def run(self, rounds: int) -> None:
        """Run all rounds, in which the sides take turns."""
        for number in range(1, rounds + 1):
            for side in self.sides:
                await self.rounds.turn(side, f"round {number}")

    def report(self) -> Report:
        """Return what the rounds found."""
        rows = [
            Row(key, title, unit, self.rounds.of("ours", key), self.rounds.of("peer", key), less)
            for key, title, unit, less in _ROWS
        ]
        return Report(
            name="serve",
            about={**_features(self.sides), **self._settings()},
            samples=self.rounds.samples,
            rows=rows,
            values={**row_values(rows), **values(self.rounds)},
            ratios=row_ratios(rows),
            notes=notes(self.rounds),
        )

    def _settings(self) -> dict[str, object]:
        settings = self.rounds.settings
        return {
            "threads": settings.threads,
            "context": settings.context,
            "sequences": settings.parallel,
        }


def values(rounds: Rounds) -> dict[str, float | None]:
    """Memory, start and loop overhead."""
    ours = {key: rounds.median("ours", key) for key in _OURS}
    peers = {
        "peer_rss_mb": rounds.median("peer", "peer_rss_mb"),
        "peer_ready_with_model_s": rounds.median("peer", "ready_s"),
    }
    return {**ours, **peers}


def notes(rounds: Rounds) -> list[str]:
    """Return what a reader must know to judge the comparison."""
    lines = [
        "The peer has its own defaults otherwise, and is ready when its model is loaded; "
        "we load at the first request.",
        "Our bytecode is there before the first start, as in every installation.",
        "CPU time is that of all processes of a server, per thousand tokens of the same answers "
        "whose decoding is timed, with the reading of their prompts.",
    ]
    for who in ("ours", "peer"):
        counts = [rounds.median(who, f"tokens_{what}") for what in ("read", "cached", "made")]
        if None not in counts:
            words = "{}: {:.0f} prompt tokens a round, {:.0f} of them cached, {:.0f} made."
            lines.append(words.format(who, *counts))
    return lines


def _prepare(directory: Path, threads: int | None, wait: float, only: str | None) -> Bench:
    compile_bytecode()
    cache, python = cache_dir(), Path(sys.executable)
    store = cache / "store"
    sides: list[Side] = []
    if only != "peer":
        sides.append(Ours(python, store, directory))
    if only != "ours":
        sides.append(peer.Peer(peer.environment(cache), directory))
    settings = Settings(
        gguf=model_file(store),
        model=MODEL,
        context=_CONTEXT,
        parallel=_PARALLEL,
        threads=threads or len(os.sched_getaffinity(0)),
    )
    return Bench(sides, Rounds(settings, prompts.built_in(), Amounts(), wait, _say))


def _say(line: str) -> None:
    click.echo(line, err=True)


def _features(sides: Sequence[Side]) -> dict[str, str]:
    """Return what each side's llama.cpp was built for: an index's wheel may use less of the CPU."""
    return {f"llama.cpp of {side.name}": side.features() for side in sides}
