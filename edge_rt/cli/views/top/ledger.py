"""What answers cost, as blocks of a full-screen view."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import tzinfo

from edge_rt.cli.views.ledger import ModelSum, clock_time, model_sums, remarks
from edge_rt.cli.views.top.blocks import Block, Cell
from edge_rt.cli.words.document import Json
from edge_rt.cli.words.figures import MISSING, counted, fixed, joules, line, members, number, whole


def booked(ledger: Json, zone: tzinfo | None) -> Iterator[Block]:
    """Today's sums and the newest requests; times in `zone`."""
    today = [_day(day) for day in members(ledger, "days")[:1]]
    today += [_model(one) for one in model_sums(ledger)]
    yield Block("today", today, least=2, rows=True, apart=True)
    requests = [_request(booking, zone) for booking in members(ledger, "last")]
    yield Block("last", requests, least=2, rows=True)


def _day(day: Json) -> Cell:
    if not number(day.get("covered_s")):
        return Cell(f"{MISSING} J in all")
    energy, answers = joules(day.get("energy_j")), joules(day.get("attributed_j"))
    return Cell(f"{energy} in all, {answers} of it for answers, {line(day.get('quality'))}")


def _model(one: ModelSum) -> Cell:
    requests = counted(one.requests, "request")
    if one.quality == "unresolved":
        return Cell(f"{one.model}: energy unresolved, {requests}")
    modelled = " modelled" if one.quality == "modelled" else ""
    energy = f"{joules(one.energy_j)}{modelled}, {one.per_token} J/token"
    return Cell(f"{one.model}: {energy}, {requests}")


def _request(booking: Json, zone: tzinfo | None) -> Cell:
    seconds, energy = fixed(booking.get("seconds"), 2), joules(booking.get("energy_j"))
    parts = [
        f"{clock_time(booking, zone, '%H:%M:%S')} {line(booking.get('model'))}",
        f"{whole(booking.get('completion_tokens'))} tokens",
        f"{seconds} s",
        MISSING + " J" if energy == MISSING else energy,
        remarks(booking),
    ]
    return Cell(", ".join(part for part in parts if part))
