"""Every board gives a sensible report, and whatever is missing has its remedy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from patients import IDS, PI, Patient, commands, levels

from edge_rt.cli.doctor.finding import healthy

Make = Callable[..., Patient]
JETSONS = [board for board in IDS if not board.startswith(("pi", "x86"))]


@pytest.mark.parametrize("board", [*JETSONS, "x86"])
def test_nothing_needs_doing_on_a_board_that_can_be_read(patient: Make, board: str) -> None:
    found = patient(board).report()
    assert healthy(found)
    assert {f.level for f in found if f.id in ("config", "power", "temperature")} == {"ok"}


@pytest.mark.parametrize("board", ["pi4", "pi5"])
def test_a_pi_with_a_weak_supply_needs_nothing_but_a_better_one(patient: Make, board: str) -> None:
    found = patient(board).report()
    assert [f.id for f in found if f.level == "problem"] == ["throttling"]


@pytest.mark.parametrize("board", ["pi4", "pi5"])
def test_a_pi_that_is_well_fed_needs_nothing(patient: Make, board: str) -> None:
    well = patient(board)
    sysfs = well.tree.sysfs
    (sysfs / "devices/platform/soc/soc:firmware/get_throttled").write_text("0\n")
    next(sysfs.glob("class/hwmon/hwmon*/in0_lcrit_alarm")).write_text("0\n")
    found = well.report()
    assert healthy(found)
    assert levels(found)["throttling"] == "ok"


@pytest.mark.parametrize("board", IDS)
def test_every_board_is_recognised(patient: Make, board: str) -> None:
    machine = patient(board).machine()
    assert machine.board is not None
    assert machine.board.id == IDS[board]


def test_a_root_without_anything_has_problems_with_remedies(patient: Make) -> None:
    found = patient().report()
    worst = levels(found)
    assert (worst["board"], worst["temperature"]) == ("problem", "problem")
    assert all(f.remedy for f in found if f.level == "problem")
    assert "board: generic-arm64" in commands(found)


@pytest.mark.parametrize("board", [*IDS, None])
@pytest.mark.parametrize("user", [None, PI])
def test_every_problem_says_what_mends_it(patient: Make, board: str | None, user: object) -> None:
    how = {} if user is None else {"user": user}
    found = patient(board, **how).report()
    assert [f for f in found if f.level == "problem" and not f.remedy] == []


@pytest.mark.parametrize("board", [*IDS, None])
def test_files_that_vanish_or_hold_garbage_are_no_failed_check(
    patient: Make, board: str | None
) -> None:
    broken = patient(board)
    files = [path for path in sorted(broken.root.rglob("*")) if path.is_file()]
    for number, path in enumerate(files):
        path.write_bytes((b"", b"-1\n", b"\xff\xfe", b"nan", b"9" * 40)[number % 5])
    found = broken.report()
    assert [f.what for f in found if "check failed" in f.what] == []
    for path in files:
        path.unlink(missing_ok=True)
    assert [f.what for f in broken.report() if "check failed" in f.what] == []


def test_the_root_comes_from_the_configuration_when_nobody_names_one(patient: Make) -> None:
    board = patient("pi5")
    board.paths.config_file.write_text(f"sensors: {{root: {board.root}}}\n")
    machine = board.machine()
    machine._root = None
    assert machine.root == Path(board.root)
