"""What there is to change on a machine."""

from __future__ import annotations

import math
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from edge_rt.board.readers import ina3221, rapl
from edge_rt.cli.doctor.check_daemon import is_service
from edge_rt.cli.doctor.check_installation import generic_profile, store_of
from edge_rt.cli.doctor.check_power_chips import GROUP, counter_files, group_reads, iio_files
from edge_rt.cli.doctor.machine import ExaminedMachine, group_of
from edge_rt.cli.doctor.remedies import RULES, rules_installed
from edge_rt.cli.local.models_suggest import this_machine
from edge_rt.cli.local.setup_changes import (
    Change,
    FileChange,
    Host,
    LiveBudget,
    Membership,
    ModelPull,
    NewGroup,
    QuickCalibration,
)
from edge_rt.cli.options import nearest, there
from edge_rt.cli.text import joules, member, members, number, significant, size
from edge_rt.config.board import Draw
from edge_rt.config.loader import check_text, present
from edge_rt.governor.knobs.programs import present_mode
from edge_rt.models.catalogue import load_catalogue
from edge_rt.models.store.store import Store
from edge_rt.models.suggested import Suggestion, choose

NO_MODEL = "none"
_HEAD = "# Written by `edge-rt setup`:"

SHARE = 0.75
"""Of a supply's watts; the rest is for what no sensor of the board sees. An Orin NX that drew 29 W
took 37 W from its supply."""

_ROOM = 1.5  # times the idle power that a cap should at least be
_USB_V = 5.0
_MODE = re.compile(r"(?:MODE_)?(\d+)W(?:_\w+)?")  # NVIDIA names a mode by about what it draws


@dataclass(frozen=True)
class SetupPlanner:
    """Finds the changes of a machine, which `login` is to use, and notes of what stays.

    `model` None: one that fits; "none": no model.
    """

    machine: ExaminedMachine
    host: Host
    login: str
    model: str | None = None
    calibrate: bool = True
    notes: list[str] = field(default_factory=list[str])

    def changes(self) -> list[Change]:
        """Return the changes in the order to make them in."""
        cap = power_cap(self.machine)
        files = [*self._rules(), *self._configuration(cap)]
        return [*files, *self._groups(), *self._model(), *self._daemon(cap)]

    def _rules(self) -> Iterator[Change]:
        """Udev rules for counters that only root may read, and the group that gets them."""
        machine = self.machine
        if machine.simulated or rules_installed(machine):
            return
        closed = [
            (rule(GROUP), subsystem)
            for files, rule, subsystem in (
                (counter_files(machine), rapl.udev_rule, "powercap"),
                (iio_files(machine), ina3221.udev_rule, "iio"),
            )
            if files and not group_reads(files[0])
        ]
        if not closed:
            return
        if not self.host.has_group(GROUP):
            yield NewGroup(group=GROUP)
        trigger = (("udevadm", "trigger", f"--subsystem-match={name}") for _, name in closed)
        yield FileChange(
            path=str(machine.file(f"/etc/udev/rules.d/{RULES}")),
            before=None,
            after="".join(f"{rule}\n" for rule, _ in closed),
            why=f"the group {GROUP} may read the board's power",
            then=(("udevadm", "control", "--reload"), *trigger),
        )

    def _configuration(self, cap: PowerCap) -> Iterator[Change]:
        machine, file = self.machine, self.machine.config_file
        before = file.read_text() if present(file) else None
        lines: list[str] = []
        if machine.board is None and machine.config.board is None and not machine.simulated:
            generic = generic_profile(machine)
            lines.append(f"board: {generic}  # nothing more is known of this machine")
        if cap.power_w is None:
            self.notes.append(f"no power cap is set: {cap.why}")
        elif machine.config.budget != type(machine.config.budget)():
            self.notes.append("the configuration has a budget already, which stays as it is")
        else:
            lines.append(f"budget: {{power_w: {cap.power_w:g}}}  # {cap.why}")
        if lines:
            yield from self._appended(file, before, lines)

    def _appended(self, file: Path, before: str | None, lines: list[str]) -> Iterator[Change]:
        start = "" if not before or before.endswith("\n") else "\n"
        after = (before or "") + start + "\n".join([_HEAD, *lines]) + "\n"
        if check_text(after.encode(), str(file))[1]:
            self.notes.append(f"{file} is written such that nothing can be added: add {lines}")
            return
        yield FileChange(path=str(file), before=before, after=after, why="; ".join(lines))

    def _groups(self) -> Iterator[Change]:
        """Yield who sets up may use the service, or read the sensors where there is no service."""
        machine, host = self.machine, self.host
        if machine.simulated or self.login == "root":
            return
        if is_service(machine):
            if host.has_group(GROUP) and not host.is_member(self.login, GROUP):
                yield Membership(user=self.login, group=GROUP, why="who may use the daemon")
            return
        mailbox = machine.roots.dev / "vcio"
        if there(mailbox) and (group := group_of(mailbox)) != "root":
            if machine.access(mailbox, os.R_OK) and machine.user.uid != 0:
                return
            if not host.is_member(self.login, group):
                yield Membership(user=self.login, group=group, why="who may read the PMIC")

    def _model(self) -> Iterator[Change]:
        machine, wished = self.machine, self.model
        if wished == NO_MODEL:
            return
        root = store_of(machine)
        if not machine.access(nearest(root), os.R_OK | os.X_OK):
            self.notes.append(f"no right to look into the model store {root}: use sudo")
            return
        entries = Store(root, load_catalogue(machine.config.models.catalogue)).entries()
        there_are = [entry.id for entry in entries if entry.kind == "language"]
        if wished is None and there_are:
            self.notes.append(f"there is a model: {', '.join(there_are)}")
        elif wished is not None:
            if wished not in there_are:
                yield ModelPull(name=wished, store=str(root), why="as you asked for")
        elif (best := self._suggested(root)) is not None:
            yield ModelPull(name=best.model.name, store=str(root), why=_about(best))
        else:
            self.notes.append("no model of the list fits the memory and the disk of this machine")

    def _suggested(self, store: Path) -> Suggestion | None:
        free = shutil.disk_usage(nearest(store.absolute())).free
        found = this_machine(self.machine).suggest("chat")
        return choose([one for one in found if 1.1 * one.model.bytes < free])

    def _daemon(self, cap: PowerCap) -> Iterator[Change]:
        """Calibration first, for it wants the board's full speed."""
        machine = self.machine
        calibration = machine.ask("/edge/v1/calibration")
        if calibration is None:
            told = "start the daemon, then: edge-rt calibrate --quick"
            self.notes.append(f"no daemon answers at {machine.socket}: {told}")
            return
        if self.calibrate and not members(calibration, "models"):
            yield QuickCalibration()
        budget = member(machine.ask("/edge/v1/budget") or {}, "budget")
        if cap.power_w is not None and number(budget.get("power_w")) is None:
            yield LiveBudget(power_w=cap.power_w)


