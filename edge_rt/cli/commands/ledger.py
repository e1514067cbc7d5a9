"""edge-rt ledger: what answers cost."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from pathlib import Path

import click
from rich.console import Group, RenderableType
from rich.text import Text

from edge_rt.cli.client import Client
from edge_rt.cli.options import daemon_socket, socket_option
from edge_rt.cli.tables import Column, Prose, TextTable, put_document
from edge_rt.cli.text import (
    MISSING,
    Json,
    duration,
    fixed,
    joules,
    line,
    making,
    members,
    number,
    significant,
    whole,
)


@dataclass
class ModelSum:
    """What one model's answers took, over the days of a report.

    `energy_j` are the known joules, without those of the `unresolved` requests; `hits` were
    answered from the cache, which saved `saved_j`.
    """

    model: str
    requests: float = 0
    unresolved: float = 0
    prompt_tokens: float = 0
    completion_tokens: float = 0
    energy_j: float = 0
    hits: float = 0
    saved_j: float = 0
    modelled: bool = False

    @property
    def quality(self) -> str:
        """What the joules are, as far as they are known."""
        made = self.requests - self.hits
        if self.requests <= self.unresolved or 0 < made <= self.unresolved:
            return "unresolved"
        return "modelled" if self.modelled else "measured"

    @property
    def joules(self) -> str:
        """The known joules; a dash where none are."""
        return MISSING if self.quality == "unresolved" else fixed(self.energy_j, 1)

    @property
    def per_token(self) -> str:
        """Joules for each token of an answer; at least so many, where some are not known."""
        if self.quality == "unresolved" or not self.completion_tokens:
            return MISSING
        least = "≥" if self.unresolved else ""
        return f"{least}{significant(self.energy_j / self.completion_tokens)}"


def ledger_tables(report: Json, zone: tzinfo | None = None) -> RenderableType:
    """All of `report`; times in `zone`, else in the machine's own."""
    parts: list[RenderableType] = []
    if report.get("stored") is False:
        parts.append(Prose("The ledger cannot be written; this is kept in memory only.\n"))
    days, last = members(report, "days"), members(report, "last")
    parts.append(_days(days) if days else Prose("Nothing is booked for these days."))
    if models := model_sums(report):
        parts += [Text(""), _models(models)]
    if last:
        parts += [Text(""), _requests(last, zone)]
    return Group(*parts)


_SUMMED = (
    *("requests", "unresolved", "prompt_tokens", "completion_tokens", "energy_j"),
    *("hits", "saved_j"),
)


def model_sums(report: Json) -> list[ModelSum]:
    """The totals by model over all days of `report`, who took most first.

    The ledger says only of a day as a whole whether its joules are modelled.
    """
    modelled = {d.get("day") for d in members(report, "days") if d.get("quality") == "modelled"}
    sums: dict[str, ModelSum] = {}
    for total in members(report, "models"):
        name = line(total.get("model"))
        one = sums.setdefault(name, ModelSum(name))
        for field in _SUMMED:
            setattr(one, field, getattr(one, field) + (number(total.get(field)) or 0))
        one.modelled = one.modelled or total.get("day") in modelled
    return sorted(sums.values(), key=lambda one: -one.energy_j)


def day_joules(day: Json) -> tuple[str, str, str]:
    """All joules of a day, those of answers, and the rest; dashes where nothing is known."""
    if not number(day.get("covered_s")):
        return MISSING, MISSING, MISSING
    energy, answers = fixed(day.get("energy_j"), 1), fixed(day.get("attributed_j"), 1)
    return energy, answers, fixed(day.get("unattributed_j"), 1)


def clock_time(booking: Json, zone: tzinfo | None, form: str) -> str:
    """When a request ended."""
    ended = number(booking.get("ended"))
    try:
        return MISSING if ended is None else datetime.fromtimestamp(ended, zone).strftime(form)
    except (OSError, OverflowError, ValueError):  # no year has that number
        return MISSING


