"""Tables for any width: no number and no id in them is ever cut."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

import click
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType
from rich.text import Text

from edge_rt.cli.text import Json, clean, simulated

_UNBOUNDED = 1 << 14  # columns


class _Console(Console):
    """Has the command end as all others do where nobody reads the output any more."""

    def on_broken_pipe(self) -> None:
        """Raise BrokenPipeError: the command then ends as by SIGPIPE."""
        raise BrokenPipeError


def terminal() -> Console:
    """The console on standard output; a character that its encoding lacks becomes a "?"."""
    if reconfigure := getattr(sys.stdout, "reconfigure", None):
        reconfigure(errors="replace")
    return _Console(highlight=False)


def output() -> Console:
    """The same for tables, as wide as they want to be where it is no terminal."""
    console = terminal()
    if not console.is_terminal:
        console.width = _UNBOUNDED  # a program reads it: every row on a line of its own
    return console


def put(console: Console, content: RenderableType) -> None:
    """Show `content`; a word that is longer than the terminal is wide goes on in its next line."""
    console.print(content, crop=False, overflow="ignore")


def put_document(document: Json, table: Callable[[Json], RenderableType], *, as_json: bool) -> None:
    """Show what the daemon said as `table` draws it, or as one JSON object."""
    if as_json:
        click.echo(json.dumps(document))
    else:
        put_simulated(document)
        put(output(), table(document))


def put_simulated(document: Json) -> None:
    """Say so where the figures that follow are a simulated board's."""
    if (words := simulated(document)) is not None:
        put(output(), Text(f"{words}\n"))


_GAP = "  "
_INDENT = "    "
_LEAST_TEXT = 16  # columns that text beside other columns gets at least
WORD = re.compile(r"(?:[^\w\s]*\d[\d.,]*\s)?\S+")  # a number stays with its unit


@dataclass(frozen=True)
class Column:
    """One column of a table; the cells of a figure are on the right, those of a text wrap.

    Where a row is too wide, columns that are not `kept` move below it, the last one first.
    """

    name: str
    text: bool = False
    kept: bool = False


class TextTable:
    """Rows below a header; records with a line for each value where not even kept columns fit.

    A column without any content is left out.
    """

    def __init__(
        self,
        columns: Sequence[Column],
        rows: Iterable[Iterable[str]],
        marks: Sequence[bool] = (),
    ) -> None:
        """`marks` has for each row whether a star precedes it; empty: the table has no stars."""
        cells = [[_flat(cell) for cell in row] for row in rows]
        used = [n for n in range(len(columns)) if any(row[n] for row in cells)]
        self._columns = [columns[n] for n in used]
        self._rows = [[row[n] for n in used] for row in cells]
        self._marks = ["* " if mark else "  " for mark in marks] or [""] * len(self._rows)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        """Show the table in the console's width."""
        return self._lines(options.max_width)

    def _lines(self, width: int) -> Iterator[Text]:
        beside = list(range(len(self._columns)))
        head = " " * max(map(len, self._marks), default=0)
        while (widths := self._widths(beside, width - len(head))) is None:
            movable = [n for n in beside if not self._columns[n].kept]
            if not movable:
                return self._records(width)
            beside.remove(movable[-1])
        return self._with_header(head, dict(zip(beside, widths, strict=True)), width)

    def _widths(self, places: Sequence[int], room: int) -> list[int] | None:
        """The columns' widths in `room`; None where they need more."""
        wanted = [self._wanted(n) for n in places]
        widths = [
            self._least(n) if self._columns[n].text else most
            for n, most in zip(places, wanted, strict=True)
        ]
        spare = room - sum(widths) - len(_GAP) * (len(places) - 1)
        for n, most in enumerate(wanted):
            more = min(most - widths[n], max(0, spare))
            widths[n] += more
            spare -= more
        return widths if spare >= 0 else None

    def _wanted(self, n: int) -> int:
        """The columns that nothing wraps in."""
        return max(map(cell_len, (self._columns[n].name, *(row[n] for row in self._rows))))

    def _least(self, n: int) -> int:
        words = [word for row in self._rows for word in WORD.findall(row[n])]
        longest = max(map(cell_len, (self._columns[n].name, *words)))
        return max(longest, min(_LEAST_TEXT, self._wanted(n)))

    def _with_header(self, head: str, widths: dict[int, int], width: int) -> Iterator[Text]:
        names = [column.name for column in self._columns]
        if any(names[n] for n in widths):
            yield from (Text(line, "bold") for line in self._row(head, names, widths))
        for mark, row in zip(self._marks, self._rows, strict=True):
            yield from map(Text, self._row(mark, row, widths))
            moved = [item for n, item in self._items(row) if n not in widths]
            for line in _filled(moved, width - len(_INDENT), _GAP):
                yield Text(_INDENT + line, "dim")

    def _row(self, mark: str, row: Sequence[str], widths: dict[int, int]) -> Iterator[str]:
        """One row's lines, as many as its longest cell has."""
        cells = [wrapped(row[n], width) for n, width in widths.items()]
        for lines in zip_longest(*cells, fillvalue=""):
            parts = [
                _padded(line, width, right=not self._columns[n].text)
                for line, (n, width) in zip(lines, widths.items(), strict=True)
            ]
            yield (mark + _GAP.join(parts)).rstrip()
            mark = " " * len(mark)

    def _records(self, width: int) -> Iterator[Text]:
        for mark, row in zip(self._marks, self._rows, strict=True):
            yield from _below(mark, (item for _, item in self._items(row)), width)

    def _items(self, row: Sequence[str]) -> Iterator[tuple[int, str]]:
        """Each value with its column's name in front."""
        for n, (column, cell) in enumerate(zip(self._columns, row, strict=True)):
            if cell:
                yield n, f"{column.name}: {cell}" if column.name else cell


