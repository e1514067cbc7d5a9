"""The service may open a GPU, whatever its driver is called in /proc/devices."""

from __future__ import annotations

import ctypes
import re
from pathlib import Path

import pytest

UNIT = Path(__file__).parents[2] / "systemd" / "edge-rt.service"
# Not a board's own file: its lines are what the drivers of JetPack 6 register. nvgpu's
# os/linux/ioctl.c calls alloc_chrdev_region with dev_name(dev) for the power node and, once the GPU
# is on, for all others; nvhost, host1x-fence, nvsciipc and nvidia are fixed names of theirs.
RULES = Path(__file__).parents[2] / "systemd" / "60-edge-rt.rules"
GPUS = re.findall(r'KERNEL=="([^"]*gpu[^"]*)"', RULES.read_text())[0]
ORIN = Path(__file__).with_name("proc_devices_orin")


def drivers(devices: Path) -> set[str]:
    """The names of character devices in a file such as /proc/devices."""
    characters, _, _ = devices.read_text().partition("\n\n")
    return {line.split(maxsplit=1)[1] for line in characters.splitlines()[1:]}


def may_open(name: str) -> bool:
    """Return whether systemd lets the service open the devices of a driver.

    It compares the name with what is behind `char-`, by the C library's fnmatch without flags.
    """
    lines = UNIT.read_text().splitlines()
    allowed = [line.split("=char-")[1].split() for line in lines if "DeviceAllow=char-" in line]
    libc = ctypes.CDLL(None)
    assert all(rights == "rw" for _, rights in allowed)
    return any(libc.fnmatch(glob.encode(), name.encode(), 0) == 0 for glob, _ in allowed)


def test_all_that_cuda_opens_on_an_orin_is_allowed_and_no_more() -> None:
    opened = {name for name in drivers(ORIN) if may_open(name)}
    gpu = {"17000000.gpu", "host1x-fence", "nvhost", "nvidia", "nvidiactl", "nvidia-modeset"}
    assert gpu - {"host1x-fence"} <= opened, "host1x-fence is allowed by its path"
    others = {"mem", "tty", "input", "video4linux", "media", "gpiochip", "hidraw", "misc", "sd"}
    assert not others & opened
    assert "DeviceAllow=/dev/nvmap rw" in UNIT.read_text(), "a misc device, as others are"
    assert "DeviceAllow=/dev/host1x-fence rw" in UNIT.read_text()


@pytest.mark.parametrize(
    "name", ["57000000.gpu", "17000000.gv11b", "17000000.gp10b", "57000000.gm20b", "17000000.ga10b"]
)
def test_older_jetsons_gpus_are_allowed(name: str) -> None:
    assert may_open(name)


@pytest.mark.parametrize("glob", GPUS.split("|"))
def test_every_gpu_of_the_udev_rule_is_allowed(glob: str) -> None:
    assert may_open(glob.replace("*", "0"))
