"""A command finds the daemon that its user means."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_rt.cli.where import daemon_socket
from edge_rt.config.paths import Paths


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    (tmp_path / "run").mkdir()
    return Paths(tmp_path / "run", tmp_path / "state", tmp_path / "config.yaml", tmp_path / "cache")


@pytest.fixture
def system(tmp_path: Path) -> Path:
    return tmp_path / "system.sock"


def test_the_named_one_counts_whether_it_is_there_or_not(paths: Paths, system: Path) -> None:
    paths.socket.touch()
    assert daemon_socket(Path("/named"), paths, system) == Path("/named")


def test_then_the_users_own(paths: Paths, system: Path) -> None:
    paths.socket.touch()
    system.touch()
    assert daemon_socket(None, paths, system) == paths.socket


def test_then_the_systems(paths: Paths, system: Path) -> None:
    system.touch()
    assert daemon_socket(None, paths, system) == system


def test_when_there_is_none_the_users_own_is_told_of(paths: Paths, system: Path) -> None:
    assert daemon_socket(None, paths, system) == paths.socket


def test_the_users_own_is_where_the_configuration_puts_it(paths: Paths, system: Path) -> None:
    paths.config_file.write_text(f"socket: {{path: {paths.state}}}")
    paths.state.touch()
    system.touch()
    assert daemon_socket(None, paths, system) == paths.state


def test_a_faulty_configuration_is_the_daemons_affair(paths: Paths, system: Path) -> None:
    paths.config_file.write_text("[]")
    assert daemon_socket(None, paths, system) == paths.socket


def test_a_place_that_cannot_be_looked_at_holds_no_socket(paths: Paths, system: Path) -> None:
    system.touch()
    lost = Paths(Path("/" + "x" * 300), paths.state, paths.config_file, paths.cache)
    assert daemon_socket(None, lost, system) == system
    assert daemon_socket(None, paths, lost.run) == paths.socket