class Prose:
    """Sentences, wrapped between words."""

    def __init__(self, text: str) -> None:
        self._lines = text.split("\n")

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        """Show them in the console's width."""
        for line in self._lines:
            yield from map(Text, wrapped(_flat(line), options.max_width))


class PairTable:
    """Names and what there is to say of each, in two columns where there is room for them."""

    def __init__(self, rows: Iterable[tuple[str, str]], title: str = "") -> None:
        """`title` is a header above the names."""
        self._rows = [(_flat(name), _flat(text)) for name, text in rows]
        self._title = title

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        """Show them in the console's width."""
        width = options.max_width
        indent = max((cell_len(name) for name, _ in self._rows), default=0) + len(_GAP)
        words = [word for _, text in self._rows for word in WORD.findall(text)]
        columns = width - indent >= max([_LEAST_TEXT, *map(cell_len, words)])
        if self._title:
            yield Text(self._title, "bold")
        for name, text in self._rows:
            if columns:
                yield from _beside(name, text, indent, width)
            else:
                yield from _below("", [f"{name}: {text}" if name else text], width)


def _beside(name: str, text: str, indent: int, width: int) -> Iterator[Text]:
    first, *rest = wrapped(text, width - indent)
    yield Text.assemble((_padded(name, indent) if first else name, "bold"), first)
    yield from (Text(" " * indent + line) for line in rest)


def _below(mark: str, items: Iterable[str], width: int) -> Iterator[Text]:
    """A line, or more, for each item; the first one after the mark, all others indented."""
    indent = " " * len(mark) + "  "
    lines = [line for item in items for line in wrapped(item, width - len(indent))]
    yield from map(Text, (mark + "".join(lines[:1]), *(indent + line for line in lines[1:])))


def _flat(text: str) -> str:
    return " ".join(clean(text).split())


def _padded(text: str, width: int, *, right: bool = False) -> str:
    blanks = " " * (width - cell_len(text))
    return blanks + text if right else text + blanks


def wrapped(text: str, width: int) -> list[str]:
    """Lines of whole words; a word that is longer than `width` has one of its own."""
    return _filled(WORD.findall(text), width, " ") or [""]


def _filled(parts: Iterable[str], width: int, gap: str) -> list[str]:
    """Lines of as many parts as fit; parts that do not fit into a line are wrapped."""
    lines: list[str] = []
    for part in parts:
        if lines and cell_len(lines[-1] + gap + part) <= width:
            lines[-1] += gap + part
        elif cell_len(part) > width and gap != " ":
            lines += wrapped(part, width)
        else:
            lines.append(part)
    return lines
