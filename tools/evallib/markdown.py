"""Tables in Markdown; an unknown figure is a dash."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]
Columns = Sequence[tuple[str, Callable[[Row], str]]]


def table(rows: Sequence[Row], columns: Columns) -> str:
    """A line for each row; the first column to the left, figures to the right."""
    head = [title for title, _ in columns]
    rule = ["---", *["--:"] * (len(columns) - 1)]
    lines = [head, rule, *([show(row) for _, show in columns] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def text(name: str) -> Callable[[Row], str]:
    """Write what is under a name, as it is."""
    return lambda row: str(row[name]) if row.get(name) is not None else "-"


def percent(*path: str) -> Callable[[Row], str]:
    """A share, or an interval of one, in percent."""
    return lambda row: _interval(_at(row, path), lambda value: f"{100 * value:.1f}")


def figure(*path: str, digits: int = 3) -> Callable[[Row], str]:
    """A figure, or an interval of one, with so many significant digits."""
    return lambda row: _interval(_at(row, path), lambda value: f"{value:.{digits}g}")


def short(*path: str, digits: int = 3) -> Callable[[Row], str]:
    """Write the same without the ends of an interval."""

    def show(row: Row) -> str:
        found = _at(row, path)
        value = found["value"] if isinstance(found, Mapping) else found
        return "-" if value is None else f"{value:.{digits}g}"

    return show


def equal(*path: str) -> Callable[[Row], str]:
    """Write how many answers were the same, of how many that were compared."""

    def show(row: Row) -> str:
        held = _at(row, path)
        return f"{held['equal']} of {held['n']}" if held else "-"

    return show


def _at(row: Row, path: Sequence[str]) -> Any:
    found: Any = row
    for name in path:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def _interval(found: Any, show: Callable[[float], str]) -> str:
    if not isinstance(found, Mapping):
        return "-" if found is None else show(found)
    if found["low"] is None:
        return show(found["value"])
    return f"{show(found['value'])} ({show(found['low'])} to {show(found['high'])})"
