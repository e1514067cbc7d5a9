"""Estimates are held against measurements of boards and models that they were not fitted to."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from evallib.published.estimate import Fitted, fit, leave_out, step_s
from evallib.published.table import TABLE, Measured, read
from evals.main import main

from edge_rt.board_model.roofline import GpuKernels

COLUMNS: Sequence[str] = (
    *("board", "mode", "model", "quant", "engine", "tok_s", "watts"),
    "conditions",
)
MODELS = ("Llama-3.1-8B", "Llama-3.2-1B", "SmolLM2-135M", "Gemma3-1B", "Qwen3-0.6B")
JETSONS = {
    "Jetson AGX Orin 64 GB": "MAXN",
    "Jetson AGX Orin 32 GB": "clocks locked (MAXN)",
    "Jetson AGX Thor 128 GB": "clocks locked",
    "Jetson Orin Nano Super 8 GB": "25W",
}
KERNELS = GpuKernels(weight_cycles=5.0, kv_cycles=40.0, layer_cycles=5e4, vocab_cycles=20.0)


def table(root: Path, rows: Iterator[dict[str, Any]] | list[dict[str, Any]]) -> Path:
    """A folder with a table of those rows."""
    path = root / TABLE
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, restval="")
        writer.writeheader()
        writer.writerows(rows)
    return root


def jetsons() -> Iterator[dict[str, Any]]:
    for board, mode in JETSONS.items():
        for model in MODELS:
            for quant in ("Q4_K_M", "Q8_0"):
                yield {
                    "board": board,
                    "mode": mode,
                    "model": model,
                    "quant": quant,
                    "engine": "llama.cpp CUDA",
                    "tok_s": 1.0,
                    "watts": 20.0,
                    "conditions": "2048 prompt + 256 new",
                }


def pis(**changes: object) -> Iterator[dict[str, Any]]:
    for board in ("Raspberry Pi 5 8 GB", "Raspberry Pi 5 16 GB", "Raspberry Pi 500 8 GB"):
        for model, speed in (("llama3.2:3b", 4.8), ("llama3.1:8b", 2.1)):
            row = {"board": board, "mode": "stock", "model": model, "engine": "Ollama CPU"}
            row |= {"quant": "Ollama default (Q4)", "tok_s": speed, "watts": 11.0}
            yield row | changes


def made(rows: list[Measured], fitted: Fitted) -> list[Measured]:
    """The rows with the speeds that they have by `fitted`."""
    return [replace(row, tokens_per_s=1.0 / step_s(row, fitted)) for row in rows]


def test_the_cycles_of_a_table_are_found_again(tmp_path: Path) -> None:
    rows = made(read(table(tmp_path, jetsons())), Fitted(kernels=KERNELS))
    found = fit(rows).kernels
    assert found.weight_cycles == pytest.approx(5.0, rel=0.05)
    assert found.kv_cycles == pytest.approx(40.0, rel=0.05)
    assert found.layer_cycles == pytest.approx(5e4, rel=0.05)
    assert found.vocab_cycles == pytest.approx(20.0, rel=0.1)
    assert all(one.speed == pytest.approx(1.0, rel=0.1) for one in leave_out(rows))


def test_a_row_is_not_estimated_by_rows_of_its_board_or_model(tmp_path: Path) -> None:
    rows = made(read(table(tmp_path, jetsons())), Fitted(kernels=KERNELS))
    nano, smol = "Jetson Orin Nano Super 8 GB", "SmolLM2-135M"
    odd = [
        replace(row, tokens_per_s=2.0 * row.tokens_per_s)
        if row.board == nano or row.model == smol
        else row
        for row in rows
    ]
    off = [one for one in leave_out(odd) if (one.row.board, one.row.model) == (nano, smol)]
    assert all(one.speed == pytest.approx(0.5, rel=0.1) for one in off)
    assert off


def test_joules_are_by_the_boards_watts_with_other_models_else_by_cycles(tmp_path: Path) -> None:
    rows = made(read(table(tmp_path, jetsons())), Fitted(kernels=KERNELS))
    drawn = [replace(row, watts=40.0 if row.model == "Gemma3-1B" else 20.0) for row in rows]
    for one in leave_out(drawn):
        expected = 0.5 if one.row.model == "Gemma3-1B" else 1.0
        assert one.joules == pytest.approx(expected, rel=0.1)
    only = [row for row in rows if row.model == "Gemma3-1B" or "Thor" not in row.board]
    thor = next(one for one in leave_out(only) if "Thor" in one.row.board)
    assert thor.watts is not None
    assert thor.watts > 13.03  # what the board draws idle


def test_rows_of_other_engines_and_drafts_are_left_out(tmp_path: Path) -> None:
    rows = list(pis())
    rows += [rows[0] | {"engine": "vLLM"}, rows[0] | {"quant": "Q4_K_M + 1B draft"}]
    assert len(read(table(tmp_path, rows))) == 6


def test_the_command_tells_errors_of_all_and_of_each_board(tmp_path: Path) -> None:
    rows = [*pis(), next(pis(tok_s=24.0, board="Raspberry Pi 500+ 16 GB"))]
    rows.append(rows[0] | {"model": "Qwen_Qwen3.5-2B-bf16", "quant": "bf16", "watts": ""})
    data, out = table(tmp_path, rows), tmp_path / "out.json"
    words = ["suggest", "--data", str(data), "--json", str(out), "--md", str(tmp_path / "out.md")]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, result.output
    document = json.loads(out.read_text())
    assert document["suggest_speed_error"] < 0.2
    assert document["suggest_joules_error"] < 0.2
    assert 4.0 < document["suggest_speed_worst"] < 6.0  # the 500+ that is five times as fast
    names = [row["name"] for row in document["tasks"]["boards"]["ways"]]
    assert names[0] == "all"
    assert names[-1] == "BF16 on a Raspberry Pi"
    assert "Raspberry Pi 500+ 16 GB" in (tmp_path / "out.md").read_text()


@pytest.mark.parametrize(
    ("row", "said"), [({"model": "Nobody-7B"}, "Nobody-7B"), ({"board": "Abacus"}, "Abacus")]
)
def test_a_row_that_is_not_known_is_named(tmp_path: Path, row: dict[str, str], said: str) -> None:
    data = table(tmp_path, list(pis(**row)))
    words = ["suggest", "--data", str(data), "--json", str(tmp_path / "out.json")]
    result = CliRunner().invoke(main, words)
    assert result.exit_code != 0
    assert said in str(result.output) + str(result.exception)
