"""What candidates would take, and what they took, as tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.table import Table
from rich.text import Text

from edge_rt.cli.client import Json
from edge_rt.cli.figures import MISSING, fixed, joules, line, member, number, significant, whole
from edge_rt.cli.mode_words import in_mode

_ROOFLINE = "roofline"
_HEADS = ("", "MODEL", "THREADS", "TOKENS", "SECONDS", "ADDS", "IN ALL", "WATTS", "END °C")


def plan_table(candidates: Sequence[Json]) -> Table:
    """A row for each; the chosen one is marked."""
    table = _table((*_HEADS, "±", "BY", ""))
    for one in candidates:
        table.add_row(*map(Text, _predicted(one)))
    return table


def tried_table(tried: Sequence[Json]) -> Table:
    """A row for what came of each, with how far off it had been predicted."""
    table = _table((*_HEADS[1:], "SECONDS OFF", "JOULES OFF", "°C OFF", ""))
    for one in tried:
        table.add_row(*map(Text, _came(one)))
    return table


def advice(candidates: Sequence[Json]) -> str | None:
    """What would make the predictions better; None: nothing."""
    guessed = sorted({line(c.get("model")) for c in candidates if c.get("basis") == _ROOFLINE})
    if not guessed:
        return None
    return (
        f"Nothing is calibrated for {', '.join(guessed)}: these figures come from what is known "
        "of the board on paper, and may be off by half or double. Measure them: "
        "edge-rt calibrate --quick"
    )


def _table(titles: Sequence[str]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for title in titles:
        words = title in ("", "MODEL", "BY")
        table.add_column(
            title,
            justify="left" if words else "right",
            overflow="fold",
            no_wrap=bool(title),
        )
    return table


def _predicted(one: Json) -> Iterator[str]:
    yield "*" if one.get("chosen") else ""
    yield in_mode(one.get("model"), one.get("mode"), one.get("partner"))
    yield whole(one.get("threads"))
    yield f"{whole(one.get('prompt_tokens'))}+{whole(one.get('completion_tokens'))}"
    yield from _figures(one)
    band = number(one.get("band_c"))
    yield fixed(one.get("end_temp_c"), 1) + ("" if band is None else f" ± {band:.1f}")
    yield _percent(one.get("error_ratio"))
    yield line(one.get("basis"))
    yield line(one.get("reason"))


def _came(one: Json) -> Iterator[str]:
    before = member(one, "foretold")
    yield in_mode(before.get("model"), before.get("mode"), before.get("partner"))
    yield whole(before.get("threads"))
    yield f"{whole(one.get('prompt_tokens'))}+{whole(one.get('completion_tokens'))}"
    yield from _figures(one)
    yield fixed(one.get("end_temp_c"), 1)
    yield _percent(one.get("seconds_error"), signed=True)
    yield _percent(one.get("energy_error"), signed=True)
    warmer = number(one.get("temp_error_c"))
    yield MISSING if warmer is None else f"{warmer:+.1f}"
    yield line(one.get("failure") or one.get("quality"))


def _figures(one: Json) -> Iterator[str]:
    yield significant(one.get("seconds"))
    yield joules(one.get("energy_j"))
    yield joules(one.get("total_j"))
    yield significant(one.get("power_w"))


def _percent(value: object, *, signed: bool = False) -> str:
    ratio = number(value)
    if ratio is None:
        return MISSING
    return f"{100 * ratio:+.0f} %" if signed else f"{100 * ratio:.0f} %"
