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

from evallib import EvalError
from evallib.figures import Found, against, figures, gap_recovered
from evallib.intervals import Bootstrap
from evallib.markdown import Columns, table
from evallib.way import CONTROL, LARGE, SMALL, Way

Row = dict[str, Any]
_EAD = "ead"


@dataclass(frozen=True)
class Document:
    """`tasks` has for each task the rows of all ways; `about` is what was asked for, plain data."""

    name: str
    about: Mapping[str, object]
    tasks: Mapping[str, Sequence[Row]]
    notes: Sequence[str] = ()
    keys: Mapping[str, object] = field(default_factory=dict[str, object])  # what is to be reached
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
        }
        _write(path, json.dumps(document, indent=2) + "\n")

    def write_markdown(self, path: Path, columns: Columns) -> None:
        """A table for each task, and the notes; raises EvalError where the disk refuses."""
        _write(path, self.markdown(columns))

    def markdown(self, columns: Columns) -> str:
        """A table for each task, and the notes."""
        parts = [f"# {self.name}, commit {self.commit or 'unknown'}"]
        parts.append("\n".join(f"- {key}: {_shown(value)}" for key, value in self.about.items()))
        for task, rows in self.tasks.items():
            parts += [f"## {task}", table(rows, columns)]
        if self.keys:
            parts.append("\n".join(f"- `{key}`: {_shown(told)}" for key, told in self.keys.items()))
        return "\n\n".join([*parts, *self.notes]) + "\n"


def plain_row(way: Way, found: Found, first: Found, boot: Bootstrap) -> Row:
    """A way, held against the first one."""
    return {**_named(way), **figures(found, boot), "against_first": against(found, first, boot)}


def switch_rows(ways: Sequence[Way], found: Mapping[str, Found], boot: Bootstrap) -> list[Row]:
    """Return all ways of a pair, held against the large model alone and against their rivals.

    The rivals of a gate are chance and the rule of EAD, asked for the same share.
    """
    return [_switch_row(way, found, boot) for way in ways if found[way.name]]


def _switch_row(way: Way, found: Mapping[str, Found], boot: Bootstrap) -> Row:
    ours = found[way.name]

    def held(name: str) -> Row | None:
        return against(ours, found[name], boot) if found.get(name) else None

    small, large = found.get(SMALL), found.get(LARGE)
    behind = way.name.partition("@")[2]
    rivals = {name: f"{name}@{behind}" for name in (CONTROL, _EAD) if behind and name != way.gate}
    return {
        **_named(way),
        **figures(ours, boot),
        "gap_recovered": gap_recovered(ours, small, large, boot) if small and large else None,
        "against_large": held(LARGE),
        "against_random": held(rivals[CONTROL]) if CONTROL in rivals else None,
        "against_ead": held(rivals[_EAD]) if _EAD in rivals else None,
    }


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
