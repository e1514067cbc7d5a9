"""On every board set-up changes what it says, and finds nothing more to change."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from patients import IDS, PI, denied
from sites import Site

from edge_rt.cli.exits import BadConfig, CommandFailure

Make = Callable[..., Site]


@pytest.mark.parametrize("board", IDS)
def test_what_is_changed_is_changed_once(site: Make, board: str) -> None:
    here = site(board)
    assert here.setup() == 0
    after = here.state
    assert here.setup() == 0
    assert here.state == after


@pytest.mark.parametrize("board", IDS)
def test_a_dry_run_tells_all_and_changes_nothing(
    site: Make, board: str, capsys: pytest.CaptureFixture[str]
) -> None:
    here = site(board)
    before = here.state
    assert here.setup(dry_run=True, as_json=True) == 0
    told = json.loads(capsys.readouterr().out)
    assert here.state == before
    assert here.groups.ran == []
    here.setup(dry_run=True)
    shown = capsys.readouterr().out
    assert all(change["what"] in shown for change in told["changes"])
    assert here.setup() == 0
    done = [line for line in capsys.readouterr().out.splitlines() if line.startswith("done: ")]
    assert done == [f"done: {change['what']}" for change in told["changes"]]


def test_a_pi_gets_a_cap_that_its_supply_can_carry(site: Make) -> None:
    here = site("pi5")
    here.setup()
    assert "budget: {power_w: 20.2}" in here.config  # three quarters of 27 W
    assert here.groups.members["video"] == set()  # root asks for nobody's mailbox but its own


def test_counters_that_only_root_may_read_are_given_to_the_group(site: Make) -> None:
    here = site("x86")
    for file in here.patient.tree.sysfs.glob("class/powercap/*/energy_uj"):
        file.chmod(0o400)
    assert here.setup() == 0
    rules = here.patient.root / "etc/udev/rules.d/60-edge-rt.rules"
    assert 'SUBSYSTEM=="powercap"' in rules.read_text()
    trigger = ("udevadm", "trigger", "--subsystem-match=powercap")
    assert here.groups.ran[0] == ("groupadd", "--system", "edge-rt")
    assert here.groups.ran[-1] == trigger


def test_who_sets_up_the_service_may_use_it(site: Make) -> None:
    here = site("orin-nano")
    unit = here.patient.root / "etc/systemd/system/edge-rt.service"
    unit.parent.mkdir(parents=True)
    unit.write_text("[Service]\n")
    here.groups.members["edge-rt"] = {"edge-rt"}
    here.setup()
    assert here.groups.members["edge-rt"] == {"edge-rt", "ada"}


def test_what_is_configured_stays(site: Make, capsys: pytest.CaptureFixture[str]) -> None:
    here = site("pi5")
    here.patient.paths.config_file.write_text("budget: {power_w: 6}")
    assert here.setup() == 0
    assert here.config == "budget: {power_w: 6}"
    assert "a cap of 6.00 W already" in capsys.readouterr().out


def test_a_faulty_configuration_is_not_touched(site: Make) -> None:
    here = site("pi5")
    here.patient.paths.config_file.write_text("budgets: {}")
    with pytest.raises(BadConfig, match="nothing was changed"):
        here.setup()
    assert here.config == "budgets: {}"


def test_a_command_that_fails_leaves_nothing_behind(
    site: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    here = site("x86")
    for file in here.patient.tree.sysfs.glob("class/powercap/*/energy_uj"):
        file.chmod(0o400)

    def fail(argv: Sequence[str]) -> None:
        if argv[0] == "udevadm":
            raise CommandFailure("udevadm is missing")

    here.groups.breaks = fail
    assert here.setup() == 1
    assert "udevadm is missing" in capsys.readouterr().err
    assert not (here.patient.root / "etc/udev/rules.d/60-edge-rt.rules").exists()


def test_missing_rights_are_named(site: Make, capsys: pytest.CaptureFixture[str]) -> None:
    here = site("pi5", user=PI)
    etc = here.patient.etc
    before = here.state
    assert here.setup(machine={"access": denied(etc)}) == 1
    told = capsys.readouterr()
    assert f"NOT NOW: no right to write to {etc}" in told.out
    assert "run this again as root" in told.err
    assert here.state == before


def test_a_board_without_anything_gets_the_generic_profile_and_no_cap(
    site: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    here = site()
    assert here.setup() == 0
    assert "board: generic-arm64" in here.config
    assert "budget" not in here.config
    told = capsys.readouterr().out
    assert "no power cap is set: nothing tells what the supply carries" in told


def test_little_memory_gets_no_model(site: Make, capsys: pytest.CaptureFixture[str]) -> None:
    here = site("pi4")
    (here.patient.root / "proc" / "meminfo").write_text("MemTotal: 20000 kB\n")
    here.setup(None)
    told = capsys.readouterr().out
    assert "no model of the list fits the memory and the disk of this machine" in told


def test_a_model_that_cannot_be_pulled_is_named_with_its_command(
    site: Make, tiny: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    here = site("pi5")
    assert here.setup(None) == 1
    told = capsys.readouterr()
    store = here.patient.paths.state / "models"
    # Which one is a matter of the memory that is free here.
    later = re.compile(rf"Later: edge-rt models pull hf:\S+ --store {re.escape(str(store))}\n")
    assert later.search(told.err)
    assert "budget:" in here.config  # the rest was done


def test_a_model_is_pulled_once(site: Make, tiny: Path) -> None:
    here = site("pi5")
    here.patient.paths.config_file.write_text(f"models: {{catalogue: [{tiny}]}}\n")
    assert here.setup("tiny") == 0
    assert (here.patient.paths.state / "models" / "tiny").is_dir()
    assert here.setup(None) == 0  # there is one
