"""Root's daemon does not spoil another's files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edge_rt.daemon.estate import check_estate, sole_estate
from edge_rt.errors import StateError


@pytest.fixture
def anothers(tmp_path: Path) -> Path:
    """The directory of a user who is not root."""
    if os.geteuid() == 0:
        os.chown(tmp_path, 12345, -1)
    return tmp_path


def test_root_keeps_nothing_in_the_directory_of_the_services_user(anothers: Path) -> None:
    owner = anothers.stat().st_uid
    with pytest.raises(StateError, match=f"{anothers} belongs to user {owner}.*STATE_DIRECTORY"):
        check_estate(anothers, uid=0)


def test_its_owner_uses_it_and_so_does_whoever_may(anothers: Path) -> None:
    for uid in (anothers.stat().st_uid, 54321):
        check_estate(anothers, uid=uid)


def test_one_that_is_not_there_yet_is_to_be_made(tmp_path: Path) -> None:
    check_estate(tmp_path / "state", uid=0)


def test_roots_own_is_roots() -> None:
    check_estate(Path("/etc"), uid=0)


def test_of_two_daemons_one_has_it(tmp_path: Path) -> None:
    state = tmp_path / "new" / "state"
    refused = pytest.raises(StateError, match=f"another daemon keeps its files in {state}: stop it")
    with sole_estate(state), refused, sole_estate(state):
        pass
    with sole_estate(state):
        pass


def test_one_that_cannot_be_written_is_nobody_s(tmp_path: Path) -> None:
    (tmp_path / "daemon.lock").mkdir()
    with sole_estate(tmp_path), sole_estate(tmp_path):
        pass
