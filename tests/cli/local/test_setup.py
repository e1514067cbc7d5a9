"""`setup` refuses options that do not go together, and changes nothing unasked."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from edge_rt.testing.board import FakeBoard

Cli = Callable[..., Result]


@pytest.fixture
def pi(tmp_path: Path, environ: dict[str, str]) -> str:
    """The tree of a simulated Raspberry Pi 5, in an installation without a model."""
    environ["STATE_DIRECTORY"] = str(tmp_path / "state")
    environ["HF_ENDPOINT"] = "http://127.0.0.1:9"  # where nobody listens
    board = FakeBoard(tmp_path / "tree")
    board.host()
    board.memory(8_256_000, 7_000_000)
    board.write(board.proc / "device-tree", {"model": "Raspberry Pi 5 Model B Rev 1.0\0"})
    return str(tmp_path / "tree")


def test_json_is_for_what_would_be_done(cli: Cli) -> None:
    result = cli("setup", "--json")
    assert result.exit_code == 2
    assert "--json needs --dry-run" in result.stderr


def test_without_a_terminal_it_wants_a_word_first(
    cli: Cli, pi: str, environ: dict[str, str]
) -> None:
    result = cli("setup", "--sensors-root", pi)
    assert result.exit_code == 2
    assert "use --yes or --dry-run" in result.stderr
    assert "Will change:" in result.stdout
    assert not (Path(environ["CONFIGURATION_DIRECTORY"]) / "config.yaml").exists()


def test_a_dry_run_names_board_model_and_cap(cli: Cli, pi: str) -> None:
    told = json.loads(cli("setup", "--sensors-root", pi, "--dry-run", "--json").stdout)
    assert [change["kind"] for change in told["changes"]] == ["file", "model"]
    assert "budget: {power_w: 20.2}" in told["changes"][0]["after"]
    assert "SmolLM3" in told["changes"][1]["name"]
    assert any("edge-rt calibrate --quick" in note for note in told["notes"])


def test_it_is_done_once(cli: Cli, pi: str, environ: dict[str, str]) -> None:
    config = Path(environ["CONFIGURATION_DIRECTORY"]) / "config.yaml"
    result = cli("setup", "--sensors-root", pi, "--yes", "--model", "none")
    assert result.exit_code == 0, result.output
    assert "budget: {power_w: 20.2}" in config.read_text()
    assert cli("check-config").exit_code == 0
    assert "Nothing to change." in cli("setup", "--sensors-root", pi, "--model", "none").stdout
