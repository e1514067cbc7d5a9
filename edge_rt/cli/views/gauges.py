"""The figures in a report of the board, sorted by what they are figures of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from edge_rt.cli.text import Json, duration, line, lines, member, members, number


@dataclass(frozen=True)
class ChannelGauge:
    """One channel as it stands; `value` is None where there is no current one."""

    reader: str
    name: str
    kind: str
    value: float | None
    last: float | None
    age_s: float | None
    error: str | None
    modelled: bool
    source: str


@dataclass(frozen=True)
class GaugeColumn:
    """One figure of a row: the kind of channel, the unit above it, and how it is written."""

    key: str
    unit: str
    text: Callable[[float], str]


@dataclass
class Row:
    """What belongs to one name, by the key of its column.

    `counted` rails are part of the supply, of which it is told how much of the time is missing.
    """

    name: str
    counted: bool = False
    cells: dict[str, ChannelGauge] = field(default_factory=dict[str, ChannelGauge])
    energy: Json = field(default_factory=dict[str, object])  # a rail's, since it was found

    @property
    def gauges(self) -> list[ChannelGauge]:
        """The channels of the row."""
        return list(self.cells.values())

    def value(self, key: str) -> float | None:
        """The current value of a column; None where there is none."""
        if key == "energy_j" and self.energy:
            covered = number(self.energy.get("covered_s"))
            return number(self.energy.get("energy_j")) if covered else None
        gauge = self.cells.get(key)
        return None if gauge is None else gauge.value

    @property
    def reader(self) -> str:
        """The reader of the row."""
        return self.gauges[0].reader if self.cells else ""

    @property
    def source(self) -> str:
        """The file of the first figure that has one; empty where none has."""
        return next((gauge.source for gauge in self.gauges if gauge.source), "")

    @property
    def notes(self) -> str:
        """Remarks on the figures: modelled, stale, missing time."""
        gauges = self.gauges
        stale = [g for g in gauges if g.value is None and g.last is not None]
        missing_s = None if self.counted else number(self.energy.get("missing_s"))
        notes = ["modelled"] if any(g.modelled for g in gauges) else []
        notes += [_was(stale[0])] if stale else []
        notes += [f"{duration(missing_s)} missing"] if missing_s else []
        return ", ".join(notes)


COLUMNS: dict[str, tuple[GaugeColumn, ...]] = {
    "rails": (
        GaugeColumn("power_w", "W", "{:.3f}".format),
        GaugeColumn("voltage_v", "V", "{:.3f}".format),
        GaugeColumn("current_a", "A", "{:.3f}".format),
        GaugeColumn("energy_j", "J", lambda v: f"{v:.0f}" if abs(v) >= 10_000 else f"{v:.1f}"),
    ),
    "zones": (GaugeColumn("temp_c", "°C", "{:.1f}".format),),
    "cooling": (GaugeColumn("fraction", "%", lambda v: f"{100 * v:.0f}"),),
    "clocks": (
        GaugeColumn("clock_hz", "MHz", lambda v: f"{v / 1e6:.0f}"),
        GaugeColumn("min", "min", lambda v: f"{v / 1e6:.0f}"),
        GaugeColumn("max", "max", lambda v: f"{v / 1e6:.0f}"),
    ),
    "fans": (
        GaugeColumn("rpm", "rpm", "{:.0f}".format),
        GaugeColumn("fraction", "%", lambda v: f"{100 * v:.0f}"),
    ),
    "flags": (GaugeColumn("flag", "", lambda v: "yes" if v else "no"),),
    "cpu": (GaugeColumn("fraction", "%", lambda v: f"{100 * v:.1f}"),),
    "gpu": (GaugeColumn("fraction", "%", lambda v: f"{100 * v:.1f}"),),
    "memory": (GaugeColumn("bytes", "GiB", lambda v: f"{v / 2**30:.2f}"),),
    "pressure": (GaugeColumn("fraction", "%", lambda v: f"{100 * v:.1f}"),),
    "fractions": (GaugeColumn("fraction", "%", lambda v: f"{100 * v:.1f}"),),
    "counts": (GaugeColumn("count", "times", "{:.0f}".format),),
}
_GROUPS = {
    "temp_c": "zones",
    "clock_hz": "clocks",
    "rpm": "fans",
    "flag": "flags",
    "bytes": "memory",
    "count": "counts",
    "fraction": "fractions",
}
_FRACTIONS = {  # by reader; those of other packages have a group of their own
    "thermal": "cooling",
    "fan": "fans",
    "cpu-load": "cpu",
    "gpu": "gpu",
    "jtop": "gpu",
    "pressure": "pressure",
}


def gauges(report: Json) -> list[ChannelGauge]:
    """Every channel of `report`, in its order."""
    return [
        ChannelGauge(
            line(channel.get("reader")),
            line(channel.get("name")),
            line(channel.get("kind")),
            number(channel.get("value")),
            number(channel.get("last")),
            number(channel.get("age_s")),
            None if channel.get("error") is None else line(channel["error"]),
            channel.get("quality") == "modelled",
            line(channel.get("source") or ""),
        )
        for channel in members(report, "channels")
    ]


def groups(report: Json) -> dict[str, list[Row]]:
    """The rows of each group that has any, groups in the order of COLUMNS.

    The rails that form the supply come first, in its order.
    """
    rows: dict[tuple[str, str, str], Row] = {}
    for gauge in gauges(report):
        if place := _place(gauge):
            group, name, key = place
            rows.setdefault((group, gauge.reader, name), Row(name)).cells[key] = gauge
    found: dict[str, list[Row]] = {group: [] for group in COLUMNS}
    for (group, _, _), row in rows.items():
        found[group].append(row)
    _meter(found["rails"], report)
    total = lines(member(report, "supply"), "rails") or []
    for row in found["rails"]:
        row.counted = row.name in total
    found["rails"].sort(key=lambda row: total.index(row.name) if row.counted else len(total))
    return {group: of_it for group, of_it in found.items() if of_it}


def _place(gauge: ChannelGauge) -> tuple[str, str, str] | None:
    """The group, the row and the column of a channel; None for a kind that is not known here."""
    name = gauge.name
    base, _, limit = name.rpartition(" ")
    if gauge.kind == "clock_hz" and base and limit in ("min", "max"):
        return "clocks", base, limit
    if any(column.key == gauge.kind for column in COLUMNS["rails"]):
        return "rails", name, gauge.kind
    others = _GROUPS.get(gauge.kind)
    group = _FRACTIONS.get(gauge.reader, others) if gauge.kind == "fraction" else others
    if group == "flags":
        name = name.replace("_", " ")
    return None if group is None else (group, name.removeprefix(f"{group} "), gauge.kind)


def _meter(rails: list[Row], report: Json) -> None:
    """Give the rails their energies; of two with one name the earlier is meant."""
    energies = {line(energy.get("name")): energy for energy in members(report, "energies")}
    for row in rails:
        row.energy = energies.pop(row.name, {}) if "power_w" in row.cells else {}


def _was(gauge: ChannelGauge) -> str:
    """The last good value of a channel that has no current one."""
    found = [c for columns in COLUMNS.values() for c in columns if c.key == gauge.kind]
    text = found[0].text(gauge.last or 0.0) if found else f"{gauge.last:g}"
    unit = "" if not found or not found[0].unit else f" {found[0].unit}"
    age = "" if gauge.age_s is None else f" {duration(gauge.age_s)} ago"
    return f"was {text}{unit}{age}"
