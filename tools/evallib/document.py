"""What an evaluation found, as JSON and as Markdown."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from benchlib import machine
from bootstrap.paths import CHECKOUT

from edge_rt.models.pair import LOOKUP, SPECULATIVE
from evallib import EvalError
from evallib.figures import Found, against, answered, figures, paired
from evallib.intervals import Bootstrap
from evallib.markdown import Columns, table
from evallib.record import Record
from evallib.way import CONTROL, LARGE, SMALL, Way

Row = dict[str, Any]
Pairs = Sequence[tuple[Record, Record]]
ORACLE = "oracle"
KEPT = 0.95  # of the right answers


@dataclass(frozen=True)
class Document:
    """`tasks` has for each task the rows of all ways; `about` is what was asked for, plain data.

    `keys` are figures of the whole.
    """

    name: str
    about: Mapping[str, object]
    tasks: Mapping[str, Sequence[Row]]
    notes: Sequence[str] = ()
    keys: Mapping[str, object] = field(default_factory=dict[str, object])
    commit: str | None = field(default_factory=partial(machine.commit, CHECKOUT))
    machine: Mapping[str, object] = field(default_factory=machine.describe)

    def write_json(self, path: Path) -> None:
        """Raises EvalError where the disk refuses."""
        document = {
            **self.keys,
            "name": self.name,
            "commit": self.commit,
            "machine": self.machine,
            "about": self.about,
            "tasks": {task: {"ways": list(rows)} for task, rows in self.tasks.items()},
            "notes": list(self.notes),
            **self.keys,
        }
        _write(path, json.dumps(document, indent=2) + "\n")

    def write_markdown(self, path: Path, columns: Columns) -> None:
        """A table for each task, and the notes; raises EvalError where the disk refuses."""
        _write(path, self.markdown(columns))

    def markdown(self, columns: Columns) -> str:
        """A table for each task, and the notes."""
        parts = [f"# {self.name}, commit {self.commit or 'unknown'}"]
        parts.append("\n".join(f"- {key}: {_shown(value)}" for key, value in self.about.items()))
        if self.keys:
            parts.append("\n".join(f"- {key}: {_shown(value)}" for key, value in self.keys.items()))
        for task, rows in self.tasks.items():
            parts += [f"## {task}", table(rows, columns)]
        return "\n\n".join([*parts, *self.notes]) + "\n"


def plain_row(way: Way, found: Found, first: Found, boot: Bootstrap) -> Row:
    """A way, held against the first one."""
    return {**_named(way), **figures(found, boot), "against_first": against(found, first, boot)}


def switch_rows(ways: Sequence[Way], found: Mapping[str, Found], boot: Bootstrap) -> list[Row]:
    """Return all ways of a pair, held against the large model alone, lookup, and chance.

    Chance is asked for the same share as the gate.
    """
    return [_switch_row(way, found, boot) for way in ways if found[way.name]]


def _switch_row(way: Way, found: Mapping[str, Found], boot: Bootstrap) -> Row:
    ours = found[way.name]

    def held(name: str) -> Row | None:
        return against(ours, found[name], boot) if found.get(name) else None

    behind = way.name.partition("@")[2]
    rival = f"{CONTROL}@{behind}" if behind and way.gate != CONTROL else None
    return {
        **_named(way),
        **figures(ours, boot),
        "against_large": held(LARGE),
        "against_lookup": held(LOOKUP),
        "against_random": None if rival is None else held(rival),
    }


def with_oracle(found: Mapping[str, Found]) -> dict[str, Found]:
    """Return the answers with those of the small model where it is right, else of lookup."""
    small, lookup = answered(found.get(SMALL, {})), answered(found.get(LOOKUP, {}))
    best = {i: small[i] if small[i].correct else lookup[i] for i in small if i in lookup}
    return {**found, ORACLE: best}


def switch_keys(tasks: Sequence[Mapping[str, Found]], gate: str) -> dict[str, float | None]:
    """Return the speeds over that of lookup, and the share of the large model's right answers.

    All tasks together: of drafts by the small model, and of the gate's share that is fastest of
    those that keep KEPT of the right answers, else of the one that keeps most.
    """
    pooled: dict[str, Pairs] = {}
    for found in tasks:
        for name, ours in found.items():
            pairs = paired(ours, found.get(LOOKUP, {}))
            pooled[name] = [*pooled.get(name, ()), *pairs]
    speed = {name: _token_speed(pairs) for name, pairs in pooled.items() if pairs}
    kept = {name: _kept(pooled[name]) for name in speed if name.startswith(f"{gate}@")}
    good = {name: share for name, share in kept.items() if share >= KEPT}
    best = max(good or kept, key=lambda name: (speed if good else kept)[name], default=None)
    return {
        "switch_speed_lossless": speed.get(SPECULATIVE),
        "switch_speed_capped": None if best is None else speed[best],
        "switch_quality": None if best is None else kept[best],
    }


def _token_speed(pairs: Pairs) -> float:
    ours = sum(a.tokens for a, _ in pairs) / sum(a.seconds for a, _ in pairs)
    return ours / (sum(b.tokens for _, b in pairs) / sum(b.seconds for _, b in pairs))


def _kept(pairs: Pairs) -> float:
    return sum(a.correct for a, _ in pairs) / max(1, sum(b.correct for _, b in pairs))


def _named(way: Way) -> Row:
    return {
        "name": way.name,
        "model": way.model,
        "edge": dict(way.edge),
        "gate": way.gate,
        "share": way.share,
    }


def _shown(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_shown(inner)}" for key, inner in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(_shown(inner) for inner in value)
    return "-" if value is None else str(value)


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise EvalError(f"{path}: {error.strerror or error}") from error
