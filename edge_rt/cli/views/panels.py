"""The title, the governor's state and the ledger, as parts of a full-screen view."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import tzinfo

from rich.cells import cell_len
from rich.text import Text

from edge_rt.cli.commands.ledger import ModelSum, clock_time, model_sums, remarks
from edge_rt.cli.tables import wrapped
from edge_rt.cli.text import (
    MISSING,
    Json,
    counted,
    duration,
    fixed,
    joules,
    line,
    lines,
    member,
    members,
    number,
    whole,
)
from edge_rt.cli.views.blocks import LABEL, ViewBlock, ViewCell, clipped, fit
from edge_rt.cli.views.budget import caps, holds_back, limits_line
from edge_rt.cli.views.looks import DaemonSnapshot


def booked(ledger: Json, zone: tzinfo | None) -> Iterator[ViewBlock]:
    """Today's sums and the newest requests; times in `zone`."""
    today = [_day(day) for day in members(ledger, "days")[:1]]
    today += [_model(one) for one in model_sums(ledger)]
    yield ViewBlock("today", today, least=2, rows=True, apart=True)
    requests = [_request(booking, zone) for booking in members(ledger, "last")]
    yield ViewBlock("last", requests, least=2, rows=True)


def _day(day: Json) -> ViewCell:
    if not number(day.get("covered_s")):
        return ViewCell(f"{MISSING} J in all")
    energy, answers = joules(day.get("energy_j")), joules(day.get("attributed_j"))
    return ViewCell(f"{energy} in all, {answers} of it for answers, {line(day.get('quality'))}")


def _model(one: ModelSum) -> ViewCell:
    requests = counted(one.requests, "request")
    if one.quality == "unresolved":
        return ViewCell(f"{one.model}: energy unresolved, {requests}")
    modelled = " modelled" if one.quality == "modelled" else ""
    energy = f"{joules(one.energy_j)}{modelled}, {one.per_token} J/token"
    return ViewCell(f"{one.model}: {energy}, {requests}")


def _request(booking: Json, zone: tzinfo | None) -> ViewCell:
    seconds, energy = fixed(booking.get("seconds"), 2), joules(booking.get("energy_j"))
    parts = [
        f"{clock_time(booking, zone, '%H:%M:%S')} {line(booking.get('model'))}",
        f"{whole(booking.get('completion_tokens'))} tokens",
        f"{seconds} s",
        MISSING + " J" if energy == MISSING else energy,
        remarks(booking),
    ]
    return ViewCell(", ".join(part for part in parts if part))


_GAP = "  "
_LEAST = 12  # columns of the board's name


def title(look: DaemonSnapshot, width: int, hint: str = "") -> Text:
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


_NO_BUDGET = ", no budget"
_STYLES = {"caution": "yellow", "hold": "bold yellow", "evacuate": "bold red"}


def governed(status: Json, width: int) -> Iterator[ViewBlock]:
    """Return what the governor does; nothing where the daemon's state has no governor.

    Limits and the reason only while something holds back.
    """
    state = member(status, "governor")
    if not state:
        return
    budget = caps(state)
    if budget:
        yield ViewBlock("budget", [ViewCell(", ".join(budget))], rows=True)
    guard = line(state.get("guard"))
    words = ", ".join([guard, *_forecast(state)])
    if not budget and LABEL + cell_len(words + _NO_BUDGET) <= width:
        words += _NO_BUDGET
    yield ViewBlock("guard", [ViewCell(words, style=_STYLES.get(guard, ""))], rows=True)
    if holds_back(state):
        yield _text("limits", limits_line(state), width)
        yield _text("why", line(state.get("why")), width)
    yield _text("missing", " ".join(lines(state, "missing") or []), width)


def _forecast(state: Json) -> Iterator[str]:
    forecast, band = number(state.get("forecast_c")), number(state.get("band_c"))
    if forecast is None:
        return
    text = f"{forecast:.1f}" + ("" if band is None else f" ± {band:.1f}")
    doubt = "" if state.get("trusted") else " (not believed)"
    yield f"{text} °C in {duration(number(state.get('horizon_s')) or 0.0)}{doubt}"
    if (ahead := number(state.get("guard_in_s"))) is not None:
        yield f"too hot in {duration(ahead)}"


def _text(label: str, text: str, width: int) -> ViewBlock:
    """As many lines as it takes, as long as others have more than they need."""
    cells = [ViewCell(part) for part in wrapped(text, width - LABEL)] if text else []
    return ViewBlock(label, cells, least=max(1, len(cells)), rows=True)
