"""`doctor` reads the board itself, with or without a daemon, and its exit code is its verdict."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from edge_rt.cli.local.doctor import CHECKS
from edge_rt.cli.options import installation
from edge_rt.config.paths import Paths

Cli = Any
Daemon = Any


@pytest.fixture
def root(tmp_path: Path, environ: dict[str, str]) -> Path:
    """An empty root, and an installation of its own."""
    environ["STATE_DIRECTORY"] = str(tmp_path / "state")
    (tmp_path / "board" / "proc").mkdir(parents=True)
    return tmp_path / "board"


def test_a_root_without_a_board_is_a_failure_with_remedies(cli: Cli, root: Path) -> None:
    result = cli("doctor", "--sensors-root", str(root))
    assert result.exit_code == 1
    assert "\x1b" not in result.stdout
    assert "FIX   board" in result.stdout
    assert "edge-rt models pull" in result.stdout
    assert result.stdout.splitlines()[-1].endswith("to mend: see FIX.")


def test_an_empty_root_is_one_finding_and_no_advice_for_hardware(cli: Cli, root: Path) -> None:
    (root / "proc").rmdir()
    told = json.loads(cli("doctor", "--sensors-root", str(root), "--json").stdout)
    ids = [check["id"] for check in told["checks"]]
    assert ids == ["config", "board", "models", "user", "daemon"]
    [board] = [check for check in told["checks"] if check["id"] == "board"]
    assert board["level"] == "problem"
    assert f"edge-rt twin --dir {root}" in board["remedy"]


def test_a_simulated_board_needs_no_kernel(cli: Cli, root: Path) -> None:
    result = cli("doctor", "--sensors-root", str(root))
    assert result.stdout
    for words in ("reboot", "kernel and device tree", "modprobe"):
        assert words not in result.stdout


def test_json_is_one_object(cli: Cli, root: Path) -> None:
    result = cli("doctor", "--sensors-root", str(root), "--json")
    told = json.loads(result.stdout)
    assert (result.exit_code, told["ok"]) == (1, False)
    assert {check["id"] for check in told["checks"]} >= {"config", "board", "power", "daemon"}
    assert {tuple(check) for check in told["checks"]} == {("id", "level", "what", "remedy")}


def test_a_daemon_that_answers_is_told_of(cli: Cli, root: Path, daemon: Daemon) -> None:
    daemon.documents["/health"] = (200, {"status": "ok", "proof": "the decode loop answers"})
    result = cli("doctor", "--sensors-root", str(root), "--socket", str(daemon.path))
    assert "the decode loop answers" in result.stdout


def test_a_faulty_configuration_is_a_finding_not_an_end(cli: Cli, root: Path) -> None:
    file = root / "config.yaml"
    file.write_text("engine: {threads: many}\n")
    result = cli("doctor", "--sensors-root", str(root), "--config", str(file))
    assert result.exit_code == 1
    assert "engine.threads" in result.stdout
    assert "power" in result.stdout


def test_the_systems_socket_means_the_systems_installation() -> None:
    assert installation(Paths.system().socket) == Paths.system()


def test_every_check_has_a_name_of_its_own() -> None:
    assert len({name for name, _ in CHECKS}) == len(CHECKS)


def test_no_http_client_is_loaded_where_there_is_no_daemon() -> None:
    code = "import edge_rt.cli.local.doctor, sys; sys.exit('httpx' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
