"""Clocks that are to be governed and may not be set are told before the daemon starts."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from patients import PI, Patient, denied

from edge_rt.cli.doctor.check_kernel import check_clocks, check_governed_clocks

Make = Callable[..., Patient]
BOTH = "knobs: {cpufreq: governed, gpufreq: governed}\n"


def cap(patient: Patient) -> Path:
    """The file of the first policy, which root alone may write."""
    path = patient.root / "sys/devices/system/cpu/cpufreq/policy0/scaling_max_freq"
    path.chmod(0o644)
    return path


@pytest.fixture
def orin(patient: Make) -> Patient:
    """An Orin Nano whose clocks root alone may set, for a user who is not root."""
    made = patient("orin-nano", user=PI)
    gpu = made.root / "sys/class/devfreq/17000000.gpu/max_freq"
    gpu.write_text("918000000\n")
    made.how["access"] = denied(cap(made), gpu)
    return made


def test_what_is_not_asked_for_is_not_judged(orin: Patient) -> None:
    assert orin.says(check_governed_clocks) == []


def test_each_clock_that_may_not_be_set_is_told_with_what_mends_it(orin: Patient) -> None:
    orin.paths.config_file.write_text(BOTH)
    cpu, gpu = orin.says(check_governed_clocks)
    assert (cpu.id, cpu.level, gpu.level) == ("knob", "problem", "problem")
    assert cpu.what.startswith("knobs.cpufreq is governed, and the daemon may not write /")
    shut = orin.root / "sys/class/devfreq/17000000.gpu/max_freq"
    assert f"sudo chgrp edge-rt-knobs {shut} && sudo chmod g+w {shut}" in gpu.remedy


def test_a_file_that_a_group_may_write_is_fine(orin: Patient) -> None:
    path = cap(orin)
    orin.paths.config_file.write_text("knobs: {cpufreq: governed}\n")
    path.chmod(0o664)
    try:
        os.chown(path, -1, 4711)
    except PermissionError:
        path.chmod(0o666)
    assert orin.says(check_governed_clocks) == []


def test_a_board_without_such_a_clock_says_so(patient: Make) -> None:
    made = patient("pi5")
    made.paths.config_file.write_text("knobs: {gpufreq: governed}\n")
    (found,) = made.says(check_governed_clocks)
    assert found.level == "problem"
    assert "no GPU with max_freq" in found.what


def test_a_governed_clock_below_its_top_is_not_worth_knowing(orin: Patient) -> None:
    cap(orin).write_text("729600\n")
    assert any("is limited to" in found.what for found in orin.says(check_clocks))
    orin.paths.config_file.write_text(BOTH)
    assert not any("is limited to" in found.what for found in orin.says(check_clocks))
