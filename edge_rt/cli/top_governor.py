"""Budget, limits, guard and the reason for them, as blocks of a full-screen view."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from edge_rt.cli.blocks import LABEL, Block, Cell
from edge_rt.cli.budget_table import holds_back, limits_line
from edge_rt.cli.client import Json
from edge_rt.cli.figures import fixed, joules, line, lines, member, number, significant
from edge_rt.cli.quantity import duration

_NO_BUDGET = "no budget"
_STYLES = {"caution": "yellow", "hold": "bold yellow", "evacuate": "bold red"}


def governed(status: Json, width: int) -> Iterator[Block]:
    """From the daemon's state; nothing where it tells of no governor.

    Limits and the reason only while something holds back.
    """
    state = member(status, "governor")
    if not state:
        return
    caps = _caps(state)
    if caps:
        yield Block("budget", [Cell(", ".join(caps))], rows=True)
    guard = line(state.get("guard"))
    parts = [guard, *_forecast(state), *([] if caps else [_NO_BUDGET])]
    yield Block("guard", [Cell(", ".join(parts), style=_STYLES.get(guard, ""))], rows=True)
    if holds_back(state):
        yield Block("limits", [Cell(limits_line(state))], rows=True)
        yield Block("why", _wrapped(line(state.get("why")), width), rows=True)
    missing = [part for text in lines(state, "missing") or [] for part in _wrapped(text, width)]
    yield Block("missing", missing, rows=True)


def _caps(state: Json) -> list[str]:
    budget, found = member(state, "budget"), list[str]()
    if budget.get("power_w") is not None:
        window = duration(number(budget.get("power_window_s")) or 0.0)
        found.append(f"{significant(budget['power_w'])} W over {window}")
    if budget.get("temp_c") is not None:
        found.append(f"{fixed(budget['temp_c'], 1)} °C")
    if budget.get("energy_j") is not None:
        spent = state.get("spent_j")
        of = "" if number(spent) is None else f"{joules(spent)} of "
        found.append(f"{of}{joules(budget['energy_j'])} this {line(budget.get('energy_period'))}")
    return found


def _forecast(state: Json) -> Iterator[str]:
    forecast, band = number(state.get("forecast_c")), number(state.get("band_c"))
    if forecast is None:
        return
    text = f"{forecast:.1f}" + ("" if band is None else f" ± {band:.1f}")
    doubt = "" if state.get("trusted") else " (not believed)"
    yield f"{text} °C in {duration(number(state.get('horizon_s')) or 0.0)}{doubt}"
    if (ahead := number(state.get("guard_in_s"))) is not None:
        yield f"too hot in {duration(ahead)}"


def _wrapped(text: str, width: int) -> list[Cell]:
    return [Cell(part) for part in textwrap.wrap(text, max(1, width - LABEL))]
