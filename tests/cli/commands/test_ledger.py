"""`ledger` tells what answers cost, and does not hide what is not known."""

from __future__ import annotations

import json
from typing import Any

import board_reports as boards
from rich.cells import cell_len

Daemon = Any  # the scripted daemon of conftest.py
Cli = Any


def test_days_models_and_requests_fit_80_columns(
    daemon: Daemon, terminal: Any, environ: dict[str, str]
) -> None:
    environ |= {"COLUMNS": "80", "LINES": "24"}
    unknown = {"energy_j": None, "quality": "unresolved", "power_w": None, "temp_c": None}
    requests = [boards.booking(quality="modelled"), boards.booking(status="cancelled", **unknown)]
    daemon.documents["/edge/v1/ledger?days=7&last=10"] = (200, boards.ledger(last=requests))
    text = terminal("ledger").rest()
    assert max(cell_len(line.rstrip()) for line in text.splitlines()) <= 80
    rows = [" ".join(line.split()) for line in text.splitlines()]
    assert any(row.startswith("2026-11-25 432 kJ 149 J 432 kJ measured") for row in rows)
    assert any(row.startswith("model: smollm2-135m-instruct energy: 149 J") for row in rows)
    known, lost = (row for row in rows if row.startswith("model: ") and "seconds" in row)
    assert known.startswith("model: smollm2-135m-instruct energy: 12.4 J seconds: 2.31 s")
    assert lost.startswith("model: smollm2-135m-instruct energy: - seconds: 2.31 s")
    assert "unresolved" in text


def test_by_application_there_is_a_row_for_each_with_its_share(daemon: Daemon, cli: Cli) -> None:
    counted = {"requests": 1, "unresolved": 0, "tokens": 90}
    nothing = dict.fromkeys(counted, 0)
    apps: list[dict[str, Any]] = [
        {"day": "2026-11-25", "app": "cam", "energy_j": 20.0, **counted},
        {"day": "2026-11-25", "app": "(idle)", "energy_j": 150.0, **nothing},
        {"day": "2026-11-24", "app": "cam", "energy_j": 30.0, **counted},
    ]
    budgets = [{"app": "cam", "spent_j": 12.0, "limit_j": 3600.0}]
    report = boards.ledger(apps=apps, budgets=budgets)
    daemon.documents["/edge/v1/ledger?days=7&last=10"] = (200, report)
    rows = [" ".join(row.split()) for row in cli("ledger", "--by", "app").stdout.splitlines()]
    assert "app energy share energy requests unresolved tokens" in rows
    assert "(idle) 75 % 150 J 0 0 0" in rows
    assert "cam 25 % 50.0 J 2 0 180" in rows
    assert any(row.startswith("cam 12.0 J 3600 J") for row in rows)
    assert not any("smollm2" in row for row in rows)
    assert "cam" not in cli("ledger").stdout.partition("budgets")[0]
    [idle, cam] = json.loads(cli("ledger", "--by", "app", "--json").stdout)["applications"]
    assert (idle["app"], cam["requests"], cam["energy_share"]) == ("(idle)", 2, 0.25)


def test_a_ledger_in_memory_says_so(daemon: Daemon, cli: Cli) -> None:
    daemon.documents["/edge/v1/ledger?days=7&last=10"] = (200, boards.ledger(stored=False))
    assert "stored  no\n" in cli("ledger").stdout


def test_the_daemon_is_asked_for_what_is_wanted(daemon: Daemon, cli: Cli) -> None:
    daemon.documents["/edge/v1/ledger?days=7&last=10"] = (200, boards.ledger())
    daemon.documents["/edge/v1/ledger?days=30&last=0"] = (200, boards.ledger(last=[]))
    assert "smollm2" in cli("ledger").stdout
    result = cli("ledger", "--days", "30", "--last", "0", "--json")
    assert json.loads(result.stdout) == boards.ledger(last=[])
    assert cli("ledger", "--days", "0").exit_code == 2


def test_without_a_daemon_it_is_3(cli: Cli) -> None:
    assert cli("ledger").exit_code == 3
