"""Tables for any width: no number and no id in them is ever cut."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

import click
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType
from rich.text import Text

from edge_rt.cli.text import Json, clean, simulated

_UNBOUNDED = 1 << 14  # columns
_GAP = "  "
_INDENT = "    "
_LEAST_TEXT = 16  # columns that text beside other columns gets at least
WORD = re.compile(r"(?:[^\w\s]*\d[\d.,]*\s)?\S+")  # a number stays with its unit


class _Console(Console):
    """Has the command end as all others do where nobody reads the output any more."""

    def on_broken_pipe(self) -> None:
        """Raise BrokenPipeError: the command then ends as by SIGPIPE."""
        raise BrokenPipeError


def terminal() -> Console:
    """Return the console on standard output; a character that its encoding lacks becomes a "?"."""
    if reconfigure := getattr(sys.stdout, "reconfigure", None):
        reconfigure(errors="replace")
    return _Console(highlight=False)


def output() -> Console:
    """Return the same for tables, as wide as they want to be where it is no terminal."""
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


class TextTable:
    """Rows below a header; where they are too wide, a paragraph for each row.

    A column without any content is left out.
    """

    def __init__(
        self,
        names: Sequence[str],
        rows: Iterable[Iterable[str]],
        marks: Sequence[bool] = (),
        *,
        text: Collection[str] = (),
    ) -> None:
        """Make a table. `marks` has for each row whether a star precedes it; empty: no stars.

        The columns named in `text` are flush left.
        """
        cells = [[_flat(cell) for cell in row] for row in rows]
        used = [n for n in range(len(names)) if any(row[n] for row in cells)]
        self._names, self._text = [names[n] for n in used], text
        self._rows = [[row[n] for n in used] for row in cells]
        self._marks = ["* " if mark else "  " for mark in marks] or [""] * len(self._rows)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        """Show the table in the console's width."""
        columns = zip(self._names, *self._rows, strict=True)
        widths = [max(map(cell_len, column)) for column in columns]
        head = " " * max(map(len, self._marks), default=0)
        room = options.max_width - len(head) - len(_GAP) * (len(widths) - 1)
        if sum(widths) > room:
            return self._paragraphs(options.max_width)
        return self._aligned(head, widths)

    def _aligned(self, head: str, widths: Sequence[int]) -> Iterator[Text]:
        rows = zip([head, *self._marks], [self._names, *self._rows], strict=True)
        for place, (mark, row) in enumerate(rows):
            cells = [
                _padded(cell, width, right=name not in self._text)
                for name, cell, width in zip(self._names, row, widths, strict=True)
            ]
            yield Text((mark + _GAP.join(cells)).rstrip(), "" if place else "bold")

    def _paragraphs(self, width: int) -> Iterator[Text]:
        """Yield each row: its first cell, then all others with their names."""
        for mark, (first, *others) in zip(self._marks, self._rows, strict=True):
            yield Text(mark + first, "bold")
            pairs = zip(self._names[1:], others, strict=True)
            items = [f"{name}: {cell}" if name else cell for name, cell in pairs if cell]
            for line in _filled(items, width - len(_INDENT), _GAP):
                yield Text(_INDENT + line)


class PairTable:
    """Names and what there is to say of each, in two columns where there is room for them."""

    def __init__(self, rows: Iterable[tuple[str, str]]) -> None:
        self._rows = [(_flat(name), _flat(text)) for name, text in rows]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        """Show them in the console's width."""
        width = options.max_width
        indent = max((cell_len(name) for name, _ in self._rows), default=0) + len(_GAP)
        words = [word for _, text in self._rows for word in WORD.findall(text)]
        beside = width - indent >= max([_LEAST_TEXT, *map(cell_len, words)])
        for name, text in self._rows:
            lines = wrapped(
                text if beside else f"{name}: {text}", width - (indent if beside else 2)
            )
            for place, line in enumerate(lines):
                before = "" if place else name
                shown = _padded(before, indent) if beside else "  " * bool(place)
                yield Text.assemble((shown, "bold"), line)


def _flat(text: str) -> str:
    return " ".join(clean(text).split())


def _padded(text: str, width: int, *, right: bool = False) -> str:
    blanks = " " * (width - cell_len(text))
    return blanks + text if right else text + blanks


def wrapped(text: str, width: int) -> list[str]:
    """Return lines of whole words; a word that is longer than `width` has one of its own."""
    return _filled(WORD.findall(text), width, " ") or [""]


def _filled(parts: Iterable[str], width: int, gap: str) -> list[str]:
    """Return lines of as many parts as fit; parts that do not fit into a line are wrapped."""
    lines: list[str] = []
    for part in parts:
        if lines and cell_len(lines[-1] + gap + part) <= width:
            lines[-1] += gap + part
        elif cell_len(part) > width and gap != " ":
            lines += wrapped(part, width)
        else:
            lines.append(part)
    return lines
