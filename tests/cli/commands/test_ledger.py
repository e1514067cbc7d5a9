"""`ledger` adds up what answers cost, and does not hide what is not known."""

from __future__ import annotations

import io
import json
from datetime import timezone
from typing import Any

import board_reports as boards
from board_reports import Json
from rich.cells import cell_len
from rich.console import Console

from edge_rt.cli.commands.ledger import ledger_tables, model_sums

Daemon = Any  # the scripted daemon of conftest.py
Cli = Any


def shown(report: Json) -> list[str]:
    file = io.StringIO()
    Console(width=80, file=file).print(ledger_tables(report, timezone.utc))
    return [line.rstrip() for line in file.getvalue().splitlines()]


def test_days_models_and_requests_fit_80_columns() -> None:
    unknown = {"energy_j": None, "quality": "unresolved", "power_w": None, "temp_c": None}
    requests = [boards.booking(quality="modelled"), boards.booking(status="cancelled", **unknown)]
    lines = shown(boards.ledger(last=requests))
    assert max(cell_len(line) for line in lines) <= 80
    told = [" ".join(line.split()) for line in lines if line]
    id = "id: chatcmpl-1b9d6bcd6bbfd4b2d9b5a7c1"
    assert told == [
        "day (UTC) J in all answers the rest covered missing",
        "2026-11-25 432000.5 148.8 431851.7 measured 23 h 53 min 12.5 s",
        "model requests prompt answer J J/token",
        "smollm2-135m-instruct 12 144 1000 148.8 0.149 measured",
        "ended model prompt answer s J W °C",
        "11-18 11:06 smollm2-135m-instruct 12 64 2.31 12.4 5.93 61",
        f"modelled {id}",
        "11-18 11:06 smollm2-135m-instruct 12 64 2.31 - - -",
        f"cancelled {id}",
    ]


def test_what_is_not_known_is_a_dash() -> None:
    unknown = {"energy_j": 0.0, "attributed_j": 0.0, "unattributed_j": 0.0, "covered_s": 0.0}
    report = boards.ledger(
        days=[boards.day_total(quality="unresolved", **unknown)],
        models=[boards.model_total(unresolved=12, energy_j=0.0)],
        last=[],
    )
    lines = shown(report)
    assert lines[1].split()[1:6] == ["-", "-", "-", "unresolved", "-"]
    assert lines[4].split()[4:] == ["-", "-", "unresolved"]
    assert lines[5].split() == ["unresolved:", "12"]


def test_models_are_added_up_over_the_days() -> None:
    other = boards.model_total(model="other", energy_j=1.0)
    models = [boards.model_total(), other, boards.model_total(day="2026-11-24", energy_j=51.2)]
    first, second = model_sums(boards.ledger(models=models))
    assert (first.model, first.requests, first.energy_j) == ("smollm2-135m-instruct", 24, 200.0)
    assert (second.model, second.quality) == ("other", "measured")


def test_joules_of_a_modelled_day_are_modelled() -> None:
    [one] = model_sums(boards.ledger(days=[boards.day_total(quality="modelled")]))
    assert one.quality == "modelled"


def test_joules_a_token_are_a_least_where_some_are_not_known() -> None:
    [one] = model_sums(boards.ledger(models=[boards.model_total(unresolved=1)]))
    assert one.per_token == "≥0.149"


def test_answers_from_the_cache_do_not_make_joules_known() -> None:
    [one] = model_sums(boards.ledger(models=[boards.model_total(unresolved=9, hits=3)]))
    assert (one.quality, one.joules, one.per_token) == ("unresolved", "-", "-")
    [one] = model_sums(boards.ledger(models=[boards.model_total(hits=12, energy_j=0.0)]))
    assert (one.quality, one.joules) == ("measured", "0.0")


def test_a_ledger_in_memory_says_so() -> None:
    assert "in memory only" in shown(boards.ledger(stored=False))[0]


def test_an_empty_ledger_says_so() -> None:
    assert shown(boards.ledger(days=[], models=[], last=[])) == [
        "Nothing is booked for these days."
    ]


def test_names_are_no_markup() -> None:
    text = "\n".join(shown(boards.ledger(last=[boards.booking(model="[b]m[/b]\x1b[2J")])))
    assert "[b]m[/b][2J" in text


def test_the_daemon_is_asked_for_what_is_wanted(daemon: Daemon, cli: Cli) -> None:
    daemon.documents["/edge/v1/ledger?days=7&last=10"] = (200, boards.ledger())
    daemon.documents["/edge/v1/ledger?days=30&last=0"] = (200, boards.ledger(last=[]))
    assert "smollm2" in cli("ledger").stdout
    result = cli("ledger", "--days", "30", "--last", "0", "--json")
    assert json.loads(result.stdout) == boards.ledger(last=[])
    assert cli("ledger", "--days", "0").exit_code == 2


def test_without_a_daemon_it_is_3(cli: Cli) -> None:
    assert cli("ledger").exit_code == 3
