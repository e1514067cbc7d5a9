"""A machine to set up: a board's tree, an installation, users and groups."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from patients import Patient

from edge_rt.cli.exits import CommandFailure
from edge_rt.cli.local.setup import run
from edge_rt.cli.local.setup_changes import Host
from edge_rt.cli.local.setup_plan import SetupPlanner


class Groups(Host):
    """Groups of a machine of its own; `breaks` is called before each command."""

    def __init__(self) -> None:
        self.members: dict[str, set[str]] = {"video": set()}
        self.ran: list[tuple[str, ...]] = []
        self.breaks: Callable[[Sequence[str]], None] = lambda argv: None

    def run(self, *argv: str) -> None:
        self.breaks(argv)
        self.ran.append(argv)
        if argv[0] == "groupadd":
            self.members[argv[-1]] = set()
        elif argv[0] == "usermod":
            self.members[argv[2]].add(argv[3])
        elif argv[0] != "udevadm":
            raise CommandFailure(f"{argv[0]} is missing")

    def has_group(self, group: str) -> bool:
        return group in self.members

    def is_member(self, user: str, group: str) -> bool:
        return user in self.members.get(group, set())


class Site:
    """One machine; `state` is all that a set-up could change."""

    def __init__(self, patient: Patient, environ: Path) -> None:
        self.patient, self.groups, self.place = patient, Groups(), environ

    def setup(self, model: str | None = "none", calibrate: bool = False, **how: Any) -> int:
        machine = self.patient.machine(**how.pop("machine", {}))
        return run(SetupPlanner(machine, self.groups, "ada", model, calibrate), yes=True, **how)

    @property
    def state(self) -> tuple[dict[Path, bytes], dict[str, set[str]]]:
        folders = (self.patient.root, self.patient.etc, self.patient.paths.state)
        files = (path for folder in folders for path in folder.rglob("*") if path.is_file())
        kept = {path: path.read_bytes() for path in files if path.name not in (".lock", "lock")}
        return kept, {group: {*users} for group, users in self.groups.members.items()}

    @property
    def config(self) -> str:
        return self.patient.paths.config_file.read_text()
