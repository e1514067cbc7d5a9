"""One picture of the board and the daemon, in as many lines and columns as there are."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import tzinfo

from rich.cells import cell_len
from rich.text import Text

from edge_rt.cli.commands.ledger import ModelSum, clock_time, model_sums, remarks
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
    whole,
)
from edge_rt.cli.views.blocks import LABEL, ViewBlock, ViewCell, arrange, clipped, fit, sparkline
from edge_rt.cli.views.budget import governed
from edge_rt.cli.views.gauges import Row, groups
from edge_rt.cli.views.looks import DaemonSnapshot, Trend
from edge_rt.cli.views.sensors import hottest

_SPARKS = 24  # most columns of the sparkline


def picture(
    look: DaemonSnapshot,
    trend: Trend,
    width: int,
    height: int,
    zone: tzinfo | None = None,
    hint: str = "",
) -> list[Text]:
    """At most `height` lines of at most `width` columns; times in `zone`, else the machine's.

    `hint` stands in the first line.

    Detail goes in this order where room is short: the last requests, today's models, fans,
    memory, CPU, clocks, zones, rails; lines that are left out are counted. The board, its power and
    heat, what throttles it or holds it back, the engine and its speed keep their line.
    """
    top = [title(look, width, hint)]
    if look.trouble is not None:
        top.append(fit(Text(line(look.trouble.message), "bold red"), width))
    if look.gone:
        top.append(fit(Text("Waiting for it."), width))
        return top[:height]
    return (top + arrange(list(_blocks(look, trend, width, zone)), width, height - len(top)))[
        :height
    ]


def _blocks(
    look: DaemonSnapshot, trend: Trend, width: int, zone: tzinfo | None
) -> Iterator[ViewBlock]:
    board = look.board
    yield ViewBlock("supply", [_supply(board, trend, width)], rows=True)
    yield ViewBlock("throttled", [_throttled(board)], rows=True)
    yield from governed(look.status, width)
    yield ViewBlock("engine", [_engine(look.status)], rows=True)
    yield ViewBlock("speed", [_speed(board, trend)], rows=True)
    yield from _felt(board, trend)
    yield from booked(look.ledger, zone)


def _supply(board: Json, trend: Trend, width: int) -> ViewCell:
    supply = member(board, "supply")
    power = significant(supply.get("power_w"))
    now = f"{power} W {line(supply.get('quality'))}" if supply else f"{power} W"
    room = min(_SPARKS, max(0, width - LABEL - 46)) if len(trend.powers) > 1 else 0
    sparks = sparkline(trend.powers, room).ljust(room)
    hot = hottest(board)
    parts = (now, sparks, f"{MISSING} °C" if hot == MISSING else hot)
    return ViewCell("  ".join(part for part in parts if part))


def _throttled(board: Json) -> ViewCell:
    names = lines(board, "throttled")
    if names is None:
        return ViewCell(f"{MISSING} (no flag of it can be read)")
    return ViewCell(", ".join(names) or "no", style="bold red" if names else "")


def _engine(status: Json) -> ViewCell:
    engine = member(status, "engine")
    parts = [
        line(engine.get("state")),
        f"threads {whole(engine.get('threads'))}",
        f"at work {whole(engine.get('running'))}",
        f"waiting {whole(engine.get('waiting'))}",
    ]
    return ViewCell(", ".join(parts))


def _speed(board: Json, trend: Trend) -> ViewCell:
    """Tokens a second, and what each takes of all that the board draws."""
    speed, per_token = f"{fixed(trend.tokens_per_s, 1)} tok/s", trend.joules_per_token
    if per_token is None:
        return ViewCell(speed)
    modelled = " modelled" if member(board, "supply").get("quality") == "modelled" else ""
    return ViewCell(
        f"{speed}, {significant(per_token)} J/token{modelled} of all that the board draws"
    )


def _felt(board: Json, trend: Trend) -> Iterator[ViewBlock]:
    found, cells = groups(board), _Cells(tagged=not board.get("simulated"))
    rails = [row for row in found.get("rails", []) if "power_w" in row.cells]
    powers = [*(row.value("power_w") for row in rails), *trend.powers]
    top_w = max((power for power in powers if power is not None), default=0.0)
    yield ViewBlock("rails", [cells.rail(row, top_w) for row in rails], least=3, apart=True)
    zones = [cells.plain(row, "temp_c", "°C", 1) for row in found.get("zones", [])]
    yield ViewBlock("zones", zones, least=2)
    yield ViewBlock("clocks", [cells.clock(row) for row in found.get("clocks", [])])
    yield ViewBlock("CPU", [cells.percent(row) for row in found.get("cpu", [])])
    yield ViewBlock("GPU", [cells.percent(row) for row in found.get("gpu", [])])
    yield ViewBlock("memory", _memory(found), rows=True)
    fans = [row for row in found.get("fans", []) if "rpm" in row.cells]
    yield ViewBlock("fans", [cells.plain(row, "rpm", "rpm", 0) for row in fans])


class _Cells:
    """Makes rows to cells; `tagged` says of each figure that is modelled that it is.

    Where all are, on a simulated board, the title says so instead.
    """

    def __init__(self, tagged: bool) -> None:
        self._tagged = tagged

    def rail(self, row: Row, top_w: float) -> ViewCell:
        power = row.value("power_w")
        share = power / top_w if power is not None and top_w > 0 else 0.0
        return ViewCell(row.name, self._figure(row, fixed(power, 3), "W"), share)

    def plain(self, row: Row, key: str, unit: str, decimals: int) -> ViewCell:
        return ViewCell(row.name, self._figure(row, fixed(row.value(key), decimals), unit))

    def clock(self, row: Row) -> ViewCell:
        now, top = (_mhz(row.value(key)) for key in ("clock_hz", "max"))
        text = f"{now}/{top}" if "max" in row.cells else now
        return ViewCell(row.name, self._figure(row, text, "MHz"))

    def percent(self, row: Row) -> ViewCell:
        share = row.value("fraction")
        return ViewCell(row.name, self._figure(row, _percent(share), "%"), share or 0.0)

    def _figure(self, row: Row, text: str, unit: str) -> str:
        modelled = self._tagged and any(gauge.modelled for gauge in row.gauges)
        return text if text == MISSING else f"{text} {unit}{' modelled' if modelled else ''}"


def _mhz(clock_hz: float | None) -> str:
    return MISSING if clock_hz is None else f"{clock_hz / 1e6:.0f}"


def _percent(share: float | None) -> str:
    return MISSING if share is None else f"{100 * share:.1f}"


def _memory(found: dict[str, list[Row]]) -> list[ViewCell]:
    rows = {row.name: row for row in found.get("memory", [])}
    sizes = [rows[name].value("bytes") for name in ("available", "total") if name in rows]
    texts = [MISSING if size is None else f"{size / 2**30:.2f}" for size in sizes]
    parts = [f"{' of '.join(texts)} GiB available"] if texts else []
    for row in found.get("pressure", []):
        if row.name == "memory some":
            parts.append(f"{_percent(row.value('fraction'))} % of the time stalled")
    return [ViewCell(", ".join(parts))] if parts else []


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
