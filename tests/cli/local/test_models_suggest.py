"""`models suggest` names models for this board or another, with their costs, and how to pull."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from edge_rt.testing.board import FakeBoard

Cli = Callable[..., Result]


@pytest.fixture
def pi(tmp_path: Path) -> Path:
    """The tree of a Raspberry Pi 5 with 8 GB."""
    board = FakeBoard(tmp_path / "tree")
    board.host()
    board.memory(8_256_000, 7_000_000)
    board.write(board.proc / "device-tree", {"model": "Raspberry Pi 5 Model B Rev 1.0\0"})
    return tmp_path / "tree"


def test_the_board_at_hand_gets_what_fits_its_memory(cli: Cli, pi: Path) -> None:
    result = cli("models", "suggest", "--sensors-root", str(pi))
    rows = [row for row in result.stdout.splitlines() if row.startswith("* ")]
    assert len(rows) == 1
    assert "SmolLM3" in rows[0]
    assert result.stdout.splitlines()[-1] == (
        "edge-rt models pull hf:bartowski/HuggingFaceTB_SmolLM3-3B-GGUF:Q4_K_M"
    )
    assert "Raspberry Pi 5, 7.87 GiB of memory: estimated from the board's profile" in (
        result.stderr
    )


def test_the_board_is_the_one_that_the_daemon_serves(
    cli: Cli, pi: Path, daemon: Any, environ: dict[str, str]
) -> None:
    served = {"id": "raspberry-pi-5", "name": "Raspberry Pi 5"}
    daemon.documents["/edge/v1/board"] = (200, {"root": str(pi), "board": served})
    told = "Raspberry Pi 5, 7.87 GiB of memory"
    assert told in cli("models", "suggest").stderr
    # A profile that the daemon was told, too, and not what the tree looks like.
    daemon.documents["/edge/v1/board"][1]["board"]["id"] = "raspberry-pi-4b"
    assert "Raspberry Pi 4 Model B, 7.87 GiB" in cli("models", "suggest").stderr
    named = str(environ["CONFIGURATION_DIRECTORY"])
    assert "An unknown board" in cli("models", "suggest", "--sensors-root", named).stderr


def test_setup_describes_the_board_that_the_daemon_serves(cli: Cli, pi: Path, daemon: Any) -> None:
    daemon.documents["/edge/v1/board"] = (200, {"root": str(pi), "simulated": True})
    told = cli("setup", "--dry-run", "--model", "none").stdout
    assert "Raspberry Pi 5 (raspberry-pi-5)" in told


def test_json_has_every_figure(cli: Cli, pi: Path) -> None:
    words = ("models", "suggest", "--sensors-root", str(pi), "--task", "code", "--json")
    document = json.loads(cli(*words).stdout)
    assert document["board"] == "Raspberry Pi 5"
    assert document["memory_bytes"] == 8_256_000 * 1024
    assert [model["best"] for model in document["models"]] == [False, True, False]
    best = document["models"][1]
    assert best["command"] == f"edge-rt models pull {best['name']}"
    assert {"size_bytes", "memory_bytes", "licence", "seconds", "energy_j", "basis"} <= set(best)


@pytest.mark.parametrize(("memory", "names"), [("1", ["smollm2-135m-instruct"]), ("0.25", [])])
def test_little_memory_gets_small_models_or_none(cli: Cli, memory: str, names: list[str]) -> None:
    words = ("models", "suggest", "--board", "raspberry-pi-4b", "--memory", memory)
    result = cli(*words, "--task", "chat")
    named = [line.split()[-1] for line in result.stdout.splitlines() if " pull " in line]
    assert named == names
    assert names or "No model of the list fits Raspberry Pi 4 Model B" in result.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--board", "abacus"), "known are generic-arm64"),
        (("--board", "generic-x86"), "name it with --memory"),
        (("--task", "poetry"), "'poetry' is not one of"),
    ],
)
def test_what_cannot_be_asked_is_refused_by_name(
    cli: Cli, words: tuple[str, ...], said: str
) -> None:
    result = cli("models", "suggest", *words)
    assert result.exit_code == 2
    assert said in result.stderr
