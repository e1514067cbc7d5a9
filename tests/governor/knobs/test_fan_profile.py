"""A profile of nvfancontrol is set as NVIDIA's guide says, and put back."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from knob_help import BOOT, at_once

from edge_rt.governor.knobs.fan import FanProfile, profile_knob, profile_target, refuse_if_driven
from edge_rt.governor.knobs.journal import Journal
from edge_rt.governor.knobs.knob import KnobError
from edge_rt.governor.knobs.programs import ProgramResult, Programs
from edge_rt.governor.knobs.turner import Turner

SETTINGS = """\
POLLING_INTERVAL 2
<FAN 1>
\tFAN_PROFILE quiet {
\t\t#TEMP HYST PWM RPM
\t\t0 0 202 2300
\t}
\tFAN_PROFILE cool {
\t\t0 0 255 2900
\t}
\tFAN_DEFAULT_CONTROL open_loop
\tFAN_DEFAULT_PROFILE quiet
\tFAN_DEFAULT_GOVERNOR pid
</FAN 1>
"""


class Jetson:
    """nvfancontrol and its service, which remembers its profile in a file."""

    def __init__(self, root: Path) -> None:
        self.root = root
        real = root / "etc" / "nvpower" / "nvfancontrol_p3767.conf"
        real.parent.mkdir(parents=True)
        real.write_text(SETTINGS)
        real.chmod(0o640)
        self.settings = root / "etc" / "nvfancontrol.conf"
        self.settings.symlink_to(real)
        self.status = root / "var" / "lib" / "nvfancontrol" / "status"
        self.status.parent.mkdir(parents=True)
        self.active, self.broken = True, False
        self.verbs: list[str] = []
        self.status.write_text("quiet")
        self.programs = Programs(nvfancontrol=self.query, systemctl=self.systemctl)

    def query(self, arguments: Sequence[str], said: str) -> ProgramResult:
        assert arguments == ["-q"]
        profile = self.status.read_text()
        rows = f"FAN1:FAN_PROFILE:{profile}\nFAN1:FAN_GOVERNOR:pid\nFAN1:FAN_CONTROL:open_loop\n"
        return ProgramResult(0, rows) if self.active else ProgramResult(1, "not running")

    def systemctl(self, arguments: Sequence[str], said: str) -> ProgramResult:
        verb = arguments[0]
        if verb == "is-active":
            return ProgramResult(0 if self.active else 3, "")
        if self.broken:
            return ProgramResult(1, "Access denied")
        self.verbs.append(verb)
        self.active = verb == "start"
        if self.active and not self.status.exists():
            words = self.settings.read_text().split()
            self.status.write_text(words[words.index("FAN_DEFAULT_PROFILE") + 1])
        return ProgramResult(0, "")


@pytest.fixture
def jetson(tmp_path: Path) -> Jetson:
    return Jetson(tmp_path / "root")


def knob(jetson: Jetson) -> FanProfile:
    made = profile_knob(jetson.programs, jetson.root)
    assert made is not None
    return made


def test_the_service_is_stopped_told_and_started(jetson: Jetson) -> None:
    made = knob(jetson)
    assert made.read() == "quiet"
    made.write("cool")
    assert made.read() == "cool"
    assert jetson.verbs == ["stop", "start"]
    changed = SETTINGS.replace("FAN_DEFAULT_PROFILE quiet", "FAN_DEFAULT_PROFILE cool")
    assert jetson.settings.read_text() == changed


def test_the_link_and_the_rights_of_the_settings_stay(jetson: Jetson) -> None:
    knob(jetson).write("cool")
    assert jetson.settings.is_symlink()
    assert jetson.settings.stat().st_mode & 0o777 == 0o640
    assert len(list(jetson.settings.resolve().parent.iterdir())) == 1


def test_after_turning_and_putting_back_the_settings_are_the_same(
    jetson: Jetson, tmp_path: Path
) -> None:
    find = lambda name: profile_knob(jetson.programs, jetson.root)  # noqa: E731
    journal = Journal(tmp_path / "knobs.json")
    Turner(journal, find, BOOT, at_once).turn(profile_target(jetson.programs, jetson.root, "cool"))
    assert jetson.status.read_text() == "cool"
    Turner(journal, find, "next boot", at_once).restore()
    assert jetson.status.read_text() == "quiet"
    assert jetson.settings.read_text() == SETTINGS


def test_an_unknown_profile_is_refused_with_the_known_ones_and_nothing_is_stopped(
    jetson: Jetson,
) -> None:
    with pytest.raises(KnobError, match="no fan profile 'loud'; it has quiet, cool"):
        knob(jetson).write("loud")
    assert jetson.verbs == []


def test_the_service_runs_again_when_the_settings_cannot_be_written(jetson: Jetson) -> None:
    draft = jetson.settings.resolve()
    draft.with_name(f".{draft.name}.new").mkdir()
    with pytest.raises(KnobError, match="cannot be written"):
        knob(jetson).write("cool")
    assert jetson.verbs == ["stop", "start"]
    assert knob(jetson).read() == "quiet"


def test_no_right_to_the_service_is_told(jetson: Jetson) -> None:
    jetson.broken = True
    with pytest.raises(KnobError, match="systemctl stop nvfancontrol: Access denied"):
        knob(jetson).write("cool")
    assert jetson.settings.read_text() == SETTINGS


def test_a_number_is_refused_while_the_service_would_undo_it(jetson: Jetson) -> None:
    with pytest.raises(KnobError, match="name one of its profiles"):
        refuse_if_driven(jetson.programs)
    jetson.active = False
    refuse_if_driven(jetson.programs)
    refuse_if_driven(Programs())


def test_a_profile_without_nvfancontrol_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KnobError, match="number from 0 to 1"):
        profile_target(Programs(), tmp_path, "cool")
