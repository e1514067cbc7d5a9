"""On every board set-up changes what it says, finds nothing more to change, and takes all back."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from patients import IDS, PI, denied
from sites import Site

from edge_rt.cli.exits import BadConfig, CommandFailure
from edge_rt.cli.local.setup_plan import Wishes

Make = Callable[..., Site]


@pytest.mark.parametrize("board", IDS)
def test_what_is_changed_is_taken_back(site: Make, board: str) -> None:
    here = site(board)
    before = here.state
    assert here.setup() == 0
    after = here.state
    assert here.setup() == 0
    assert here.state == after
    assert here.setup(undo=True) == 0
    assert here.state == before
    assert here.setup(undo=True) == 0


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
    before = here.state
    assert here.setup() == 0
    rules = here.patient.root / "etc/udev/rules.d/60-edge-rt.rules"
    assert 'SUBSYSTEM=="powercap"' in rules.read_text()
    trigger = ("udevadm", "trigger", "--subsystem-match=powercap")
    assert here.groups.ran[0] == ("groupadd", "--system", "edge-rt")
    assert here.groups.ran[-1] == trigger
    assert here.setup(undo=True) == 0
    assert here.groups.ran[-1] == ("groupdel", "edge-rt")
    assert trigger in here.groups.ran[3:]
    assert here.state == before


def test_who_sets_up_the_service_may_use_it(site: Make) -> None:
    here = site("orin-nano")
    unit = here.patient.root / "etc/systemd/system/edge-rt.service"
    unit.parent.mkdir(parents=True)
    unit.write_text("[Service]\n")
    here.groups.members["edge-rt"] = {"edge-rt"}
    here.setup()
    assert here.groups.members["edge-rt"] == {"edge-rt", "ada"}
    here.setup(undo=True)
    assert here.groups.members["edge-rt"] == {"edge-rt"}


def test_what_is_configured_stays(site: Make, capsys: pytest.CaptureFixture[str]) -> None:
    here = site("pi5")
    here.patient.paths.config_file.write_text("budget: {power_w: 6}")
    assert here.setup() == 0
    assert here.config == "budget: {power_w: 6}"
    assert "a cap of 6.00 W already" in capsys.readouterr().out


def test_a_file_that_was_changed_since_stays(
    site: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    here = site("pi5")
    here.patient.paths.config_file.write_text("log: {level: info}")
    here.setup()
    here.patient.paths.config_file.write_text(here.config + "models: {idle_unload_s: 60}\n")
    changed = here.config
    assert here.setup(undo=True) == 0
    assert here.config == changed
    assert "was changed since and stays as it is" in capsys.readouterr().out


def test_a_faulty_configuration_is_not_touched(site: Make) -> None:
    here = site("pi5")
    here.patient.paths.config_file.write_text("budgets: {}")
    with pytest.raises(BadConfig, match="nothing was changed"):
        here.setup()
    assert here.config == "budgets: {}"


@pytest.mark.parametrize("last", range(4))
def test_an_interrupted_set_up_is_taken_back(site: Make, last: int) -> None:
    """Ctrl-C comes in each command of the machine, and before the first."""
    here = site("x86")
    for file in here.patient.tree.sysfs.glob("class/powercap/*/energy_uj"):
        file.chmod(0o400)
    before = here.state

    def interrupt(argv: Sequence[str]) -> None:
        if len(here.groups.ran) == last:
            raise KeyboardInterrupt

    here.groups.breaks = interrupt
    if last < 3:
        with pytest.raises(KeyboardInterrupt):
            here.setup()
    else:
        assert here.setup() == 0
    here.groups.breaks = lambda argv: None
    assert here.setup(undo=True) == 0
    assert here.state == before


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


def test_a_record_that_cannot_be_understood_is_not_lost(site: Make) -> None:
    here = site("pi5")
    record = here.patient.etc / "setup.json"
    record.write_text("{")
    with pytest.raises(CommandFailure, match="no record of a set-up"):
        here.setup(undo=True)
    assert record.read_text() == "{"


def test_a_record_that_root_kept_in_the_state_directory_is_taken_over(site: Make) -> None:
    here = site("pi5")
    before = here.state
    assert here.setup() == 0
    old = here.patient.paths.state / "setup.json"
    old.parent.mkdir(exist_ok=True)
    (here.patient.etc / "setup.json").rename(old)
    if os.geteuid() != 0:  # whose file this is not
        with pytest.raises(CommandFailure, match="could have root run anything"):
            here.setup(undo=True)
        return
    assert here.setup(undo=True) == 0
    assert here.state == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_a_record_of_the_daemons_user_is_not_gone_by(site: Make) -> None:
    here = site("pi5")
    record = here.patient.paths.state / "setup.json"
    record.parent.mkdir()
    here.setup()
    (here.patient.etc / "setup.json").rename(record)
    for path in (record.parent, record):
        os.chown(path, 54321, 54321)
    before = here.state
    with pytest.raises(CommandFailure, match="is of user 54321, who could have root run anything"):
        here.setup(undo=True)
    record.unlink()
    record.symlink_to(here.patient.etc / "config.yaml")
    assert here.setup(undo=True) == 0
    record.unlink()
    before[0].pop(record)
    assert here.state == before


def test_little_memory_gets_no_model(site: Make, capsys: pytest.CaptureFixture[str]) -> None:
    here = site("pi4")
    (here.patient.root / "proc" / "meminfo").write_text("MemTotal: 20000 kB\n")
    here.setup(Wishes(calibrate=False))
    told = capsys.readouterr().out
    assert "no model of the list fits the memory and the disk of this machine" in told


def test_a_model_that_cannot_be_pulled_is_named_with_its_command(
    site: Make, tiny: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    here = site("pi5")
    assert here.setup(Wishes(calibrate=False)) == 1
    told = capsys.readouterr()
    store = here.patient.paths.state / "models"
    # Which one is a matter of the memory that is free here.
    later = re.compile(rf"Later: edge-rt models pull hf:\S+ --store {re.escape(str(store))}\n")
    assert later.search(told.err)
    assert "budget:" in here.config  # the rest was done
    assert here.setup(undo=True) == 0


def test_a_model_is_pulled_once_and_removed(site: Make, tiny: Path) -> None:
    here = site("pi5")
    here.patient.paths.config_file.write_text(f"models: {{catalogue: [{tiny}]}}\n")
    before = here.config
    assert here.setup(Wishes("tiny", calibrate=False)) == 0
    model = here.patient.paths.state / "models" / "tiny"
    assert model.is_dir()
    assert here.setup(Wishes(calibrate=False)) == 0  # there is one
    assert here.setup(undo=True) == 0
    assert not model.exists()
    assert here.config == before
