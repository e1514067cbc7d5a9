"""What the kernel counts, its clocks, and the power mode."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from patients import PI, Patient, commands

from edge_rt.cli.doctor.check_kernel import (
    check_clocks,
    check_memory_cgroup,
    check_power_mode,
)

Make = Callable[..., Patient]


def put(root: Path, path: str, text: str) -> Path:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


@pytest.mark.parametrize(
    ("file", "remedy"),
    [
        (
            "boot/firmware/cmdline.txt",
            "sudo sed -i '1 s/$/ cgroup_enable=memory/' /boot/firmware/cmdline.txt",
        ),
        ("boot/cmdline.txt", "sudo sed -i '1 s/$/ cgroup_enable=memory/' /boot/cmdline.txt"),
        (
            "boot/extlinux/extlinux.conf",
            "sudo sed -i 's/^ *APPEND .*/& cgroup_enable=memory/' /boot/extlinux/extlinux.conf",
        ),
        (
            "etc/default/grub",
            """sudo sed -i 's/^GRUB_CMDLINE_LINUX="/&cgroup_enable=memory /' /etc/default/grub""",
        ),
    ],
)
def test_the_memory_of_services_is_limited_by_the_boot_loader_that_is_there(
    patient: Make, file: str, remedy: str
) -> None:
    board = patient(user=PI)
    put(board.root, file, "")
    put(board.root, "sys/fs/cgroup/cgroup.controllers", "cpuset cpu io pids\n")
    (found,) = board.says(check_memory_cgroup)
    assert (found.level, found.remedy[0]) == ("note", remedy)


def test_memory_of_services(patient: Make) -> None:
    board = patient("pi5", user=PI)
    assert board.says(check_memory_cgroup) == []  # nothing tells
    file = put(board.root, "sys/fs/cgroup/cgroup.controllers", "cpuset cpu io pids\n")
    (found,) = board.says(check_memory_cgroup)
    assert (found.level, "cgroup_enable=memory" in commands([found])) == ("note", True)
    file.write_text("cpuset cpu io memory pids\n")
    assert [f.level for f in board.says(check_memory_cgroup)] == ["ok"]


def test_clocks_governors_and_caps(patient: Make) -> None:
    board = patient("pi5", user=PI)
    assert board.says(check_clocks)[0].what == "4 cores, up to 2.40 GHz"
    policy = board.tree.sysfs / "devices/system/cpu/cpufreq/policy0"
    governor = put(policy, "scaling_governor", "powersave\n")
    put(policy, "scaling_max_freq", "1500000\n")
    found = board.says(check_clocks)
    assert found[0].what == "4 cores, up to 2.40 GHz, governor powersave"
    assert "tee" in commands(found)
    assert "limited to 1.50 GHz" in found[2].what
    put(policy, "scaling_driver", "intel_pstate\n")
    assert "tee" not in commands(board.says(check_clocks))
    governor.write_text("ondemand\n")
    assert [f.level for f in board.says(check_clocks)] == ["ok", "note"]


def test_the_power_mode_is_told_by_name(patient: Make) -> None:
    board = patient("orin-nano", user=PI)
    assert board.says(check_power_mode) == []
    modes = "< POWER_MODEL ID=0 NAME=15W >\n< POWER_MODEL ID=2 NAME=MAXN_SUPER >\n"
    put(board.root, "etc/nvpmodel.conf", modes)
    (found,) = board.says(check_power_mode)
    assert found.remedy == ("sudo nvpmodel -q",)
    put(board.root, "var/lib/nvpmodel/status", "pmode:0002\n")
    (found,) = board.says(check_power_mode)
    assert (found.level, "MAXN_SUPER" in found.what) == ("ok", True)
