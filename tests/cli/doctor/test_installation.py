"""Configuration, profiles, models and rights."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from patients import PI, Patient, commands, denied, levels
from tiny_file import tiny_model

from edge_rt.cli.doctor.check_daemon import check_user
from edge_rt.cli.doctor.check_installation import check_board, check_configuration, check_models
from edge_rt.models.catalogue import load_catalogue
from edge_rt.models.store.store import Store

Make = Callable[..., Patient]


def model(path: Path) -> Path:
    """A model at `path`."""
    path.write_bytes(tiny_model())
    return path


def test_every_fault_of_the_configuration_is_a_problem(patient: Make) -> None:
    board = patient("pi5")
    assert [f.level for f in board.says(check_configuration)] == ["ok"]
    file = board.paths.config_file
    file.write_text("engine:\n  threads: many\nlogs: {}\n")
    found = board.says(check_configuration)
    assert [f.level for f in found] == ["problem", "problem"]
    assert found[0].remedy == (f"nano +2 {file}",)
    assert board.says(check_configuration, access=denied(file), user=PI)[0].remedy == (
        f"sudo nano +2 {file}",
    )


def test_what_keeps_the_daemon_from_starting_is_no_valid_configuration(patient: Make) -> None:
    board = patient("pi5")
    file = board.paths.config_file
    file.write_text("access:\n  generate: {users: [nobody-here]}\n")
    (found,) = board.says(check_configuration)
    assert (found.level, "no user 'nobody-here'" in found.what) == ("problem", True)
    file.write_text("router:\n  rules: none.yaml\n")  # an option that is gone is only told
    (found,) = board.says(check_configuration)
    assert found.level == "ok"


def test_files_of_any_name_can_be_mended(patient: Make) -> None:
    board = patient("pi5")
    boards = board.etc / "boards.d"
    boards.mkdir()
    odd = boards / "My Board's.yaml"
    odd.write_text("name: 3\n")
    found = [f for f in board.says(check_configuration) if f.level == "problem"]
    assert {shlex.split(f.remedy[0])[-1] for f in found} == {str(odd)}
    for folder in (board.paths.config_file, boards / "folder.yaml"):
        folder.mkdir()
        (remedy,) = {f.remedy for f in board.says(check_configuration) if str(folder) in f.what}
        assert remedy == (f"# {folder} is a directory: move it away",)


def test_the_advice_holds_in_every_directory(
    patient: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("+5.yaml").write_text("logs: {}\n")  # which an editor would take for a line number
    (found,) = patient().says(check_configuration, config_file=Path("+5.yaml"))
    assert found.remedy == (f"nano +1 {tmp_path}/+5.yaml",)


def test_a_store_of_any_name_can_be_filled(patient: Make) -> None:
    board = patient("pi5")
    store = board.place / "my models"
    board.paths.config_file.write_text(f"models: {{store: {store}}}\n")
    (found,) = board.says(check_models)
    assert shlex.split(found.remedy[0])[-2:] == ["--store", str(store)]


def test_a_named_configuration_that_is_missing_is_a_problem(patient: Make, tmp_path: Path) -> None:
    (found,) = patient().says(check_configuration, config_file=tmp_path / "absent.yaml")
    assert (found.level, "absent.yaml" in found.what) == ("problem", True)


def test_a_users_faulty_profile_is_a_problem(patient: Make) -> None:
    board = patient("pi5")
    (board.etc / "boards.d").mkdir()
    (board.etc / "boards.d" / "mine.yaml").write_text("name: Mine\nrails: 3\n")
    found = board.says(check_configuration)
    assert any(f.level == "problem" and "mine.yaml" in f.what for f in found)


def test_a_board_of_another_kind_and_an_unknown_one(patient: Make) -> None:
    board = patient("pi5")
    board.paths.config_file.write_text("board: raspberry-pi-4b\n")
    assert [f.level for f in board.says(check_board)] == ["ok", "note"]
    board.paths.config_file.write_text("board: pie\n")
    found = board.report()
    assert {"config", "board"} <= {f.id for f in found if f.level == "problem"}


def test_a_relative_of_a_known_board_is_noted(patient: Make) -> None:
    board = patient("pi5")
    tree = board.root / "proc" / "device-tree"
    (tree / "compatible").write_bytes(b"raspberrypi,500\0brcm,bcm2712\0")
    (found,) = board.says(check_board)
    assert (found.level, "of its family" in found.what) == ("note", True)
    assert "may extend raspberry-pi-5" in found.remedy[0]


def test_a_root_that_is_no_board(patient: Make) -> None:
    board = patient()
    board.tree.proc.rmdir()
    (found,) = board.says(check_board)
    assert (found.level, "has no proc" in found.what) == ("problem", True)
    shutil.rmtree(board.tree.sysfs)
    (found,) = board.says(check_board)
    assert (found.level, "nothing of a board" in found.what) == ("problem", True)


def test_models_that_are_missing_damaged_and_there(patient: Make, tmp_path: Path) -> None:
    board = patient("pi5", user=PI)
    (found,) = board.says(check_models)
    root = board.paths.state / "models"
    pull = "edge-rt models pull"
    assert (found.level, found.remedy) == ("problem", (pull,))
    entry = Store(root, load_catalogue([])).add(model(tmp_path / "m.gguf"), "tiny")
    assert [f.level for f in board.says(check_models)] == ["ok"]
    board.paths.config_file.write_text("models: {default: other, preload: [tiny]}\n")
    assert [f.level for f in board.says(check_models)] == ["problem", "ok"]
    entry.path.write_bytes(b"short")
    found = board.says(check_models)[1]
    assert (found.level, "tiny cannot be loaded" in found.what) == ("problem", True)
    assert "edge-rt models remove tiny" in commands([found])
    (found,) = board.says(check_models, access=denied(root))
    assert found.level == "note"
    shutil.rmtree(root)  # as it looks in a state directory that is closed
    (found,) = board.says(check_models, access=denied(root.parent))
    assert found.level == "note"


def test_whose_socket_it_is(patient: Make) -> None:
    board = patient("pi5", user=PI)
    socket = board.paths.socket
    assert levels(board.says(check_user)) == {"user": "ok"}
    socket.parent.mkdir()
    socket.touch()
    found = board.says(check_user, access=denied(socket))
    assert [f.level for f in found] == ["ok", "problem"]
    assert "usermod -aG edge-rt pi" in commands(found)
