"""The files of an AGX Orin at rest, under every name that either side looks for them."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from pathlib import Path

from edge_rt.config.boards import load_boards
from edge_rt.twin.load import WatchedUsage
from edge_rt.twin.run import Twin

BOARD = "jetson-agx-orin-64gb"

_AWAKE_MC = "25000\n"


class _Idle:
    """Watches nobody."""

    def look(self) -> WatchedUsage:
        """No CPU time and no memory."""
        return WatchedUsage(0.0, 0, ())


@contextlib.contextmanager
def board_tree(root: Path) -> Generator[None]:
    """Make the tree in `root`; it does not change, and is taken away at the end."""
    twin = Twin(load_boards()[BOARD], root, _Idle())
    try:
        twin.step()
        complete(root / "sys")
        yield
    finally:
        twin.close()


def complete(sysfs: Path) -> None:
    """Add what a kernel shows twice or names elsewhere, and wake the zones that sleep.

    A sleeping zone fails at every read, which costs one side far more than the other.
    """
    _link(sysfs / "devices/virtual/thermal", "../../class/thermal")
    cpus = sysfs / "devices/system/cpu"
    for policy in cpus.glob("cpufreq/policy*"):
        for core in (policy / "related_cpus").read_text().split():
            _link(cpus / f"cpu{core}/cpufreq", f"../cpufreq/{policy.name}")
    for device in (sysfs / "class/devfreq").iterdir():
        node = device / "device/of_node"
        node.mkdir(parents=True, exist_ok=True)
        (node / "name").write_text("gpu\n")
    for temp in sysfs.glob("class/thermal/thermal_zone*/temp"):
        if temp.is_socket():
            temp.unlink()
            temp.write_text(_AWAKE_MC)


def _link(place: Path, target: str) -> None:
    if not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(target)
