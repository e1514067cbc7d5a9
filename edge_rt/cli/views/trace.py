"""The candidates for a request as a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from edge_rt.cli.words.document import Json
from edge_rt.cli.words.figures import MISSING, joules, line, member, number, significant, whole
from edge_rt.cli.words.modes import in_mode
from edge_rt.cli.words.tables import Column, Table

_COLUMNS = (
    Column("model", text=True, kept=True),
    Column("variant", text=True),
    Column("threads", kept=True),
    Column("tokens"),
    Column("seconds", kept=True),
    Column("adds", kept=True),
    Column("watts"),
    Column("error"),
    Column("by", text=True),
    Column("", text=True),
)


def trace_table(considered: Sequence[Json]) -> Table:
    """A row for each; the chosen one is marked."""
    settings = [member(member(one, "candidate"), "setting") for one in considered]
    ways = {_way(setting) for setting in settings}
    several = len(ways) > len({variant for variant, _ in ways})
    rows = [_cells(one, several) for one in considered]
    return Table(_COLUMNS, rows, [one.get("state") == "chosen" for one in considered])


def _way(setting: Json) -> tuple[str, str]:
    """A variant, and how it is loaded."""
    layers, kv_type = whole(setting.get("gpu_layers")), line(setting.get("kv_type"))
    return line(setting.get("variant")), f"KV {kv_type}, GPU {layers}"


def _cells(one: Json, several: bool) -> Iterator[str]:
    """`several`: some may be loaded in more than one way."""
    candidate = member(one, "candidate")
    setting = member(candidate, "setting")
    yield in_mode(setting.get("variant"), setting.get("mode"), setting.get("partner"))
    loaded = "" if candidate.get("loaded") else ", not loaded"
    way = f", {_way(setting)[1]}" if several else ""
    yield f"{line(candidate.get('backend'))} {line(candidate.get('quantisation'))}{way}{loaded}"
    yield whole(setting.get("threads"))
    yield f"{whole(candidate.get('prompt_tokens'))}+{whole(candidate.get('completion_tokens'))}"
    yield significant(candidate.get("seconds"))
    yield joules(candidate.get("energy_j"))
    yield significant(candidate.get("power_w"))
    error = number(candidate.get("error_ratio"))
    yield MISSING if error is None else f"{100 * error:.0f} %"
    yield line(candidate.get("basis"))
    yield line(one.get("reason"))
