"""What was found of two models that answer together, and which way of theirs is worth most."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import geometric_mean
from typing import Annotated

import msgspec
from msgspec import Meta

from edge_rt.core.errors import ConfigError, RequestError
from edge_rt.decoding.params import GATES, gates, takes_share
from edge_rt.models.naming import Id

SINGLE, SPECULATIVE, LOOKUP, SWITCH = "single", "speculative", "lookup", "switch"
LOSSLESS = (SINGLE, LOOKUP, SPECULATIVE)
"""Modes in which an answer is token for token what the large model writes alone."""

MODES = (*LOSSLESS, *(f"{SWITCH}:{gate}" for gate in GATES))

_Share = Annotated[float, Meta(ge=0, le=1)]
_Ratio = Annotated[float, Meta(ge=0, le=2)]
_Name = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}\Z")]


class KeptAccuracy(msgspec.Struct, frozen=True, kw_only=True):
    """What a mode keeps of the large model's accuracy, by the test's name, 1: all of it."""

    figures: Annotated[dict[_Name, _Ratio], Meta(min_length=1)]
    source: str = ""

    @property
    def least(self) -> float:
        """The figure of the test in which it is lowest."""
        return min(self.figures.values())


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """Two models by their ids in the store, the large one as the one that requests name.

    `mode` is what requests get that do not say; None: the large model by itself, or whatever
    lossless mode takes least. `large_share` of the tokens are to be the large model's, or
    `threshold` is the gate's own measure; for `first` see Gating.
    """

    large: Id
    small: Id
    mode: str | None = None
    large_share: _Share | None = None
    threshold: Annotated[float, Meta(ge=0, le=1e6)] | None = None
    first: Annotated[int, Meta(ge=0, le=1 << 20)] = 0
    kept: KeptAccuracy | None = None  # by `mode`, set like this

    def __post_init__(self) -> None:
        """What belongs together must be there together; raises ValueError."""
        if self.large == self.small:
            raise ValueError(f"`small`: {self.small} is the large one already")
        if self.mode is not None and not is_mode(self.mode):
            raise ValueError(f"`mode`: there is no mode {self.mode!r:.80}")
        wrong = misfit(self.mode or SINGLE, self.large_share, self.threshold, self.first)
        if wrong is not None:
            raise ValueError(f"`{wrong[0]}`: {wrong[1]}")

    @property
    def gate(self) -> str | None:
        """The gate of a mode that switches."""
        return gate_of(self.mode) if self.mode else None


def is_mode(name: str) -> bool:
    """Return whether requests may name that mode."""
    return name in MODES or (name.startswith(f"{SWITCH}:") and gate_of(name) in gates())


def gate_of(mode: str) -> str | None:
    """The gate in the name of a mode that has one."""
    _, colon, gate = mode.partition(":")
    return gate if colon else None


def misfit(
    mode: str, large_share: float | None, threshold: float | None, first: int
) -> tuple[str, str] | None:
    """The field that does not go with the mode and what to do about it; None where all do."""
    gate = gate_of(mode)
    settings = {"large_share": large_share, "threshold": threshold, "first": first or None}
    given = [field for field, value in settings.items() if value is not None]
    if gate is None:
        advice = f"is for modes that switch, and the mode is {mode}: leave it out"
        return (given[0], f"{advice}, or choose {SWITCH}:GATE") if given else None
    if large_share is not None and not takes_share(gate):
        return "large_share", f"{mode} decides but once: leave it out, or send a threshold"
    if large_share is not None and threshold is not None:
        return "threshold", "a share moves the threshold by itself: send one of the two"
    return None


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
    """One way of answering relative to the large model alone, in one task, on `n` questions."""

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
        """The ratio of its joules to the large model's: the geometric mean over the tasks."""
        return geometric_mean(ratios.energy.value for ratios in self.found.values())

    @property
    def accuracy(self) -> float:
        """The ratio of its accuracy to the large model's, in the task where it is lowest."""
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
        if way.model != found.about.pair.large or not is_mode(way.edge.mode):
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
