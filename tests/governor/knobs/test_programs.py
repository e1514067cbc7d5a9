"""Programs are run without a terminal, and their failures are knobs' errors."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_rt.governor.knobs.knob import KnobError
from edge_rt.governor.knobs.programs import ProgramResult, installed_nvpmodel


def install(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_what_is_not_installed_is_none(tmp_path: Path) -> None:
    assert installed_nvpmodel(folders=str(tmp_path)) is None


def test_a_simulated_board_has_none(tmp_path: Path) -> None:
    install(tmp_path, "nvpmodel", "")
    assert installed_nvpmodel(tmp_path / "board", str(tmp_path)) is None


def test_a_program_gets_its_words_and_gives_all_that_it_prints(tmp_path: Path) -> None:
    install(tmp_path, "nvpmodel", 'read answer; echo "$1 $2 $answer"; echo oops >&2; exit 3')
    nvpmodel = installed_nvpmodel(folders=str(tmp_path))
    assert nvpmodel is not None
    answer = nvpmodel(["-m", "2"], "no\n")
    assert answer == ProgramResult(3, "-m 2 no\noops\n")
    assert answer.last_words == "-m 2 no; oops"


def test_a_program_that_cannot_be_run_is_an_error(tmp_path: Path) -> None:
    install(tmp_path, "nvpmodel", "")
    nvpmodel = installed_nvpmodel(folders=str(tmp_path))
    assert nvpmodel is not None
    (tmp_path / "nvpmodel").unlink()
    with pytest.raises(KnobError, match="nvpmodel -q: No such file"):
        nvpmodel(["-q"], "")


def test_silence_is_told_as_silence() -> None:
    assert ProgramResult(1, "\n").last_words == "exit 1 and no word"
