"""What candidates would take, and what they took, as tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from edge_rt.cli.words.document import Json
from edge_rt.cli.words.figures import (
    MISSING,
    fixed,
    joules,
    line,
    member,
    number,
    significant,
    whole,
)
from edge_rt.cli.words.modes import in_mode
from edge_rt.cli.words.tables import Column, Table

_ROOFLINE = "roofline"
_BOTH = (
    Column("model", text=True, kept=True),
    Column("threads", kept=True),
    Column("tokens"),
    Column("seconds", kept=True),
    Column("adds"),
    Column("in all"),
    Column("watts"),
    Column("end °C"),
)
_PREDICTED = (*_BOTH, Column("error"), Column("by", text=True), Column("", text=True))
_TRIED = (
    *_BOTH,
    Column("seconds off", kept=True),
    Column("joules off", kept=True),
    Column("°C off"),
    Column("", text=True),
)


def plan_table(candidates: Sequence[Json]) -> Table:
    """A row for each; the chosen one is marked."""
    return Table(
        _PREDICTED, map(_predicted, candidates), [bool(one.get("chosen")) for one in candidates]
    )


def tried_table(tried: Sequence[Json]) -> Table:
    """A row for what came of each, with how far off it had been predicted."""
    return Table(_TRIED, map(_came, tried))


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


def _predicted(one: Json) -> Iterator[str]:
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
