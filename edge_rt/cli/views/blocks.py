"""Lines of a full-screen view that fit whatever room there is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from edge_rt.cli.tables import WORD

LABEL = 10  # columns of the label before each block
_GAP = 2
_BAR = 8  # least columns of a bar
_MORE = len("+99 more")
_REST = " …"
_EIGHTHS = " ▏▎▍▌▋▊▉█"
_SPARKS = " ▁▂▃▄▅▆▇█"


@dataclass(frozen=True)
class ViewCell:
    """A name and its figure, and if `share` is given a bar, of 0 to 1, behind it."""

    name: str
    figure: str = ""
    share: float | None = None
    style: str = ""


@dataclass(frozen=True)
class ViewBlock:
    """Cells that stand side by side where they fit; `rows` of them have a line each.

    The block may be cut to `least` lines before others are cut further; if `apart`, a blank line
    comes before it where there is room.
    """

    label: str
    cells: Sequence[ViewCell]
    least: int = 1
    rows: bool = False
    apart: bool = False

    def height(self, width: int) -> int:
        """The lines that all of it takes."""
        return -(-len(self.cells) // self._columns(width))

    def lines(self, width: int, height: int) -> list[Text]:
        """At most `height` lines; the last place says how many more cells there are."""
        columns = self._columns(width)
        room, cells = columns * height, list(self.cells)
        if len(cells) > room:
            cells = [*cells[: room - 1], ViewCell(f"+{len(cells) - room + 1} more", style="dim")]
        rows = [cells[start : start + columns] for start in range(0, len(cells), columns)]
        return [self._line(row, number == 0, width) for number, row in enumerate(rows)]

    def _columns(self, width: int) -> int:
        if self.rows:
            return 1
        return max(1, (width - LABEL + _GAP) // (sum(self._sizes(width)) + _GAP))

    def _sizes(self, width: int) -> tuple[int, int, int]:
        """Columns of names, of figures and of bars, each with the blank before it.

        Names are cut where one and its figure are wider than the screen.
        """
        names = max([cell_len(cell.name) for cell in self.cells] + [_MORE])
        figures = max((cell_len(cell.figure) + 1 for cell in self.cells), default=0)
        bars = (_BAR + 1) * any(cell.share is not None for cell in self.cells)
        return min(names, max(_MORE, width - LABEL - figures - bars)), figures, bars

    def _line(self, cells: Sequence[ViewCell], first: bool, width: int) -> Text:
        text = Text(set_cell_size(self.label if first else "", LABEL), style="")
        text.stylize("bold")
        names, figures, bars = self._sizes(width)
        for place, cell in enumerate(cells):
            text.append(" " * _GAP if place else "")
            if self.rows:
                text.append(cell.name, cell.style)
                continue
            text.append(f"{shortened(cell.name, names)} ", cell.style)
            text.append(" " * (figures - 1 - cell_len(cell.figure)) + cell.figure, cell.style)
            text.append(f" {bar(cell.share, bars - 1)}" if bars else "", "cyan")
        return fit(text, width)


def arrange(blocks: Sequence[ViewBlock], width: int, height: int) -> list[Text]:
    """The blocks, one below the other, in at most `height` lines of at most `width` columns.

    Where there is no room for all, blocks lose lines from the last one up, each as far as its
    `least`; then all down to one.
    """
    blocks = [block for block in blocks if block.cells]
    heights = _heights(blocks, width, height)
    spare = height - sum(heights)
    lines: list[Text] = []
    for block, room in zip(blocks, heights, strict=True):
        if block.apart and spare > 0:
            lines.append(Text(""))
            spare -= 1
        lines += block.lines(width, room)
    return lines[:height]


def _heights(blocks: Sequence[ViewBlock], width: int, height: int) -> list[int]:
    heights = [block.height(width) for block in blocks]
    for floors in ([block.least for block in blocks], [1] * len(blocks)):
        for place in reversed(range(len(blocks))):
            over = sum(heights) - height
            heights[place] -= max(0, min(over, heights[place] - floors[place]))
    return heights


def fit(text: Text, width: int) -> Text:
    """`text` as one line of at most `width` columns; see `clipped`."""
    if (kept := clipped(text.plain, width)) != text.plain:
        text.right_crop(len(text) - len(kept.removesuffix(_REST)))
        text.append(_REST if kept else "")
    text.no_wrap = True
    return text


def clipped(text: str, width: int) -> str:
    """`text` in at most `width` columns: of what does not fit, no word or figure is left in part.

    A figure goes with its unit.
    """
    if cell_len(text) <= width:
        return text
    ends = (0, *(word.end() for word in WORD.finditer(text)))
    kept = [text[:end] for end in ends if cell_len(text[:end] + _REST) <= width]
    return f"{kept[-1]}{_REST}" if kept else ""


def shortened(text: str, width: int) -> str:
    """`text` in exactly `width` columns."""
    if cell_len(text) <= width:
        return set_cell_size(text, width)
    return set_cell_size(text, width - 1) + "…"


def bar(share: float | None, width: int) -> str:
    """A bar of `width` columns, filled to `share`; blank where that is None."""
    eighths = round(8 * width * min(1.0, max(0.0, share or 0.0)))
    full, part = divmod(eighths, 8)
    return ("█" * full + (_EIGHTHS[part] if part else "")).ljust(width)


def sparkline(values: Iterable[float | None], width: int) -> str:
    """The last `width` values, from 0 to the highest of them; a blank where one is missing."""
    shown = list(values)[-width:] if width > 0 else []
    top = max((value for value in shown if value is not None), default=0.0)
    if top <= 0:
        return ""
    steps = [0 if v is None else 1 + round(7 * max(0.0, v) / top) for v in shown]
    return "".join(_SPARKS[step] for step in steps)
