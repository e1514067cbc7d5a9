"""Budget, limits, guard and the reason for them, as blocks of a full-screen view."""

from __future__ import annotations

from collections.abc import Iterator

from rich.cells import cell_len

from edge_rt.cli.views.budget import caps, holds_back, limits_line
from edge_rt.cli.views.top.blocks import LABEL, Block, Cell
from edge_rt.cli.words.document import Json
from edge_rt.cli.words.figures import line, lines, member, number
from edge_rt.cli.words.quantity import duration
from edge_rt.cli.words.tables import wrapped

_NO_BUDGET = ", no budget"
_STYLES = {"caution": "yellow", "hold": "bold yellow", "evacuate": "bold red"}


def governed(status: Json, width: int) -> Iterator[Block]:
    """From the daemon's state; nothing where it tells of no governor.

    Limits and the reason only while something holds back.
    """
    state = member(status, "governor")
    if not state:
        return
    budget = caps(state)
    if budget:
        yield Block("budget", [Cell(", ".join(budget))], rows=True)
    guard = line(state.get("guard"))
    words = ", ".join([guard, *_forecast(state)])
    if not budget and LABEL + cell_len(words + _NO_BUDGET) <= width:
        words += _NO_BUDGET
    yield Block("guard", [Cell(words, style=_STYLES.get(guard, ""))], rows=True)
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


def _text(label: str, text: str, width: int) -> Block:
    """As many lines as it takes, as long as others have more than they need."""
    cells = [Cell(part) for part in wrapped(text, width - LABEL)] if text else []
    return Block(label, cells, least=max(1, len(cells)), rows=True)
