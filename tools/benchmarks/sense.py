"""Our sampler against jtop's own reading code: CPU time for the sensors of an AGX Orin."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from benchlib import machine
from benchlib.environment import environment
from benchlib.publish import publish
from benchlib.report import Report, Row, row_ratios, row_values
from benchlib.sense import BOARD, Probe, Turns, board_tree
from benchlib.sense_probe import ALL, GROUPS
from bootstrap.paths import CHECKOUT, cache_dir

REQUIREMENTS = CHECKOUT / "tools/benchlib/jtop_requirements.txt"

_BATCHES = 5
_SWEEPS = 200  # of each group in each batch
_FAST_S = 0.1
_NOTES = (
    "One sample is one sweep of everything that a side reads; its groups are also timed alone.",
    "Of jtop: the services that it asks at each sample, in the order it asks them, without its "
    "engines and processes, and of its memory only meminfo, since the rest starts a program.",
    "The files are plain ones that do not change: what a driver costs for a read is left out, "
    "alike on both sides. No zone sleeps.",
    "core_share: our thread with each reader at its own rate; core_share_10hz: all at 10 Hz.",
)


@click.command()
@click.option(
    "--rounds", default=5, show_default=True, type=click.IntRange(1), help="Of each side."
)
@click.option(
    "--seconds", default=10.0, show_default=True, help="To watch our thread, at either rate."
)
@click.option("--quick", is_flag=True, help="Two rounds and three seconds.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write the result here.")
@click.option(
    "--wait",
    default=20.0,
    show_default=True,
    help="Seconds to wait, at most, for a quiet machine before each turn.",
)
def command(rounds: int, seconds: float, quick: bool, json_file: Path | None, wait: float) -> None:
    """Compare the CPU time that our sampler and jtop need for the sensors of an AGX Orin.

    Both read the same files, of a simulated board, in processes of their own and in turns.
    """
    if quick:
        rounds, seconds = 2, 3.0

    def measure(directory: Path) -> Report:
        root = directory / "tree"
        bench = _prepare(root, wait)
        with board_tree(root):
            bench.run(rounds, seconds)
        return bench.report()

    publish(measure, json_file)


@dataclass
class Bench:
    """Both sides, their turns, and the share of a core that our thread takes."""

    ours: Callable[..., dict[str, Any]]
    peer: Callable[..., dict[str, Any]]
    share: Callable[..., dict[str, Any]]
    turns: Turns
    core_share: float | None = None
    core_share_10hz: float | None = None

    def run(self, rounds: int, seconds: float) -> None:
        """All rounds, then the thread at its own rates and at 10 Hz."""
        for number in range(1, rounds + 1):
            self.turns.take("ours", self.ours, number)
            self.turns.take("peer", self.peer, number)
        root = self.turns.root
        self.core_share = self.share(root, seconds)["core_share"]
        self.core_share_10hz = self.share(root, seconds, _FAST_S)["core_share"]

    def report(self) -> Report:
        """What was found."""
        rows = self._rows()
        counts = {who: self.turns.figures(who) for who in ("ours", "peer")}
        values = {
            **row_values(rows),
            "core_share": self.core_share,
            "core_share_10hz": self.core_share_10hz,
            **{f"figures_{who}": count.get(ALL) for who, count in counts.items()},
        }
        return Report(
            name="sense",
            commit=machine.commit(CHECKOUT),
            machine={**machine.describe(), "simulated": BOARD, "peer": _peer_name()},
            samples=self.turns.samples,
            rows=rows,
            values=values,
            ratios=row_ratios(rows),
            notes=[*_NOTES, *(_counted(who, count) for who, count in counts.items())],
        )

    def _rows(self) -> list[Row]:
        of, per_figure = self.turns.of, self.turns.per_figure
        rows = [
            _row("cpu_per_sample", "one sample", of("ours", ALL), of("peer", ALL)),
            _row("cpu_per_figure", "the same a figure", per_figure("ours"), per_figure("peer")),
        ]
        for group in GROUPS:
            key = f"cpu_per_sample_{group}"
            rows.append(_row(key, f"{group} alone", of("ours", group), of("peer", group)))
        return rows


def _row(key: str, title: str, ours: list[float], peer: list[float]) -> Row:
    return Row(key, title, "CPU s", ours, peer, less_is_better=True)


def _counted(who: str, figures: Mapping[str, int]) -> str:
    """How many figures a side reads, as a sentence."""
    total, counts = figures.get(ALL, 0), {group: figures.get(group, 0) for group in GROUPS}
    counts["of no group"] = total - sum(counts.values())
    parts = ", ".join(f"{group} {count}" for group, count in counts.items() if count)
    return f"{who} reads {total} figures: {parts}."


def _peer_name() -> str:
    return REQUIREMENTS.read_text().split()[0]


def _prepare(root: Path, wait: float) -> Bench:
    python = Path(sys.executable)
    peer = environment(REQUIREMENTS, "jtop", cache_dir())
    turns = Turns(root, _BATCHES, _SWEEPS, wait, lambda line: click.echo(line, err=True))
    ours, share = (Probe(python, f"benchlib.sense_{what}") for what in ("ours", "share"))
    return Bench(ours, Probe(peer, "benchlib.sense_jtop"), share, turns)