def _about(best: Suggestion) -> str:
    model, cost = best.model, best.cost
    energy = "" if cost.energy_j is None else f", about {joules(cost.energy_j)} an answer"
    return f"{size(model.bytes)}, licence {model.licence}{energy}"


@dataclass(frozen=True)
class PowerCap:
    """Watts of a cap and the reason, or, with None, why there should be none."""

    power_w: float | None
    why: str


def power_cap(machine: ExaminedMachine) -> PowerCap:
    """Return the cap that the board's supply can carry, unless one is configured."""
    if (watts := machine.config.budget.power_w) is not None:
        return PowerCap(None, f"the configuration has a cap of {significant(watts)} W already")
    found = _supply(machine)
    if found is None:
        return PowerCap(None, "nothing tells what the supply carries")
    watts, why = found
    draw = machine.board.draw if machine.board else None
    idle_w = draw.idle_w.value if draw and draw.idle_w else 0.0
    if machine.supply is None and not (draw and draw.idle_w and draw.loaded_w):
        return PowerCap(None, "the board's power is not known, so no cap could be kept")
    if watts < _ROOM * idle_w:
        least = f"the board draws {significant(idle_w)} W when idle"
        return PowerCap(None, f"{why}, which is too little: {least}")
    return PowerCap(math.floor(10 * watts) / 10, why)


def _supply(machine: ExaminedMachine) -> tuple[float, str] | None:
    """Return watts that a cap may be, and where they come from."""
    draw = machine.board.draw if machine.board else Draw()
    stated_w = None if draw.supply_w is None else draw.supply_w.value
    known = [
        (SHARE * watts, f"{100 * SHARE:.0f} % of the {watts:g} W {whose}")
        for watts, whose in (
            (_negotiated_w(machine), "that the supply offers"),
            (stated_w, "of the board's own supply"),
        )
        if watts is not None
    ]
    if known:
        return min(known)
    name = present_mode(machine.root)
    if name and (watts := _MODE.fullmatch(name)):  # of NVIDIA's
        return float(watts[1]), f"as the power mode {name} says"
    most = draw.range_max_w
    return None if most is None else (most.value, "the most that the board's maker names")


def _negotiated_w(machine: ExaminedMachine) -> float | None:
    """Return what a Raspberry Pi 5 has agreed upon with its supply, in mA at 5 V."""
    path = machine.file("proc/device-tree/chosen/power/max_current")
    try:
        milliamps = int.from_bytes(path.read_bytes()[:4], "big")
    except OSError:
        return None
    return _USB_V * milliamps / 1000 or None
