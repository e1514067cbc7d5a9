"""A report of the board as tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from edge_rt.cli.tables import Column, PairTable, TextTable
from edge_rt.cli.text import (
    MISSING,
    Json,
    duration,
    joules,
    line,
    lines,
    member,
    members,
    number,
    significant,
)
from edge_rt.cli.views.gauges import COLUMNS, Row, gauges, groups

_WIDE = 120  # columns from which on the files are told as well


def report_tables(report: Json, width: int) -> RenderableType:
    """All of `report` for a terminal of `width` columns: the board, then a table a group."""
    found, root, reasons = groups(report), line(report.get("root")), list(_reasons(report))
    parts: list[RenderableType] = [PairTable(head(report))]
    apart = member(report, "not_counted")
    parts += [_table(group, rows, width, root, apart) for group, rows in found.items()]
    parts += [PairTable(rows, title) for title, rows in reasons if rows]
    spaced = [piece for part in parts for piece in (part, Text(""))]
    return Group(*spaced[:-1])


def head(report: Json) -> list[tuple[str, str]]:
    """What there is to say of the board as a whole, by name."""
    root = line(report.get("root"))
    simulated = ", simulated" if report.get("simulated") else ""
    read_at = [("read below", f"{root}{simulated}")] if simulated or root != "/" else []
    throttled = lines(report, "throttled")
    if report.get("looking"):
        return [("board", "still looking at the board: try again in a second"), *read_at]
    return [
        ("board", _board(member(report, "board"))),
        *read_at,
        *_supply(report),
        ("hottest", hottest(report)),
        *_slows(report),
        ("throttled", MISSING if throttled is None else ", ".join(throttled) or "no"),
    ]


def hottest(report: Json) -> str:
    """The highest temperature and the zone that has it."""
    temp_c, zone = number(report.get("temp_c")), member(report, "hottest").get("name")
    if temp_c is None:
        return MISSING
    return f"{temp_c:.1f} °C{'' if zone is None else f' {line(zone)}'}"


def _slows(report: Json) -> Iterator[tuple[str, str]]:
    """Where the board slows down, and the zone that is nearest to that."""
    near = member(report, "nearest")
    trip_c, temp_c = number(near.get("trip_c")), number(near.get("temp_c"))
    if trip_c is not None and temp_c is not None:
        yield "slows at", f"{trip_c:.1f} °C in {line(near.get('name'))}, now {temp_c:.1f} °C"


def _board(board: Json) -> str:
    if not board:
        return "not recognised"
    name, id = line(board.get("name")), line(board.get("id"))
    return f"{name} ({id}), {line(board.get('confidence'))}: {line(board.get('by'))}"


def _supply(report: Json) -> Iterator[tuple[str, str]]:
    supply = member(report, "supply")
    if not supply:
        powers = (g for g in gauges(report) if g.kind == "power_w")
        rails = _names(gauge.name for gauge in powers if gauge.value is not None)
        part = f": no total of a board profile names {rails}; see `edge-rt doctor`" if rails else ""
        yield "supply", f"{MISSING} (no power of the whole can be read{part})"
        return
    power, idle = significant(supply.get("power_w")), significant(supply.get("idle_w"))
    watts = power if power == MISSING else f"{power} W"
    resting = "" if idle == MISSING else f"; {idle} W when idle"
    covers = line(supply.get("covers"))
    yield "supply", f"{watts}, {line(supply.get('quality'))}, of the {covers}{resting}"
    yield "formed by", " + ".join(lines(supply, "rails") or []) or MISSING
    yield "energy", _energy(supply)


def _energy(supply: Json) -> str:
    covered_s, missing_s = number(supply.get("covered_s")), number(supply.get("missing_s"))
    lost = f"; {duration(missing_s)} more are missing" if missing_s else ""
    if not covered_s:
        return MISSING + lost
    return f"{joules(supply.get('energy_j'))} in {duration(covered_s)} since it was found{lost}"


def _table(group: str, rows: Sequence[Row], width: int, root: str, apart: Json) -> TextTable:
    """A row for each name, with its file below `root` on a wide terminal, else its reader.

    Zones in `apart` have the reason for which they do not count.
    """
    columns = [c for c in COLUMNS[group] if any(c.key in r.cells for r in rows)]
    if group == "rails" and any(row.energy for row in rows):
        columns = [c for c in columns if c.key != "energy_j"] + [COLUMNS[group][-1]]
    cells: list[list[str]] = []
    for row in rows:
        values = [(column, row.value(column.key)) for column in columns]
        shown = [MISSING if value is None else column.text(value) for column, value in values]
        source = _below(root, row.source) if width >= _WIDE else row.reader
        why = apart.get(row.name) if group == "zones" else None
        notes = (source, row.notes, "" if why is None else f"not counted: {line(why)}")
        cells.append([row.name, *shown, ", ".join(note for note in notes if note)])
    figures = [Column(column.unit, kept=column is columns[0]) for column in columns]
    return TextTable([Column(group, text=True, kept=True), *figures, Column("", text=True)], cells)


def _reasons(report: Json) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """What has no current value and what is not read, each with its reason.

    Files are told below the root, which the head names.
    """
    root = line(report.get("root"))
    missing: dict[tuple[str, str], list[str]] = {}
    told: dict[tuple[str, str], str] = {}
    for gauge in gauges(report):
        if gauge.value is None:
            reason = gauge.error or "no reason is known"
            # One reason for all the files of a reader is told once.
            key = (gauge.reader, reason.replace(gauge.source, "") if gauge.source else reason)
            missing.setdefault(key, []).append(gauge.name)
            told.setdefault(key, reason)
    rows = [(_names(names), _below(root, told[key])) for key, names in missing.items()]
    yield "no value now", rows
    skipped = [(line(s.get("name")), line(s.get("reason"))) for s in members(report, "not_read")]
    doubts = member(report, "doubts")
    yield "in doubt", [(line(rail), _below(root, line(doubts[rail]))) for rail in doubts]
    yield "not read", [(_below(root, name), _below(root, reason)) for name, reason in skipped]


def _below(root: str, text: str) -> str:
    return text.replace(f"{root.rstrip('/')}/", "/") if root.startswith("/") else text


def _names(names: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(names))
