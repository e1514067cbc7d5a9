"""Machines made of the boards' trees, each with an installation that has a model."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from benchlib.boards import load_boards
from trees import BOARDS

from edge_rt.cli.doctor.finding import Check, examine
from edge_rt.cli.doctor.machine import ExaminedMachine, User
from edge_rt.cli.local.doctor import CHECKS
from edge_rt.config.paths import Paths
from edge_rt.core.reports.finding import Finding
from edge_rt.testing.board import FakeBoard

PROFILES = load_boards()
IDS = {
    "orin-nano": "jetson-orin-nano-8gb",
    "agx-orin": "jetson-agx-orin-64gb",
    "thor": "jetson-thor-t5000",
    "xavier-nx": "jetson-xavier-nx",
    "xavier-nx-jp4": "jetson-xavier-nx",
    "nano": "jetson-nano-4gb",
    "pi5": "raspberry-pi-5",
    "pi4": "raspberry-pi-4b",
    "x86": "generic-x86",
}
ROOT = User(0, "root", frozenset({"root"}))
PI = User(1000, "pi", frozenset({"pi"}))
X86_CPU = "vendor_id\t: GenuineIntel\nmodel name\t: A CPU\nflags\t\t: fpu lm sse\n"
ARM_CPU = "BogoMIPS\t: 38.40\nCPU architecture: 8\n"


def identify(root: Path, id: str) -> None:
    """The marks by which the profile `id` is recognised."""
    match = PROFILES[id].match
    x86 = "x86_64" in match.architectures
    (root / "proc" / "cpuinfo").write_text(X86_CPU if x86 else ARM_CPU)
    tree = root / "proc" / "device-tree"
    names = [*match.compatible, *(f"nvidia,{number}" for number in match.part_numbers)][:1]
    if names:
        tree.mkdir()
        (tree / "compatible").write_bytes(f"{names[0]}\0".encode())
    gib = max(PROFILES[id].memory_sizes_bytes, default=8 << 30) >> 10
    (root / "proc" / "meminfo").write_text(f"MemTotal: {gib} kB\nMemAvailable: {gib // 2} kB\n")


class Real(ExaminedMachine):
    """Takes its root for that of the machine itself."""

    simulated = False


class Patient:
    """`root` holds the board, `etc` the configuration; `machine` is made anew by each use."""

    def __init__(self, place: Path, board: str | None, simulated: bool = False, **how: Any) -> None:
        self.place = place
        self.simulated = simulated
        self.root = place / "board"
        self.etc = place / "etc"
        self.etc.mkdir(exist_ok=True)
        self.tree = FakeBoard(self.root)
        if board is not None:
            BOARDS[board](self.tree)
            identify(self.root, IDS[board])
        self.paths = Paths(
            place / "run", place / "state", self.etc / "config.yaml", place / "cache"
        )
        self.how = {"user": ROOT, "pause": lambda seconds: None} | how

    def machine(self, **how: Any) -> ExaminedMachine:
        socket = how.pop("socket", self.paths.socket)
        kind = ExaminedMachine if self.simulated else Real
        return kind(self.paths, socket, root=self.root, **(self.how | how))

    def says(self, check: Check, **how: Any) -> list[Finding]:
        """What one check finds."""
        return list(check(self.machine(**how)))

    def report(self, **how: Any) -> list[Finding]:
        """What all checks find but those of models, which are the same on every board."""
        checks = [(name, check) for name, check in CHECKS if name != "models"]
        return list(examine(self.machine(**how), checks))


def denied(*paths: Path) -> Any:
    """Rights to everything but `paths`."""

    def access(path: Path, mode: int) -> bool:
        return path not in paths and os.access(path, mode)

    return access


def commands(findings: list[Finding]) -> str:
    """Every remedy, a line each."""
    return "\n".join(line for finding in findings for line in finding.remedy)


def levels(findings: list[Finding]) -> dict[str, str]:
    """The worst level of each check."""
    order = ("ok", "note", "problem")
    worst: dict[str, str] = {}
    for finding in findings:
        worst[finding.id] = max(worst.get(finding.id, "ok"), finding.level, key=order.index)
    return worst
