"""What a benchmark found, for people and as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from bootstrap.paths import CHECKOUT
from rich.console import Console
from rich.table import Table

from benchlib import machine, noise
from benchlib.stats import Ratio, median, ratio, summarise


@dataclass(frozen=True)
class Row:
    """One measure of both sides, round by round, with the unit and the better direction."""

    key: str
    title: str
    unit: str
    ours: Sequence[float]
    peer: Sequence[float]
    less_is_better: bool = False


@dataclass(frozen=True, kw_only=True)
class Report:
    """A finished benchmark. In `values`, None is what could not be measured, and
    `failed` says what did not hold.

    `about` is how it was measured, and `details` are the data behind `values`: any plain data.
    """

    name: str
    values: Mapping[str, float | None]
    about: Mapping[str, object] = field(default_factory=dict[str, object])
    samples: Sequence[noise.Sample] = ()
    rows: Sequence[Row] = ()
    ratios: Mapping[str, float | None] = field(default_factory=dict[str, "float | None"])
    notes: Sequence[str] = ()
    failed: Sequence[str] = ()
    details: Mapping[str, object] = field(default_factory=dict[str, object])
    commit: str | None = field(default_factory=partial(machine.commit, CHECKOUT))
    machine: Mapping[str, object] = field(default_factory=machine.describe)

    def write_json(self, path: Path) -> None:
        """{name, commit, machine, noise, values, ratios}; values and ratios are flat.

        And details, where there are any.
        """
        document = {
            "name": self.name,
            "commit": self.commit,
            "machine": {**self.machine, **self.about},
            "noise": noise.as_json(self.samples),
            "values": self.values,
            "ratios": self.ratios,
            **({"details": self.details} if self.details else {}),
        }
        path.write_text(json.dumps(document, indent=2) + "\n")

    def print(self, console: Console) -> None:
        """Tables of both sides and of the values, then how far to trust them."""
        console.print(f"{self.name}: commit {self.commit or 'unknown'}")
        for key, value in {**self.machine, **self.about}.items():
            console.print(f"  {key}: {'unknown' if value is None else value}")
        if self.rows:
            console.print(_sides(self.rows))
        shown = row_values(self.rows)  # already in the table of both sides
        console.print(_values({k: v for k, v in self.values.items() if k not in shown}))
        for line in [*self.notes, *verdict(self.samples)]:
            console.print(line)


def row_values(rows: Sequence[Row]) -> dict[str, float | None]:
    """Each row's medians as values KEY_ours and KEY_peer, and the ends of its pair ratios."""
    found: dict[str, float | None] = {}
    for row in rows:
        for side, numbers in (("ours", row.ours), ("peer", row.peer)):
            found[f"{row.key}_{side}"] = median(numbers)
        pairs = _pairs(row)
        found[f"{row.key}_ratio_min"] = min(pairs, default=None)
        found[f"{row.key}_ratio_max"] = max(pairs, default=None)
    return found


def row_ratios(rows: Sequence[Row]) -> dict[str, float | None]:
    """Each row's ratio of medians, ours over the peer's."""
    ratios = {row.key: ratio(row.ours, row.peer) for row in rows}
    return {key: found.of_medians if found else None for key, found in ratios.items()}


def verdict(samples: Sequence[noise.Sample]) -> list[str]:
    """Say whether the machine was quiet; return no lines where it was not watched."""
    if not samples:
        return []
    found = noise.judge(samples)
    figures = (
        f"the fixed spin differed by up to {found.spin_spread:.1%}, other processes used up to "
        f"{found.others_max:.2f} cores, steal was up to {found.steal_max:.2f} cores"
    )
    if not found.noisy:
        return [f"The machine was quiet: {figures}."]
    rounds = ", ".join(found.noisy_rounds)
    return [f"THE MACHINE WAS NOISY: {figures}.", f"Noisy rounds: {rounds}."]


def shown(numbers: Sequence[float]) -> str:
    """The median of `numbers` with their ends and how many they are."""
    summary = summarise(numbers)
    if summary is None:
        return "-"
    ends = f"{_number(summary.low)} to {_number(summary.high)}"
    return f"{_number(summary.median)} ({ends}, n {summary.n})"


def _pairs(row: Row) -> tuple[float, ...]:
    found = ratio(row.ours, row.peer)
    return found.pairs if found else ()


def _sides(rows: Sequence[Row]) -> Table:
    table = Table("measure", "ours", "peer", "ours / peer", "round by round")
    for row in rows:
        better = " (less is better)" if row.less_is_better else ""
        found = ratio(row.ours, row.peer)
        table.add_row(
            f"{row.title}, {row.unit}{better}",
            shown(row.ours),
            shown(row.peer),
            f"{found.of_medians:.3f}" if found else "-",
            _by_round(found),
        )
    return table


def _by_round(found: Ratio | None) -> str:
    return " ".join(f"{pair:.2f}" for pair in found.pairs) if found else "-"


def _number(value: float) -> str:
    return f"{value:.4g}"


def _values(values: Mapping[str, float | None]) -> Table:
    table = Table("value", "")
    for key, value in values.items():
        table.add_row(key, "not measured" if value is None else _number(value))
    return table
