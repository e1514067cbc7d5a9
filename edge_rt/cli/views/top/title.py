"""The first line of a full-screen view."""

from __future__ import annotations

from rich.cells import cell_len
from rich.text import Text

from edge_rt.cli.views.top.blocks import clipped, fit
from edge_rt.cli.views.top.looks import Look
from edge_rt.cli.words.document import Json
from edge_rt.cli.words.figures import line, member, number
from edge_rt.cli.words.quantity import duration

_GAP = "  "
_LEAST = 12  # columns of the board's name


def title(look: Look, width: int, hint: str = "") -> Text:
    """Board, version, time since the start, and `hint`; the board's name is cut first."""
    version, uptime = look.status.get("version"), number(look.status.get("uptime_s"))
    parts = ["edge-rt" if version is None else f"edge-rt {line(version)}"]
    parts += [] if uptime is None else [f"up {duration(uptime)}"]
    parts += [hint] if hint else []
    if look.board:
        room = width - sum(len(_GAP) + cell_len(part) for part in parts)
        parts.insert(0, _board(look.board, room))
    return fit(Text(_GAP.join(parts), "bold"), width)


def _board(report: Json, room: int) -> str:
    board = member(report, "board")
    unknown = "looking at the board" if report.get("looking") else "board not recognised"
    name = line(board.get("name")) if board else unknown
    simulated = ""
    if report.get("simulated"):
        marks = (" (simulated: all is modelled)", " (simulated)")
        simulated = next((m for m in marks if cell_len(name + m) <= room), marks[-1])
    most = max(_LEAST, room - len(simulated))
    return clipped(name, most) + simulated
