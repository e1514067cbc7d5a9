"""Probes of both sides, run in turns, each in a fresh process, and their results."""

from __future__ import annotations

import contextlib
import json
import resource
import subprocess
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bootstrap.paths import CHECKOUT

from benchlib import BenchError
from benchlib.boards import load_boards
from benchlib.noise import Sample, Watch
from benchlib.sense_probe import ALL
from edge_rt.twin.load import WatchedUsage
from edge_rt.twin.run import Twin


@dataclass(frozen=True)
class Probe:
    """The program `module` under `python`; it prints one JSON object as its last line."""

    python: Path
    module: str

    def __call__(self, *argv: object) -> dict[str, Any]:
        """The results of the probe; raises BenchError with its output when it fails."""
        command = [str(self.python), "-m", self.module, *map(str, argv)]
        done = subprocess.run(
            command,
            cwd=CHECKOUT / "tools",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        if done.returncode != 0:
            raise BenchError(f"{self.module} ended with {done.returncode}:\n{done.stderr.strip()}")
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return found


@dataclass(frozen=True)
class Found:
    """What one probe found, by group: CPU seconds of a sweep, and figures that it reads."""

    cpu_s: Mapping[str, float]
    figures: Mapping[str, int]

    @property
    def per_figure_s(self) -> float:
        """CPU seconds of a sweep of everything, for each of its figures."""
        return self.cpu_s[ALL] / self.figures[ALL]


@dataclass(frozen=True)
class Turns:
    """Runs probes over the tree `root` and keeps what they find, round by round."""

    root: Path
    batches: int
    sweeps: int
    patience_s: float  # to wait for a quiet machine before each turn
    say: Callable[[str], None]
    found: dict[str, list[Found]] = field(default_factory=dict[str, "list[Found]"])
    samples: list[Sample] = field(default_factory=list[Sample])

    def take(self, who: str, probe: Callable[..., dict[str, Any]], number: int) -> None:
        """One turn of the side `who`."""
        watch, before_s = Watch(f"round {number} {who}", self.patience_s), used_s()
        found = Found(**probe(self.root, self.batches, self.sweeps))
        self.samples.append(watch.finish(used_s() - before_s))
        self.found.setdefault(who, []).append(found)
        each = ", ".join(f"{group} {cpu_s * 1e6:.1f}" for group, cpu_s in found.cpu_s.items())
        self.say(f"round {number} {who}, CPU us a sweep: {each}")

    def of(self, who: str, group: str) -> list[float]:
        """CPU seconds of a sweep of `group`, round by round."""
        return [found.cpu_s[group] for found in self.found.get(who, [])]

    def per_figure(self, who: str) -> list[float]:
        """CPU seconds of a sweep of everything for each figure, round by round."""
        return [found.per_figure_s for found in self.found.get(who, [])]

    def figures(self, who: str) -> Mapping[str, int]:
        """How many figures each group has; the same in every round."""
        return self.found[who][-1].figures if who in self.found else {}


def used_s() -> float:
    """CPU seconds of this process and of its children that have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


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
