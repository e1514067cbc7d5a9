"""What a guest must still have after its power was cut, and what it must be able to do."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from vm.guest import deeds, shortage
from vm.guest.deed import KERNEL
from vm.verdict import Told, Verdict

SETTLED_S = 40.0  # after which what was committed is on the disk, by `edge_rt.energy.ledger`
RAILS = 9  # power, voltage and current of three channels
STEP = 0.02  # the driver gives whole mV and mA


@dataclass
class Kept:
    """Rows that guests have told, oldest first: those that must be on the disk, and those of the
    last guest that may not have come so far; and the first answer to the same question.
    """

    settled: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    late: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    again: str | None = None

    def take(self, told: Told, cut_s: float) -> None:
        """Take what a guest has told whose power was cut then, on the clock of `told`."""
        self.late = {}
        databases = told.said.get("left", {}).get("databases", {})
        self.settled = {name: [repr(r) for r in found["rows"]] for name, found in databases.items()}
        for name, rows in told.rows.items():
            for row, read_s in rows.items():
                kept = self.settled if cut_s - read_s >= SETTLED_S else self.late
                kept.setdefault(name, []).append(row)


def judge(number: int, told: Told, kept: Kept, verdict: Verdict) -> None:
    """Hold what the guest of boot `number` has told against what is `kept` of earlier ones."""
    problems = [f"The guest failed:\n{text}" for text in told.failed]
    if not (told.is_whole or problems):
        problems.append(
            f"The guest has told no more than {sorted(told.said)} when its time was up."
        )
    problems += _lost(told, kept)
    if told.is_whole:
        problems += _answers(number, told, kept)
    verdict.problems.extend(f"Boot {number + 1}: {problem}" for problem in problems)
    if not problems:
        verdict.lines.append(_line(number, told))


def _lost(told: Told, kept: Kept) -> list[str]:
    """Return what the last cut has taken, or damaged."""
    left: dict[str, Any] = told.said.get("left", {"databases": {}, "aside": []})
    found = [f"{name} was moved aside" for name in left["aside"]]
    for name, database in left["databases"].items():
        if database["check"] != ["ok"]:
            found.append(f"{name} is damaged: {database['check'][:5]}")
    for name in {*kept.settled, *kept.late}:
        there = {repr(row) for row in left["databases"].get(name, {"rows": []})["rows"]}
        settled, late = kept.settled.get(name, []), kept.late.get(name, [])
        if missing := [row for row in settled if row not in there]:
            found.append(f"{name} has lost {len(missing)} of {len(settled)} rows: {missing[:3]}")
        came = [row in there for row in late]
        if came != sorted(came, reverse=True):
            found.append(f"{name} has lost rows that came before others: {came}")
    return found


def _answers(number: int, told: Told, kept: Kept) -> list[str]:
    """Return what was answered wrongly, and where the sandbox or a sensor is not as it must be."""
    found: list[str] = []
    said = told.said
    if kept.again is None:
        kept.again = said["again"]
    if (said["again"], said["cached"]) != (kept.again, "exact" if number else None):
        found.append(f"asked again: {said['again']!r} ({said['cached']}), wanted {kept.again!r}")
    sensors = said["sensors"]
    pairs = list(zip(sensors["read"], sensors["wanted"], strict=False))
    if len(pairs) != RAILS or any(got is None or abs(got - want) > STEP for got, want in pairs):
        found.append(f"sensors: {sensors}")
    if "inside" in said:
        found += deeds.faults(said["inside"], said["root"], KERNEL)
    elif number == 0:
        found.append("the sandbox was not tried")
    if "shortage" in said:
        found += shortage.faults(said["shortage"])
    elif number == 0:
        found.append("memory was not made short")
    return found


def _line(number: int, told: Told) -> str:
    left = told.said["left"]["databases"]
    counts = ", ".join(
        f"{len(left[name]['rows'])} rows in {name}" for name in sorted(told.rows) if name in left
    )
    return (
        f"ok      boot {number + 1}: first answer after {told.said['up_s']:.0f} s; found "
        f"{counts or 'an empty disk'}"
    )
