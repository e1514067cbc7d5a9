"""Root's daemon does not spoil another's files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edge_rt.core.errors import StateError
from edge_rt.server.state_directory import check_state_directory, state_directory


@pytest.fixture
def anothers(tmp_path: Path) -> Path:
    """The directory of a user who is not root."""
    if os.geteuid() == 0:
        os.chown(tmp_path, 12345, -1)
    return tmp_path


def test_root_keeps_nothing_in_the_directory_of_the_services_user(anothers: Path) -> None:
    owner = anothers.stat().st_uid
    with pytest.raises(StateError, match=f"{anothers} belongs to user {owner}.*STATE_DIRECTORY"):
        check_state_directory(anothers, uid=0)


def test_its_owner_uses_it_and_so_does_root_s_helper(anothers: Path) -> None:
    check_state_directory(anothers, uid=anothers.stat().st_uid)
    check_state_directory(Path("/etc"), uid=54321)


def test_nobody_uses_that_of_another_user(anothers: Path) -> None:
    owner = anothers.stat().st_uid
    with pytest.raises(StateError, match=f"belongs to user {owner}, .*give .* to user 54321"):
        check_state_directory(anothers, uid=54321)


@pytest.mark.parametrize("mode", [0o777, 0o703, 0o1777])
def test_one_that_everybody_may_write_to_is_refused(tmp_path: Path, mode: int) -> None:
    tmp_path.chmod(mode)
    why = rf"every user can write to {tmp_path} \(mode {mode:04o}\).*chmod 0700"
    with pytest.raises(StateError, match=why), state_directory(tmp_path):
        pass
    assert tmp_path.stat().st_mode & 0o7777 == mode, "it is left as it was"


def modes(*paths: Path) -> list[int]:
    return [path.stat().st_mode & 0o777 for path in paths]


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_a_new_one_is_closed_to_others(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        with state_directory(tmp_path / "state"):
            assert modes(tmp_path / "state") == [0o700]
    finally:
        os.umask(before)


def test_one_of_before_is_closed_to_others(tmp_path: Path) -> None:
    tmp_path.chmod(0o775)
    with state_directory(tmp_path):
        assert modes(tmp_path) == [0o700]


def test_one_that_is_not_there_yet_is_to_be_made(tmp_path: Path) -> None:
    check_state_directory(tmp_path / "state", uid=0)


def test_roots_own_is_roots() -> None:
    check_state_directory(Path("/etc"), uid=0)


def test_of_two_daemons_one_has_it(tmp_path: Path) -> None:
    state = tmp_path / "new" / "state"
    refused = pytest.raises(StateError, match=f"another daemon keeps its files in {state}: stop it")
    with state_directory(state), refused, state_directory(state):
        pass
    with state_directory(state):
        pass


def test_one_that_cannot_be_written_is_nobody_s(tmp_path: Path) -> None:
    (tmp_path / "daemon.lock").mkdir()
    with state_directory(tmp_path), state_directory(tmp_path):
        pass
