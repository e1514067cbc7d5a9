"""What a daemon says of itself and of the board is held against what is found here."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from patients import PI, Patient, commands
from tiny_file import tiny_model

from edge_rt.cli.doctor.check_daemon import check_daemon, check_daemons_board
from edge_rt.cli.doctor.check_installation import check_models
from edge_rt.cli.doctor.finding import examine
from edge_rt.cli.doctor.machine import ExaminedMachine
from edge_rt.cli.local.doctor import CHECKS
from edge_rt.models.catalogue import load_catalogue
from edge_rt.models.store.store import Store

Make = Callable[..., Patient]
Daemon = Any  # the scripted daemon of tests/cli/conftest.py

SUPPLY = {"rails": ["package-0"], "covers": "package", "quality": "measured", "power_w": 9.5}


def report(at: Patient, **changed: object) -> dict[str, object]:
    return {
        "board": {"id": "generic-x86", "name": "x", "by": "x", "confidence": "generic"},
        "root": str(at.root),
        "simulated": False,
        "supply": SUPPLY,
        "channels": [{"name": "package-0", "kind": "power_w", "value": 9.5, "error": None}],
        "not_read": [],
    } | changed


def machine(board: Patient, daemon: Daemon, **how: Any) -> ExaminedMachine:
    return board.machine(socket=daemon.path, **how)


def test_without_a_daemon_it_is_told_how_to_start_one(patient: Make) -> None:
    board = patient("x86")
    (found,) = board.says(check_daemon)
    assert (found.level, found.remedy) == ("note", ("edge-rt serve",))
    board.paths.socket.parent.mkdir()
    board.paths.socket.touch()  # left behind by one that is gone
    (found,) = board.says(check_daemon)
    assert found.level == "note"
    assert board.says(check_daemons_board) == []


def test_a_daemon_proves_its_health_or_fails_to(patient: Make, daemon: Daemon) -> None:
    board = patient("x86")
    daemon.documents["/health"] = (200, {"status": "ok", "proof": "one token made"})
    (found,) = check_daemon(machine(board, daemon))
    assert (found.level, "one token made" in found.what) == ("ok", True)
    daemon.documents["/health"] = (503, {"error": {"message": "the engine is gone"}})
    (found,) = check_daemon(machine(board, daemon))
    assert (found.level, "the engine is gone" in found.what) == ("problem", True)
    assert found.remedy


@pytest.fixture
def mute(tmp_path: Path) -> Iterator[socket.socket]:
    """Return what listens, as systemd does for a daemon that cannot start, and says nothing."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "mute.sock"))
        listener.listen()
        listener.setblocking(False)
        yield listener


def test_a_daemon_that_says_nothing_is_asked_once(patient: Make, mute: socket.socket) -> None:
    board = patient("x86")
    silent = board.machine(socket=Path(mute.getsockname()), patience_s=0.05)
    found = list(examine(silent, CHECKS))
    (told,) = [f for f in found if f.id == "daemon"]
    assert (told.level, "does not answer" in told.what) == ("problem", True)
    mute.accept()[0].close()
    with pytest.raises(BlockingIOError):
        mute.accept()


def test_a_daemon_that_reads_what_is_read_here(patient: Make, daemon: Daemon) -> None:
    board = patient("x86")
    daemon.documents["/edge/v1/board"] = (200, report(board))
    (found,) = check_daemons_board(machine(board, daemon))
    assert (found.level, "package-0" in found.what) == ("ok", True)


def test_a_daemon_that_is_still_looking_is_not_judged(patient: Make, daemon: Daemon) -> None:
    board = patient("x86")
    early = report(board, board=None, supply=None, looking=True)
    daemon.documents["/edge/v1/board"] = (200, early)
    (found,) = check_daemons_board(machine(board, daemon))
    assert (found.level, "still looking" in found.what) == ("note", True)


@pytest.mark.parametrize("supply", [None, SUPPLY | {"rails": ["board"], "quality": "modelled"}])
def test_a_daemon_without_the_right_to_the_counters(
    patient: Make, daemon: Daemon, supply: object
) -> None:
    board = patient("x86", user=PI)
    (board.root / "etc/systemd/system").mkdir(parents=True)
    (board.root / "etc/systemd/system/edge-rt.service").touch()
    daemon.documents["/edge/v1/board"] = (200, report(board, supply=supply))
    (found,) = check_daemons_board(machine(board, daemon))
    assert found.level == "problem"
    assert "chgrp edge-rt /sys%p/energy_uj" in commands([found])
    assert found.remedy[-1] == "sudo systemctl restart edge-rt"


def test_a_daemon_without_the_right_to_the_mailbox(patient: Make, daemon: Daemon) -> None:
    board = patient("pi5", user=PI)
    pi = {"id": "raspberry-pi-5"}
    daemon.documents["/edge/v1/board"] = (200, report(board, supply=None, board=pi))
    (found,) = check_daemons_board(machine(board, daemon))
    assert "sudo usermod -aG video edge-rt" in found.remedy