def remarks(booking: Json) -> str:
    """What is not as usual with a request: it was not done, its joules are modelled, or a model
    did not make it by itself.
    """
    status, modelled = line(booking.get("status")), booking.get("quality") == "modelled"
    saved = booking.get("saved_j")
    remarks = [
        "" if status == "done" else status,
        "" if saved is None else f"saved {joules(saved)}",
        "modelled" if modelled and status != "cached" else "",
        making(booking),
    ]
    return ", ".join(remark for remark in remarks if remark)


def _days(days: Sequence[Json]) -> TextTable:
    rows: list[tuple[str, ...]] = []
    for day in days:
        covered, missing = number(day.get("covered_s")), number(day.get("missing_s"))
        times = [MISSING if not s else duration(s) for s in (covered, missing)]
        rows.append((line(day.get("day")), *day_joules(day), line(day.get("quality")), *times))
    return _table(("day (UTC)", "J in all", "answers", "the rest", "", "covered", "missing"), rows)


def _models(models: Sequence[ModelSum]) -> TextTable:
    saving = any(one.hits for one in models)
    titles = ("model", "requests", "prompt", "answer", "J", "J/token", "", "unresolved")
    rows: list[tuple[str, ...]] = []
    for one in models:
        tokens = whole(one.prompt_tokens), whole(one.completion_tokens)
        counts = one.model, whole(one.requests), *tokens
        unresolved = whole(one.unresolved) if one.unresolved else ""
        saved = (whole(one.hits), fixed(one.saved_j, 1)) if saving else ()
        rows.append((*counts, one.joules, one.per_token, one.quality, unresolved, *saved))
    return _table((*titles, "cached", "J saved") if saving else titles, rows)


def _requests(last: Sequence[Json], zone: tzinfo | None) -> TextTable:
    titles = ("ended", "model", "prompt", "answer", "s", "J", "W", "°C", "", "id")
    rows = [
        (*request_cells(booking, zone, "%m-%d %H:%M"), line(booking.get("answer_id") or ""))
        for booking in last
    ]
    return _table(titles, rows)


def request_cells(booking: Json, zone: tzinfo | None, time_format: str) -> Iterator[str]:
    """One request of the ledger: end, model, tokens, seconds, joules, watts, °C and remarks."""
    yield clock_time(booking, zone, time_format)
    yield line(booking.get("model"))
    yield whole(booking.get("prompt_tokens"))
    yield whole(booking.get("completion_tokens"))
    yield fixed(booking.get("seconds"), 2)
    yield significant(booking.get("energy_j"))
    yield significant(booking.get("power_w"))
    yield fixed(booking.get("temp_c"), 0)
    yield remarks(booking)


_WORDS = ("day (UTC)", "ended", "model", "", "id")
_KEPT = ("day (UTC)", "ended", "model", "J in all", "J")


def _table(titles: Sequence[str], rows: Iterable[Iterable[str]]) -> TextTable:
    return TextTable([Column(t, text=t in _WORDS, kept=t in _KEPT) for t in titles], rows)


@click.command()
@socket_option
@click.option(
    "--days",
    type=click.IntRange(1, 3650),
    default=7,
    show_default=True,
    help="How many days to tell of, today included.",
)
@click.option(
    "--last",
    type=click.IntRange(0, 1000),
    default=10,
    show_default=True,
    help="How many of the newest requests to list.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def ledger(socket: Path | None, days: int, last: int, as_json: bool) -> None:
    """Show what answers cost, by day and by model, and the newest requests.

    Joules are those of the rails that form the board's supply. What the board draws anyway, and
    what no answer caused, is the rest. `edge-rt trace` takes the ids of requests.
    """
    with Client(daemon_socket(socket)) as client:
        report = client.get(f"/edge/v1/ledger?days={days}&last={last}")
    put_document(report, ledger_tables, as_json=as_json)
