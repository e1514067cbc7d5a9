"""Tables of power modes, published and made, and how well a search by probes does on them."""

from __future__ import annotations

import csv
import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchlib import BenchError
from edge_rt.governor.knobs.mode_search import ModeSearch, Probe

TABLE = "traces/llm_boards.csv"
NOISE = 0.02  # deviation of what a probe measures, of its size
_MADE = 0.04  # and of how far a mode lies from the curve of a made table
_FLOOR = 0.6  # of the fastest mode's speed, wanted in every other table


@dataclass(frozen=True)
class ModeTable:
    """Joules a token and tokens a second of each mode, the slowest first; and the least speed."""

    name: str
    modes: Sequence[Probe]
    least_per_s: float = 0.0


def published(data: Path) -> list[ModeTable]:
    """Return a table for each model on a board that was measured in several modes."""
    path, found = data / TABLE, defaultdict[str, list[Probe]](list)
    try:
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                if row["watts"] and "llama" in row["engine"].lower():
                    conditions = row["conditions"].split(" ")[0]
                    name = f"{row['board']}, {row['model']} {row['quant']}, {conditions}"
                    speed = float(row["tok_s"])
                    found[name].append(Probe(float(row["watts"]) / speed, speed))
    except OSError as error:
        raise BenchError(f"{path}: {error.strerror or error}") from error
    several = {name: modes for name, modes in found.items() if len(modes) > 1}
    return [
        ModeTable(name, sorted(modes, key=lambda one: one.tokens_per_s))
        for name, modes in several.items()
    ]


def made(seed: int, count: int, modes: int) -> list[ModeTable]:
    """Return tables of so many modes: power by the clock's cube, speed that memory bounds.

    P = rest + a·f + b·f³ and speed = 1/(1/(c·f) + 1/m), each mode off by _MADE.
    """
    dice = random.Random(seed)
    return [_one(dice, f"made {modes}, {at}", modes, at % 2 == 1) for at in range(count)]


def _one(dice: random.Random, name: str, modes: int, floored: bool) -> ModeTable:
    rest, linear, cubic = dice.uniform(1, 6), dice.uniform(1, 8), dice.uniform(1, 20)
    clocked, memory = dice.uniform(20, 200), dice.uniform(20, 200)
    found: list[Probe] = []
    for at in range(modes):
        f = 0.3 + 0.9 * (at + dice.uniform(0, 0.5)) / modes
        watts = (rest + linear * f + cubic * f**3) * dice.gauss(1.0, _MADE)
        speed = 1.0 / (1.0 / (clocked * f) + 1.0 / memory)
        found.append(Probe(watts / speed, speed))
    least = _FLOOR * found[-1].tokens_per_s if floored else 0.0
    return ModeTable(name, found, least)


def efficiency(table: ModeTable, dice: random.Random) -> tuple[float, int]:
    """Return the tokens a joule of the mode that is found over the best one's, and the probes.

    0 where it is too slow while another is not.
    """
    names = [str(at) for at in range(len(table.modes))]
    search = ModeSearch(list(names), table.least_per_s)
    while (mode := search.next) is not None:
        true = table.modes[int(mode)]
        seen = true.token_j * dice.gauss(1.0, NOISE), true.tokens_per_s * dice.gauss(1.0, NOISE)
        search.found[mode] = Probe(*seen)
    able = [one for one in table.modes if one.tokens_per_s >= table.least_per_s]
    best, chosen = min(able, key=lambda one: one.token_j), table.modes[int(search.best or 0)]
    # A probe may take a mode at the very floor for fast enough, within its noise.
    fast = chosen.tokens_per_s >= table.least_per_s * (1.0 - 3.0 * NOISE)
    return (min(1.0, best.token_j / chosen.token_j) if fast else 0.0), len(search.found)
