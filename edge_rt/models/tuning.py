"""What was found of two models that answer together, and which way of theirs is worth most."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import geometric_mean

import msgspec

from edge_rt.core.errors import ConfigError, RequestError
from edge_rt.models.pair import SINGLE, KeptAccuracy, Pair

_CONTROLS = ("switch:random", "switch:never", "switch:always")  # to compare with, not to use
_MOST_KEPT = 2.0  # that a pair may say it keeps


class IntervalFigure(msgspec.Struct, frozen=True):
    """A figure with the ends of its interval; None where they are not known."""

    value: float
    low: float | None = None
    high: float | None = None


class Held(msgspec.Struct, frozen=True):
    """One way over the large model alone, on `n` questions; None where not known."""

    n: int
    accuracy_ratio: IntervalFigure | None = None
    energy_j_ratio: IntervalFigure | None = None


class WaySettings(msgspec.Struct, frozen=True):
    """The request's field `edge` of a way."""

    mode: str = SINGLE
    large_share: float | None = None
    threshold: float | None = None
    first: int = 0


class EvaluatedWay(msgspec.Struct, frozen=True):
    """One way in which a task was answered, by the model `model` or with it."""

    name: str
    model: str
    edge: WaySettings
    against_large: Held | None = None


class Answers(msgspec.Struct, frozen=True):
    """All ways in which one task was answered."""

    ways: list[EvaluatedWay]


class PairIds(msgspec.Struct, frozen=True):
    """The two, by their ids."""

    large: str
    small: str


class About(msgspec.Struct, frozen=True):
    """What was compared."""

    pair: PairIds


class Evaluation(msgspec.Struct, frozen=True):
    """What `tools/eval switch` wrote, as far as a choice depends on it."""

    about: About
    tasks: dict[str, Answers]
    commit: str | None = None


@dataclass(frozen=True)
class Ratios:
    """Of one way over the large model alone, in one task, on `n` questions."""

    n: int
    accuracy: IntervalFigure
    energy: IntervalFigure


@dataclass(frozen=True)
class TuningChoice:
    """The chosen way, and its ratios by task."""

    way: EvaluatedWay
    found: Mapping[str, Ratios]

    @property
    def energy(self) -> float:
        """Its joules over the large model's: the geometric mean over the tasks."""
        return geometric_mean(ratios.energy.value for ratios in self.found.values())

    @property
    def accuracy(self) -> float:
        """Its accuracy over the large model's, in the task where that is least."""
        return min(ratios.accuracy.value for ratios in self.found.values())


def read_evaluation(path: Path) -> Evaluation:
    """The evaluation in a file; raises ConfigError."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Evaluation)
    except OSError as error:
        reason = f"cannot be read: {error.strerror or error}"
        raise ConfigError(reason, file=str(path)) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        reason = f"not what `tools/eval switch` writes: {error}"
        raise ConfigError(reason, file=str(path)) from error


def choose(found: Evaluation, floor: float, tasks: Sequence[str] = ()) -> TuningChoice:
    """The way with the fewest joules that keeps `floor` of the large model's accuracy.

    By point estimates, and on every one of `tasks`, by default all. The large model alone may be
    chosen, chance may not. Raises RequestError where nothing of which joules are known keeps it.
    """
    names = list(tasks) or list(found.tasks)
    for name in names:
        if name not in found.tasks:
            known = ", ".join(found.tasks)
            raise RequestError(f"the evaluation has no task {name!r}, it has {known}", param="task")
    able = [choice for choice in _choices(found, names) if choice.accuracy >= floor]
    if not able:
        raise RequestError(
            f"no way of which joules are known keeps {floor:.0%} of the large model's accuracy on "
            f"{', '.join(names)}: lower the floor, or evaluate more ways",
            param="floor",
        )
    return min(able, key=lambda choice: (choice.energy, -choice.accuracy))


def tuned(choice: TuningChoice, models: PairIds, source: str) -> Pair:
    """The pair as it is asked from now on; `source` tells where the figures are from."""
    asked = choice.way.edge
    kept = {task: min(one.accuracy.value, _MOST_KEPT) for task, one in choice.found.items()}
    return Pair(
        large=models.large,
        small=models.small,
        mode=asked.mode,
        large_share=asked.large_share,
        threshold=asked.threshold,
        first=asked.first,
        kept=KeptAccuracy(figures=kept, source=source),
    )


def _choices(found: Evaluation, names: Sequence[str]) -> Iterator[TuningChoice]:
    """Every way that may be used and of which each task tells accuracy and joules."""
    by_task = {name: {way.name: way for way in found.tasks[name].ways} for name in names}
    for way in by_task[names[0]].values() if names else ():
        if way.model != found.about.pair.large or way.edge.mode in _CONTROLS:
            continue
        ratios = {name: _ratios(ways.get(way.name)) for name, ways in by_task.items()}
        known = {name: one for name, one in ratios.items() if one is not None}
        if len(known) == len(names):
            yield TuningChoice(way, known)


def _ratios(way: EvaluatedWay | None) -> Ratios | None:
    held = way.against_large if way else None
    if held is None or held.accuracy_ratio is None or held.energy_j_ratio is None:
        return None
    if held.energy_j_ratio.value <= 0.0:  # less than a board at rest: it was disturbed
        return None
    return Ratios(held.n, held.accuracy_ratio, held.energy_j_ratio)
