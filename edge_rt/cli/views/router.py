"""What the router has learnt as a table."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType

from edge_rt.cli.words.document import Json
from edge_rt.cli.words.figures import MISSING, counted, fixed, joules, line, member, members, number
from edge_rt.cli.words.modes import in_mode
from edge_rt.cli.words.tables import Column, Prose, Table

_COLUMNS = (
    Column("model", text=True, kept=True),
    Column("prompts", text=True, kept=True),
    Column("good", kept=True),
    Column("bad", kept=True),
    *map(Column, ("answers", "joules", "seconds")),
)


def router_table(report: Json) -> RenderableType:
    """All of it, what was heard of last first."""
    parts: list[RenderableType] = []
    if report.get("stored") is False:
        parts.append(Prose("The file cannot be written; this is lost when the daemon ends.\n"))
    arms = members(report, "arms")
    parts.append(Table(_COLUMNS, map(_cells, arms)) if arms else Prose("Nothing was learnt yet."))
    parts.append(Prose("\n" + _tried(member(report, "trials"))))
    return Group(*parts)


def _cells(arm: Json) -> Iterator[str]:
    yield in_mode(arm.get("model"), arm.get("mode"), None)
    yield " ".join(line(arm.get(name)) for name in ("length", "level", "kind"))
    yield from (fixed(arm.get(name), 1) for name in ("good", "bad", "answers"))
    yield from (_times(arm.get(name)) for name in ("joules_ratio", "seconds_ratio"))


def _times(value: object) -> str:
    ratio = number(value)
    return MISSING if ratio is None else f"{ratio:.2f} times"


def _tried(trials: Json) -> str:
    what = counted(trials.get("trials"), "trial")
    return (
        f"{what} in {counted(trials.get('requests'), 'choice')} since the daemon's start, for "
        f"{joules(trials.get('extra_j'))} beyond {joules(trials.get('best_j'))}"
    )
