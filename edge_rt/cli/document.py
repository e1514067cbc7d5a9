"""A document of the daemon as text: every name and figure of the API's struct, at any width."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, cast

from rich.console import Group, RenderableType
from rich.text import Text

from edge_rt.cli.tables import PairTable, TextTable
from edge_rt.cli.text import (
    MISSING,
    Json,
    duration,
    joules,
    line,
    member,
    number,
    percent,
    significant,
    size,
    whole,
)

_WORDS = ("_error", "_share")  # that say what a figure is, beside how it is written


def _unit(unit: str, write: Callable[[float], str] = significant) -> Callable[[object], str]:
    def text(value: object) -> str:
        figure = number(value)
        return MISSING if figure is None else f"{write(figure)} {unit}"

    return text


def _moment(value: object) -> str:
    figure = number(value)
    try:
        when = None if figure is None else datetime.fromtimestamp(figure)
    except (OSError, OverflowError, ValueError):  # no year has that number
        return MISSING
    return MISSING if when is None else f"{when:%Y-%m-%d %H:%M:%S}"


def _many(value: object) -> str:
    count = number(value)
    if count is None or count < 1e5:
        return whole(value)
    return f"{count / 1e9:.3g} B" if count >= 1e9 else f"{count / 1e6:.3g} M"


_UNITS: Mapping[str, Callable[[object], str]] = {  # by the end of a name; the longest counts
    "_w": _unit("W"),
    "_v": _unit("V"),
    "_a": _unit("A"),
    "_j": joules,
    "_c": _unit("°C", "{:.1f}".format),
    "_s": duration,
    "_per_s": _unit("/s"),
    "_hz": _unit("MHz", lambda hz: f"{hz / 1e6:.0f}"),
    "_bytes": size,
    "_ratio": percent,
    "_error": percent,
    "_share": percent,
}
_NAMES: Mapping[str, Callable[[object], str]] = {
    "seconds": duration,
    "bytes": size,
    "duty": percent,
    "fraction": percent,
    "rpm": _unit("rpm"),
    "count": whole,
    "parameters": _many,
    "flag": lambda value: "yes" if value else "no",
    **dict.fromkeys(("time", "ended", "oldest", "newest", "created"), _moment),
}


def figure(name: str, value: object) -> str:
    """Return `value` with the unit that its field's `name` ends in; a dash for None."""
    if value is None:
        return MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(figure(name, one) for one in cast("list[object]", value)) or "none"
    if not isinstance(value, (int, float)):
        return line(value)
    if write := _NAMES.get(name) or _UNITS.get(_suffix(name)):
        return write(value)
    return whole(value) if isinstance(value, int) else significant(value)


def pick(document: Json, names: Iterable[str]) -> Json:
    """Return the fields of those names that there are, "a.b" for one of an object."""
    made: Json = {}
    for name in names:
        *objects, last = name.split(".")
        source, place = document, made
        for one in objects:
            source, place = member(source, one), place.setdefault(one, {})
        if last in source:
            place[last] = source[last]
    return made


def caps(state: Json) -> list[str]:
    """Return each cap of a GovernorState's budget; none where nothing is capped."""
    budget = member(state, "budget")
    period = {"energy_j": f" each {line(budget.get('energy_period'))}"}
    return [
        figure(name, budget[name]) + period.get(name, "")
        for name in ("power_w", "temp_c", "energy_j")
        if budget.get(name) is not None
    ]


def title(name: str) -> str:
    """Return what stands beside or above the figures of a field: its name without the unit."""
    last = name.rpartition(".")[2]
    unit = "" if last.endswith(_WORDS) else _suffix(last)
    return last.removesuffix(unit).replace("_", " ") or last


def _suffix(name: str) -> str:
    return max((end for end in _UNITS if name.endswith(end)), key=len, default="")


def pairs(document: Json, above: str = "", unit: str = "") -> Iterator[tuple[str, str]]:
    """Yield each field that is no table, with the names of the objects that it is in.

    `unit` is the name of an object that says the unit of all that is in it, as `held_back_s`.
    """
    for name, value in document.items():
        if isinstance(value, dict):
            yield from pairs(
                cast(Json, value), f"{above}{title(name)} ", name * bool(_suffix(name))
            )
        elif not _is_table(value):
            shown = name if unit else title(name)
            yield f"{above}{shown}", figure(unit or name, value)


def table(
    rows: Iterable[Json], names: Sequence[str] | None = None, marked: str | None = None
) -> TextTable:
    """Return a row for each object, with a star where its field `marked` is true.

    `names` are the fields in their order, "a.b" for one of an object; None: all of the first row.
    A field that is null everywhere has no column.
    """
    flat = [dict(_flattened(row)) for row in rows]
    names = list(flat[0] if flat and names is None else names or ())
    names = [name for name in names if any(row.get(name) is not None for row in flat)]
    text = [title(name) for name in names if any(isinstance(row.get(name), str) for row in flat)]
    cells = [
        [figure(name.rpartition(".")[2], row[name]) if name in row else "" for name in names]
        for row in flat
    ]
    marks = [bool(row.get(marked)) for row in flat] if marked else ()
    return TextTable([*map(title, names)], cells, marks, text=text)


def view(document: Json, **columns: Sequence[str]) -> RenderableType:
    """Return all of a document: its fields, then each list of objects as a table.

    `columns` are the fields of a table by the name of its list; all of them where it is not named,
    and no table where none is.
    """
    parts: list[RenderableType] = [PairTable(pairs(document))]
    for name, rows in _tables(document):
        if columns.get(name) != ():
            parts += [Text(""), Text(title(name), "bold"), table(rows, columns.get(name))]
    return Group(*parts)


def _tables(document: Json) -> Iterator[tuple[str, list[Json]]]:
    for name, value in document.items():
        if isinstance(value, dict):
            yield from ((f"{name} {inner}", rows) for inner, rows in _tables(cast(Json, value)))
        elif _is_table(value):
            yield name, value


def _is_table(value: Any) -> bool:
    return isinstance(value, list) and any(
        isinstance(one, dict) for one in cast("list[Any]", value)
    )


def _flattened(row: Json, above: str = "") -> Iterator[tuple[str, object]]:
    for name, value in row.items():
        if isinstance(value, dict):
            yield from _flattened(cast(Json, value), f"{above}{name}.")
        else:
            yield f"{above}{name}", value
