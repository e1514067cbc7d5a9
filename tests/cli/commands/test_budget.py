"""`budget` shows what is allowed and why, and changes only what is named."""

from __future__ import annotations

import json
from typing import Any

import pytest
from governed import governor

Daemon = Any  # the scripted daemon of conftest.py
Cli = Any


def test_it_is_shown_and_changed(cli: Cli, daemon: Daemon) -> None:
    daemon.documents["/edge/v1/budget"] = (200, governor())
    told = dict(line.split("  ", 1) for line in cli("budget").stdout.splitlines())
    told = {name: text.strip() for name, text in told.items()}
    assert told["budget power"] == "8.00 W"
    assert told["budget temp"] == "-"
    assert told["limits duty"] == "60 %"
    assert told["forecast"] == "66.2 °C"
    assert told["why"] == "the cap of 8.00 W holds the engine to 60 % of the time"
    assert daemon.asked == []
    result = cli("budget", "--power", "6.5", "--temp", "none", "--per", "hour", "--json")
    assert json.loads(result.stdout) == governor()
    change = {"power_w": 6.5, "temp_c": None, "energy_period": "hour"}
    assert daemon.asked == [("/edge/v1/budget", change)]


def test_knobs_are_listed_with_their_faults(cli: Cli, daemon: Daemon) -> None:
    knob = {"name": "cpufreq", "wanted": "1.5 GHz", "value": "2.4 GHz", "before": "2.4 GHz"}
    knobs = [knob | {"error": "no right to write it"}]
    daemon.documents["/edge/v1/budget"] = (200, governor(knobs=knobs))
    row = cli("budget").stdout.splitlines()[-1]
    assert row.split("  ") == ["cpufreq", "1.5 GHz", "2.4 GHz", "2.4 GHz", "no right to write it"]


@pytest.mark.parametrize("word", ["-3", "0", "nan", "inf", "much"])
def test_what_is_no_cap_is_wrong_usage(cli: Cli, word: str) -> None:
    result = cli("budget", f"--power={word}")
    assert result.exit_code == 2
    assert "neither a positive number nor none" in result.stderr
