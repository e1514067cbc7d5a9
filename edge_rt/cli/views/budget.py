"""The governor's state as lines of text."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.text import Text

from edge_rt.cli.tables import Column, PairTable, TextTable, wrapped
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
    significant,
)
from edge_rt.cli.views.blocks import LABEL, ViewBlock, ViewCell

_BEGUN = re.compile(r" begun at tick \d+$")
_PARTS = 3  # of a file's path, which tell it apart from the board's other knobs
_PWM = re.compile(r"/pwm\d+$")


def knob_name(name: str) -> str:
    """Return the knob's name without the part that only the daemon needs."""
    return _BEGUN.sub("", name)


def short_name(name: str) -> str:
    """The knob's name, of a file in sysfs the last parts of its path, for a narrow table."""
    parts = knob_name(name).split("/")
    return "/".join(["…", *parts[-_PARTS:]]) if len(parts) > _PARTS + 1 else knob_name(name)


def knob_value(name: str, value: str) -> str:
    """A fan's [1, PWM] and [MODE] of hwmon in words; other values as they are."""
    if not _PWM.search(name):
        return value
    mode, _, pwm = value.partition(",")
    if pwm.isdigit():
        return f"{pwm} of 255"
    return f"automatic ({mode})" if mode.isdigit() and int(mode) > 1 else value


NOTHING = "nothing holds back"  # the daemon's own words
_NONE = "none"
_KNOBS = ("knob", "wanted", "now", "before", "")
_CAUSES = {"power_w": "the power cap", "temp_c": "heat", "energy_j": "the energy", "guard": "heat"}


def budget_tables(state: Json) -> RenderableType:
    """All of a GovernorState."""
    parts: list[RenderableType] = [PairTable(_rows(state))]
    if knobs := members(state, "knobs"):
        parts += [Text(""), _knobs(knobs)]
    return Group(*parts)


def caps(state: Json) -> list[str]:
    """Each cap in a few words, with what is spent of the energy; none where nothing is capped."""
    budget, found = member(state, "budget"), list[str]()
    if budget.get("power_w") is not None:
        window = duration(number(budget.get("power_window_s")) or 0.0)
        found.append(f"{significant(budget['power_w'])} W over {window}")
    if budget.get("temp_c") is not None:
        found.append(f"{fixed(budget['temp_c'], 1)} °C")
    if budget.get("energy_j") is not None:
        spent, most = number(state.get("spent_j")), joules(budget["energy_j"])
        begin = f"{most} each" if spent is None else f"{joules(spent)} of {most} this"
        found.append(f"{begin} {line(budget.get('energy_period'))}")
    return found


def holds_back(state: Json) -> bool:
    """Whether the engine or its clients get less than all there is."""
    return line(state.get("why")) != NOTHING


def limits_line(state: Json) -> str:
    """What the engine may use now."""
    limits = member(state, "limits")
    duty = number(limits.get("duty"))
    parts = [
        counted(limits.get("threads"), "thread"),
        f"{MISSING if duty is None else f'{100 * duty:.0f}'} % of the time",
    ]
    for name, processor in (("cpu_hz", "CPU"), ("gpu_hz", "GPU")):
        if (hz := number(limits.get(name))) is not None:
            parts.append(f"{processor} up to {hz / 1e9:.2f} GHz")
    if limits.get("prefill_chunk") is not None:
        parts.append(f"{counted(limits['prefill_chunk'], 'prompt token')} a pass")
    admission = limits.get("admission")
    if admission == "queue":
        parts.append("new requests wait")
    if admission == "refuse":
        after = number(limits.get("retry_after_s"))
        parts.append(
            "new requests are refused" + ("" if not after else f" for {duration(after)} or so")
        )
    parts += ["smaller models answer"] if limits.get("smaller") else []
    parts += [] if limits.get("heavy", True) else ["no further model is loaded"]
    return ", ".join(parts)


def forecast_line(state: Json) -> str:
    """The temperature to come; a dash where none can be forecast."""
    forecast = number(state.get("forecast_c"))
    if forecast is None:
        return MISSING
    band = number(state.get("band_c"))
    text = f"{forecast:.1f}" + ("" if band is None else f" ± {band:.1f}")
    text += f" °C in {duration(number(state.get('horizon_s')) or 0.0)}"
    if (ahead := number(state.get("guard_in_s"))) is not None:
        text += f"; too hot in {duration(ahead)} if nothing is done"
    return text if state.get("trusted") else f"{text}; not believed"


def _rows(state: Json) -> Iterator[tuple[str, str]]:
    budget = member(state, "budget")
    yield "power", _power(budget)
    temp = budget.get("temp_c")
    yield "temperature", _NONE if temp is None else f"{fixed(temp, 1)} °C"
    yield "energy", _energy(state, budget)
    yield "", ""
    yield "guard", line(state.get("guard"))
    yield "allowed", _allowance(state)
    yield "limits", limits_line(state)
    yield "forecast", forecast_line(state)
    yield "why", line(state.get("why"))
    for warning in lines(state, "warnings") or []:
        yield "warning", warning
    for missing in lines(state, "missing") or []:
        yield "missing", missing


def _power(budget: Json) -> str:
    power = budget.get("power_w")
    if power is None:
        return _NONE
    window, peak = significant(budget.get("power_window_s")), number(budget.get("peak_ratio"))
    top = "" if peak is None else f", {significant((number(power) or 0.0) * peak)} W at a peak"
    return f"{significant(power)} W over any {window} s{top}"


def _energy(state: Json, budget: Json) -> str:
    most = budget.get("energy_j")
    if most is None:
        return _NONE
    text = f"{joules(most)} each {line(budget.get('energy_period'))}"
    if number(state.get("spent_j")) is not None:
        left = duration(number(state.get("period_left_s")) or 0.0)
        text += f"; {joules(state.get('spent_j'))} are spent, {left} to go"
    return text


def _allowance(state: Json) -> str:
    if number(state.get("allowance_w")) is None:
        return "as much as it takes"
    cause = line(state.get("bound_by"))
    text = f"{significant(state.get('allowance_w'))} W, for {_CAUSES.get(cause, cause)}"
    if cause == "power_w" and number(state.get("margin_w")):
        text += f"; {significant(state.get('margin_w'))} W are kept free"
    return text


def _knobs(knobs: list[Json]) -> TextTable:
    rows: list[tuple[str, ...]] = []
    for knob in knobs:
        name = line(knob.get("name"))
        values = (knob_value(name, line(knob.get(key))) for key in ("wanted", "value", "before"))
        rows.append((short_name(name), *values, line(knob.get("error") or "")))
    return TextTable([Column(name, text=True, kept=name in _KNOBS[:3]) for name in _KNOBS], rows)


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
