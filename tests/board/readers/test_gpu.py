"""Loads and clocks of GPUs, where the kernels of each board have them."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Any

import pytest
from faults import Faults, figures
from trees import BOARDS

from edge_rt.board.discovery import Roots, discover
from edge_rt.board.readers.clocks import DevFreq, GpuReader
from edge_rt.testing.board import FakeBoard

JETSONS = {  # of each generation, its GPU's folder below /sys and its name
    "nano": ("devices", "57000000.gpu"),
    "tx2": ("devices", "17000000.gp10b"),
    "xavier": ("devices", "17000000.gv11b"),
    "orin, JetPack 5": ("devices", "17000000.ga10b"),
    "orin, JetPack 6": ("devices/platform/bus@0", "17000000.gpu"),
}


def devfreq(tree: FakeBoard, base: str, name: str, **files: int) -> None:
    """A devfreq device with its own folder, which has `load` if that is given."""
    device = tree.sysfs / base / name
    if "load" in files:
        tree.write(device, {"load": files.pop("load")})
    folder = tree.write(device / "devfreq" / name, files)
    tree.link(tree.sysfs / "class" / "devfreq" / name, folder)
    tree.link(folder / "device", device)


@pytest.mark.parametrize("board", JETSONS)
def test_a_jetson_s_load_is_in_thousandths(tree: FakeBoard, board: str) -> None:
    base, name = JETSONS[board]
    devfreq(tree, base, name, cur_freq=612_000_000, max_freq=918_000_000, load=437)
    assert figures(GpuReader(tree.sysfs)) == {(name, "fraction"): pytest.approx(0.437)}
    clocks = {(name, "clock_hz"): 612e6, (f"{name} max", "clock_hz"): 918e6}
    assert figures(DevFreq(tree.sysfs)) == clocks


@pytest.mark.parametrize("place", ["devices/gpu.0", "devices/platform/gpu.0"])
def test_where_the_gpu_is_no_devfreq_device_nvidia_s_link_leads_to_its_load(
    tree: FakeBoard, place: str
) -> None:
    tree.write(tree.sysfs / place, {"load": 1000})
    assert figures(GpuReader(tree.sysfs)) == {("gpu.0", "fraction"): 1.0}


def test_a_link_beside_the_device_is_not_read_as_another_gpu(tree: FakeBoard) -> None:
    devfreq(tree, "devices", "57000000.gpu", cur_freq=76_800_000, load=10)
    tree.link(tree.sysfs / "devices" / "gpu.0", tree.sysfs / "devices" / "57000000.gpu")
    assert figures(GpuReader(tree.sysfs)) == {("57000000.gpu", "fraction"): pytest.approx(0.01)}


def test_thor_tells_clocks_and_no_load(tree: FakeBoard) -> None:
    for name in ("gpu-gpc-0", "gpu-nvd-0", "bwmgr"):
        devfreq(tree, "devices/platform", name, cur_freq=1_575_000_000)
    assert GpuReader(tree.sysfs).channels == ()
    assert "no GPU that tells its load" in GpuReader(tree.sysfs).skipped[0].reason
    assert ("gpu-gpc-0", "clock_hz") in figures(DevFreq(tree.sysfs))


def test_other_devices_are_no_gpus(tree: FakeBoard) -> None:
    """Memory and video decoders may have a file of that name."""
    for name in ("gpu-nvd-0", "bwmgr", "15340000.vic"):
        devfreq(tree, "devices/platform", name, cur_freq=1_000_000, load=900)
    assert GpuReader(tree.sysfs).channels == ()


def amd(tree: FakeBoard) -> None:
    card = tree.sysfs / "class" / "drm" / "card1"
    tree.write(card / "device", {"gpu_busy_percent": 63})
    tree.write(card / "device" / "hwmon" / "hwmon3", {"freq1_input": 2_200_000_000})
    tree.write(tree.sysfs / "class" / "drm" / "card1-DP-1", {"status": "connected"})


def intel(tree: FakeBoard) -> None:
    card = tree.sysfs / "class" / "drm" / "card0"
    tree.write(card, {"gt_act_freq_mhz": 350, "gt_cur_freq_mhz": 400, "gt_max_freq_mhz": 1300})


@pytest.mark.parametrize(
    ("make", "found"),
    [
        (amd, {("card1", "fraction"): 0.63, ("card1", "clock_hz"): 2.2e9}),
        (intel, {("card0", "clock_hz"): 350e6, ("card0 max", "clock_hz"): 1.3e9}),
    ],
)
def test_gpus_of_pcs(
    tree: FakeBoard, make: Callable[[FakeBoard], None], found: dict[Any, float]
) -> None:
    make(tree)
    assert figures(GpuReader(tree.sysfs)) == {
        key: pytest.approx(value) for key, value in found.items()
    }


@pytest.mark.parametrize("load", [1001, -5, "many"])
def test_what_cannot_be_a_load_is_missing(tree: FakeBoard, load: Any) -> None:
    devfreq(tree, "devices", "17000000.gv11b", cur_freq=1, load=load)
    reader = GpuReader(tree.sysfs)
    assert figures(reader) == {("17000000.gv11b", "fraction"): None}
    assert reader.errors[0]


def test_a_load_that_cannot_be_read_is_missing_until_it_can(
    tree: FakeBoard, faults: Faults
) -> None:
    devfreq(tree, "devices", "17000000.gv11b", cur_freq=1, load=500)
    path = tree.sysfs / "class" / "devfreq" / "17000000.gv11b" / "device" / "load"
    faults.errors[path] = [errno.EACCES, None]
    reader = GpuReader(tree.sysfs, io=faults.io)
    assert [figures(reader)[reader.channels[0].name, "fraction"] for _ in range(2)] == [None, 0.5]


@pytest.mark.parametrize("board", BOARDS)
def test_a_board_without_a_load_file_has_no_such_reader(tree: FakeBoard, board: str) -> None:
    BOARDS[board](tree)
    found = discover(Roots(tree.sysfs, tree.proc, tree.dev))
    assert "gpu" not in {reader.name for reader in found.readers}
    assert "gpu" in {skipped.name for skipped in found.skipped}
