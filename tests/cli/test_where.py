"""A command finds the daemon that its user means."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edge_rt.cli.exits import CommandFailure
from edge_rt.cli.options import daemon_socket
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


@pytest.fixture
def stranger(paths: Paths) -> int:
    """Another user than the one to whom the run directory belongs, which is not root's."""
    if os.geteuid() == 0:
        os.chown(paths.run, 12345, -1)
    return paths.run.stat().st_uid + 1


def test_a_directory_that_somebody_else_made_holds_no_daemon_of_ours(
    paths: Paths, system: Path, stranger: int
) -> None:
    paths.socket.touch()
    owner = paths.run.stat().st_uid
    assert daemon_socket(None, paths, system, uid=owner) == paths.socket
    with pytest.raises(CommandFailure, match=f"belongs to user {owner}.*--socket"):
        daemon_socket(None, paths, system, uid=stranger)
    system.touch()
    assert daemon_socket(None, paths, system, uid=stranger) == system


def test_the_systems_directory_is_the_services(paths: Paths, stranger: int) -> None:
    paths.socket.touch()
    assert daemon_socket(None, paths, paths.socket, uid=stranger) == paths.socket