def test_what_may_not_be_read_here_is_no_problem_while_the_daemon_reads_it(
    patient: Make, daemon: Daemon
) -> None:
    from edge_rt.cli.doctor.check_power import check_power

    board = patient("pi5", user=PI)
    for file in (board.tree.dev / "vcio").iterdir():
        file.unlink()

    def access(path: object, mode: int) -> bool:
        return path != board.tree.dev / "vcio"

    daemon.documents["/edge/v1/board"] = (200, report(board))
    found = list(check_power(machine(board, daemon, access=access)))
    assert [f.level for f in found] == ["note"]
    assert "but the daemon can" in found[0].what


def test_the_models_are_the_daemons_where_one_answers(patient: Make, daemon: Daemon) -> None:
    board = patient("x86")
    (found,) = check_models(machine(board, daemon))
    assert found.level == "problem"  # it has no list of models
    daemon.documents["/v1/models"] = (200, {"object": "list", "data": [{"id": "tiny"}]})
    (found,) = check_models(machine(board, daemon))
    assert (found.level, found.what) == ("ok", "the daemon has tiny")


def test_a_model_that_the_daemon_cannot_load_is_a_problem(
    patient: Make, daemon: Daemon, tmp_path: Path
) -> None:
    board, file = patient("x86"), tmp_path / "m.gguf"
    file.write_bytes(tiny_model())
    store = Store(board.paths.state / "models", load_catalogue([]))
    entries = [store.add(file, id) for id in ("another", "tiny")]
    daemon.documents["/v1/models"] = (200, {"object": "list", "data": [{"id": "tiny"}]})
    assert [f.level for f in check_models(machine(board, daemon))] == ["ok"]
    for entry in entries:
        entry.path.write_bytes(entry.path.read_bytes()[:-1] + b"x")
    found, served = check_models(machine(board, daemon))
    assert (found.level, "tiny cannot be loaded" in found.what) == ("problem", True)
    assert (served.level, served.what) == ("ok", "the daemon has tiny")


def test_a_simulated_board_is_no_lack_of_rights(patient: Make, daemon: Daemon) -> None:
    board = patient("x86")
    supply = SUPPLY | {"quality": "modelled"}
    said = report(board, simulated=True, supply=supply)
    daemon.documents["/edge/v1/board"] = (200, said)
    assert [f.level for f in check_daemons_board(machine(board, daemon))] == ["note", "ok"]


def test_a_supply_that_the_daemon_cannot_read_is_a_problem_with_its_reason(
    patient: Make, daemon: Daemon
) -> None:
    board = patient("x86")
    silent = {"name": "package-0", "kind": "power_w", "value": None, "error": "energy_uj: ENOENT"}
    volts = silent | {"kind": "voltage_v", "error": "another"}
    supply = SUPPLY | {"power_w": None}
    said = report(board, channels=[volts, silent], supply=supply)
    daemon.documents["/edge/v1/board"] = (200, said)
    (found,) = [f for f in check_daemons_board(machine(board, daemon)) if f.level == "problem"]
    told = "the daemon cannot read 2 of 2 figures now, such as package-0: energy_uj: ENOENT"
    assert found.what == told


def test_another_board_and_figures_that_fail(patient: Make, daemon: Daemon) -> None:
    board = patient("x86")
    failing = [{"name": "gpu\x1b[2J", "value": None, "error": "temp: EAGAIN"}]
    said = report(board, board=None, channels=failing)
    daemon.documents["/edge/v1/board"] = (200, said)
    found = list(check_daemons_board(machine(board, daemon)))
    assert [f.level for f in found] == ["note", "ok", "note"]
    assert "1 of 1 figures" in found[2].what


def test_a_daemon_of_another_root_is_not_compared(patient: Make, daemon: Daemon) -> None:
    board = patient("x86")
    daemon.documents["/edge/v1/board"] = (200, report(board, root="/elsewhere", supply=None))
    assert list(check_daemons_board(machine(board, daemon))) == []


def test_a_daemon_that_reads_a_simulated_board_in_place_of_this_one_is_told(
    patient: Make, daemon: Daemon
) -> None:
    board = patient("x86")
    said = report(board, root="/twin", simulated=True, board={"id": "raspberry-pi-5"})
    daemon.documents["/edge/v1/board"] = (200, said)
    (found,) = check_daemons_board(machine(board, daemon))
    assert found.level == "note"
    assert "simulated raspberry-pi-5 at /twin" in found.what


def test_an_empty_store_of_the_daemon_counts_and_not_a_full_one_here(
    patient: Make, daemon: Daemon, tmp_path: Path
) -> None:
    board, file = patient("x86"), tmp_path / "m.gguf"
    file.write_bytes(tiny_model())
    Store(board.paths.state / "models", load_catalogue([])).add(file, "tiny")
    daemon.documents["/v1/models"] = (200, {"object": "list", "data": []})
    daemon.documents["/edge/v1/status"] = (200, {"store": "/other/models"})
    (found,) = check_models(machine(board, daemon))
    assert found.level == "problem"
    assert "/other/models" in found.what
    assert "edge-rt models pull --store /other/models" in commands([found])
