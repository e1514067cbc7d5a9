from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

from benchlib import machine
from benchlib.noise import Sample
from benchlib.report import Report, Row, row_ratios, row_values, verdict
from rich.console import Console

QUIET = Sample("round 1 ours", {0: 1.0}, 0.0, 0.0, 0.0)
LOUD = Sample("round 1 peer", {0: 1.0}, 0.0, 1.0, 0.0)
ROWS = (
    Row("decode_1", "decode", "tok/s", [10.0, 12.0, 11.0], [20.0, 22.0, 44.0]),
    Row("ttft_1", "first token", "s", [], [0.1], less_is_better=True),
)


def report() -> Report:
    values = {**row_values(ROWS), "front_rss_mb": 40.0, "ready_s": None}
    ratios = row_ratios(ROWS)
    return Report(
        name="serve",
        values=values,
        about={"cores": 2},
        samples=[QUIET, LOUD],
        rows=ROWS,
        ratios=ratios,
        notes=["a note"],
    )


def test_the_json_has_exactly_the_agreed_keys_and_plain_numbers(tmp_path: Path) -> None:
    file = tmp_path / "out.json"
    report().write_json(file)
    found = json.loads(file.read_text())
    assert list(found) == ["name", "commit", "machine", "noise", "values", "ratios"]
    assert found["ratios"] == {"decode_1": 0.5, "ttft_1": None}
    assert found["values"]["decode_1_ours"] == 11.0
    assert found["values"]["decode_1_peer"] == 22.0
    assert found["values"]["decode_1_ratio_min"] == 0.25
    assert found["values"]["front_rss_mb"] == 40.0
    assert found["values"]["ttft_1_ours"] is None
    assert found["noise"]["noisy"] is True
    assert found["noise"]["noisy_rounds"] == ["round 1 peer"]


def test_details_are_in_the_json_where_there_are_any(tmp_path: Path) -> None:
    file = tmp_path / "out.json"
    replace(report(), details={"cap": {"cases": [1, 2]}}).write_json(file)
    assert json.loads(file.read_text())["details"] == {"cap": {"cases": [1, 2]}}


def test_the_print_shows_both_sides_their_spread_the_ratio_and_the_noise() -> None:
    out = io.StringIO()
    report().print(Console(file=out, width=150))
    text = out.getvalue()
    for part in ("11 (10 to 12, n 3)", "22 (20 to 44, n 3)", "0.500", "0.50 0.55 0.25"):
        assert part in text
    for part in ("less is better", "not measured", "a note", "NOISY", "round 1 peer"):
        assert part in text


def test_a_quiet_machine_is_called_quiet() -> None:
    assert "quiet" in verdict([QUIET])[0]


def test_of_a_machine_that_was_not_watched_nothing_is_said() -> None:
    assert verdict([]) == []


def test_a_machine_that_tells_little_is_described_with_none(tmp_path: Path) -> None:
    found = machine.describe(tmp_path)
    assert found["cpu"] is None
    assert found["board"] is None
    assert found["memory_mb"] is None


def test_board_cpu_and_memory_are_read(tmp_path: Path) -> None:
    (tmp_path / "proc/device-tree").mkdir(parents=True)
    (tmp_path / "proc/device-tree/model").write_text("A Board Rev 1\0")
    (tmp_path / "proc/cpuinfo").write_text("processor\t: 0\nmodel name\t: A CPU\n")
    (tmp_path / "proc/meminfo").write_text("MemTotal:  2048000 kB\nMemFree: 1 kB\n")
    found = machine.describe(tmp_path)
    assert (found["board"], found["cpu"], found["memory_mb"]) == ("A Board Rev 1", "A CPU", 2000)


def test_outside_of_git_there_is_no_commit(tmp_path: Path) -> None:
    assert machine.commit(tmp_path) is None
