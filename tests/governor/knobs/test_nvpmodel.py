"""A power mode is set by its name, read back, and never with a restart of the board."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from knob_help import BOOT, at_once

from edge_rt.governor.knobs.journal import Journal
from edge_rt.governor.knobs.knob import KnobError, KnobTarget
from edge_rt.governor.knobs.programs import NvpMode, ProgramResult
from edge_rt.governor.knobs.turner import Turner

# As NVIDIA's files have it; MAXN_SUPER is another number on another board.
TABLE = """\
# < POWER_MODEL ID=9 NAME=OLD >
< PARAM TYPE=FILE NAME=CPU_ONLINE >
< POWER_MODEL ID=0 NAME=15W >
CPU_ONLINE CORE_0 1
< POWER_MODEL ID=1 NAME=25W >
< POWER_MODEL ID=2 NAME=MAXN_SUPER >
< POWER_MODEL ID=3 NAME=7W >
< PM_CONFIG DEFAULT=1 >
"""
REBOOT = """\
NVPM WARN: Golden image context is already created
NVPM WARN: Reboot required for changing to this power mode: 3
NVPM WARN: DO YOU WANT TO REBOOT NOW? enter YES/yes to confirm:
NVPM ERROR: bad input!
NVPM ERROR: optMask is 1, no request for power mode
"""


class Jetson:
    """What nvpmodel does; the mode outlives whoever asks."""

    def __init__(self, table: str = TABLE) -> None:
        self.names = {0: "15W", 1: "25W", 2: "MAXN_SUPER", 3: "7W"}
        self.mode = 1
        self.table = table
        self.asked: list[Sequence[str]] = []
        self.rebooted = False
        self.denied = False

    def nvpmodel(self, arguments: Sequence[str], said: str) -> ProgramResult:
        self.asked.append(arguments)
        match arguments:
            case ["-q"]:
                warning = "NVPM WARN: fan mode is not set!\n"
                return ProgramResult(
                    0, f"{warning}NV Power Mode: {self.names[self.mode]}\n{self.mode}\n"
                )
            case ["-p", "--verbose"]:
                rows = (f"NVPM VERB: POWER_MODEL: ID={i} NAME={n}" for i, n in self.names.items())
                return ProgramResult(0, "\n".join(rows))
            case ["-m", number]:
                return self._switch(int(number), said)
            case _:
                raise AssertionError(arguments)

    def _switch(self, number: int, said: str) -> ProgramResult:
        if self.denied:
            return ProgramResult(
                255, "NVPM ERROR: Error opening /sys/x: 13\nNVPM ERROR: failed to set\n"
            )
        if number == 3:
            self.rebooted = said.strip().lower() == "yes"
            return ProgramResult(255, REBOOT)
        self.mode = number
        return ProgramResult(0, "")

    def knob(self, folder: Path) -> NvpMode:
        table = folder / "nvpmodel.conf"
        if self.table:
            table.write_text(self.table)
        return NvpMode(self.nvpmodel, table)


@pytest.fixture(params=["file", "program"])
def jetson(request: pytest.FixtureRequest) -> Jetson:
    return Jetson(TABLE if request.param == "file" else "")


@pytest.mark.parametrize(("mode", "number"), [("15W", "0"), ("MAXN_SUPER", "2")])
def test_the_number_is_looked_up_by_name(
    tmp_path: Path, jetson: Jetson, mode: str, number: str
) -> None:
    knob = jetson.knob(tmp_path)
    knob.write(mode)
    assert knob.read() == mode
    assert ["-m", number] in jetson.asked


@pytest.mark.parametrize("mode", ["2", "maxn_super", "OLD", 2])
def test_what_is_no_name_is_refused_with_the_names(
    tmp_path: Path, jetson: Jetson, mode: str | int
) -> None:
    with pytest.raises(KnobError, match="it has 15W, 25W, MAXN_SUPER, 7W"):
        jetson.knob(tmp_path).write(mode)
    assert jetson.mode == 1


def test_the_board_is_never_restarted_and_the_mode_that_stayed_is_told(
    tmp_path: Path, jetson: Jetson
) -> None:
    with pytest.raises(KnobError, match=r"stays in 25W: 7W takes a restart.*nvpmodel -m 3"):
        jetson.knob(tmp_path).write("7W")
    assert not jetson.rebooted


def test_a_refusal_is_told_in_the_programs_words(tmp_path: Path, jetson: Jetson) -> None:
    jetson.denied = True
    with pytest.raises(KnobError, match=r"stays in 25W, not 15W: .*/sys/x: 13"):
        jetson.knob(tmp_path).write("15W")


def test_no_mode_is_an_error(tmp_path: Path) -> None:
    knob = NvpMode(lambda arguments, said: ProgramResult(1, "NVPM ERROR: x"), tmp_path / "none")
    with pytest.raises(KnobError, match="tells no mode: NVPM ERROR: x"):
        knob.read()


def test_the_mode_is_put_back_even_after_a_restart_of_the_board(
    tmp_path: Path, jetson: Jetson
) -> None:
    knob = jetson.knob(tmp_path)
    journal = Journal(tmp_path / "knobs.json")
    first = Turner(journal, lambda name: knob, BOOT, at_once)
    first.turn(KnobTarget(knob, "15W"))
    assert first.outcomes[0].state == "turned"
    second = Turner(journal, lambda name: knob, "another-boot", at_once)
    second.restore()
    assert knob.read() == "25W"
    assert journal.entries() == ()


def test_a_mode_that_needs_a_restart_leaves_nothing_to_put_back(
    tmp_path: Path, jetson: Jetson
) -> None:
    knob = jetson.knob(tmp_path)
    journal = Journal(tmp_path / "knobs.json")
    turner = Turner(journal, lambda name: knob, BOOT, at_once)
    turner.turn(KnobTarget(knob, "7W"))
    assert turner.outcomes[0].state == "failed"
    assert journal.entries() == ()
