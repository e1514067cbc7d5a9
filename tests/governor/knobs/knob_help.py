"""Knobs without a board, and lives of a process that may end at any step."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from edge_rt.governor.knobs.journal import Journal, KnobOutcome
from edge_rt.governor.knobs.knob import Knob, KnobError, KnobTarget, Value
from edge_rt.governor.knobs.turner import Turner

BOOT = "0c0ffee0-boot"


def at_once(seconds: float) -> None:
    """Pauses that take no time."""


class FakeKnob(Knob):
    """A knob whose every whim is the test's."""

    def __init__(self, name: str = "fan", value: Value = 100, lasting: bool = False) -> None:
        self.name, self.lasting = name, lasting
        self.value = value
        self.why_hidden: str | None = None
        self.broken: KnobError | None = None  # raised by `read`
        self.refusal: KnobError | None = None  # raised by `write`
        self.takes: Callable[[Value], Value] = lambda value: value
        self.history: list[Value] = []

    def read(self) -> Value:
        if self.broken is not None:
            raise self.broken
        return self.value

    def write(self, value: Value) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.history.append(value)
        self.value = self.takes(value)

    def hidden(self) -> str | None:
        return self.why_hidden


class Life:
    """One run of a daemon over some knobs and the journal in a folder."""

    def __init__(
        self,
        folder: Path,
        *knobs: FakeKnob,
        boot: str | None = BOOT,
        journal: Journal | None = None,
    ) -> None:
        self.knobs = {knob.name: knob for knob in knobs}
        self.journal = journal or Journal(folder / "knobs.json")
        self.turner = Turner(self.journal, self.knobs.get, boot, at_once)

    def turn(self, value: Value, name: str = "fan") -> KnobOutcome:
        self.turner.turn(KnobTarget(self.knobs[name], value))
        return self.outcome(name)

    def restore(self, name: str = "fan") -> KnobOutcome:
        self.turner.restore()
        return self.outcome(name)

    def outcome(self, name: str = "fan") -> KnobOutcome:
        return next(outcome for outcome in self.turner.outcomes if outcome.knob == name)
