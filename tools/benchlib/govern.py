"""What the parts of the governor's benchmark share."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from benchlib.daemon import MODEL, Ours, weights
from benchlib.noise import Sample
from benchlib.prompts import Prompts
from benchlib.report import Row
from benchlib.server import Settings

Say = Callable[[str], None]
Values = Mapping[str, float | None]

_CONTEXT = 2048  # tokens, of one conversation

_MORE_IS_WORSE = frozenset(
    {
        "throttles",
        "plant_step_s_max",
        "power_error_max",
        "fault_far_s_max",
        "fault_refused_max",
        "trace_power_error",
        "trace_power_vs_last",
        "trace_heat_error",
        "trace_heat_vs_last",
    }
)


@dataclass(frozen=True)
class Setup:
    """What every part in real time needs. `directory` is for its files, `patience_s` to wait for a
    quiet machine before each turn.
    """

    python: Path  # of the .venv
    store: Path
    directory: Path
    prompts: Prompts
    patience_s: float
    quick: bool
    say: Say

    @cached_property
    def settings(self) -> Settings:
        """One conversation at a time on the threads that the server chooses.

        The model is fetched if it is not there.
        """
        gguf = weights(self.python.with_name("edge-rt"), self.store)
        return Settings(gguf, MODEL, context=_CONTEXT, parallel=1, threads=None)

    def ours(self, extra: Mapping[str, object] | None = None) -> Ours:
        """Our daemon; `extra` goes into its configuration."""
        return Ours(self.python, self.store, self.directory, extra=extra or {})


@dataclass(frozen=True)
class Ask:
    """What a part that is worked out is asked for: a short form, cases by words, traces."""

    quick: bool = False
    only: str = ""
    traces: Path | None = None  # folder of recorded traces


@dataclass(frozen=True)
class Found:
    """The results of one part: flat figures, None where not measured, and their details."""

    values: Values = field(default_factory=dict[str, float | None])
    rows: Sequence[Row] = ()  # their ratios count
    details: Mapping[str, object] = field(default_factory=dict[str, object])
    samples: Sequence[Sample] = ()
    notes: Sequence[str] = ()


def worst(name: str, found: Iterable[float | None]) -> float | None:
    """The worst of what was measured of the value `name`; None when nothing was."""
    known = [value for value in found if value is not None]
    return (max if name in _MORE_IS_WORSE else min)(known, default=None)


def cores() -> int:
    """That this process may use, and so its children."""
    return len(os.sched_getaffinity(0))
