"""Whether a daemon answers, is healthy, reads the board, and writes its files."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

from edge_rt.board.readers.clocks import GPU_ENDS
from edge_rt.board.supply import SupplyRails
from edge_rt.cli.doctor.check_power_chips import grant
from edge_rt.cli.doctor.machine import ExaminedMachine, group_of, several
from edge_rt.cli.doctor.remedies import word, written
from edge_rt.cli.exits import CommandFailure, NoDaemon
from edge_rt.cli.options import nearest, text, there
from edge_rt.cli.text import Json, line, lines, member, members
from edge_rt.config.checks import ledger_faults
from edge_rt.config.schema import Config, Ledger
from edge_rt.core.reports.finding import Finding, note, ok, problem

_PROCESSES = "cpu-load"  # of which some do not run at times
_UNITS = ("etc/systemd/system", "usr/lib/systemd/system", "lib/systemd/system")
_SERVICE = "edge-rt.service"
_GPU_ENDS = [f"*{end}" for end in GPU_ENDS]
_GPU_DRIVERS = ("nvhost*", "nvidia*", *_GPU_ENDS, "gpu-gpc*", "gpu.*", "gpu")  # in /proc/devices
_LEAST_BYTES = 1 << 20  # with less the disk counts as full
_LEDGER = "ledger.db"  # `check_ledger` tells of that


def check_user(machine: ExaminedMachine) -> Iterator[Finding]:
    """Name this user, and check that the daemon's socket is open to them."""
    user, socket = machine.user, machine.socket
    groups = "" if user.uid == 0 else f", in groups {', '.join(sorted(user.groups))}"
    yield ok("user", f"you are {user.name}{groups}")
    if not there(socket) or machine.access(socket, os.R_OK | os.W_OK):
        return
    group = group_of(socket)
    named: tuple[str, ...] = ()
    if group == "root":
        group = "edge-rt"
        named = ("# give the socket to a group, in the daemon's config.yaml:",)
        named += ("# socket: {group: edge-rt}",)
    reason = f"you may not use the daemon's socket {socket}"
    yield problem("user", reason, *named, *user.join(group))


def check_daemon(machine: ExaminedMachine) -> Iterator[Finding]:
    """Yield whether a daemon answers at the socket and proves that it could answer a request."""
    socket = machine.socket
    absent = note("daemon", f"none answers at {socket}", _start(machine))
    if not there(socket):
        yield absent
        return
    if not machine.access(socket, os.R_OK | os.W_OK):
        return  # membership.py has told
    if machine.silent:
        yield problem("daemon", f"the daemon at {socket} does not answer", log_of(machine))
        return
    from edge_rt.cli.client import Client  # brings an HTTP client

    try:
        with Client(socket) as client:
            proof = client.get("/health")
    except NoDaemon:
        yield absent
    except CommandFailure as failure:
        what = f"the daemon at {socket} cannot answer: {failure.message}"
        yield problem("daemon", what, "edge-rt status", log_of(machine))
    else:
        yield ok("daemon", f"healthy at {socket} ({proof.get('proof', 'proved')})")


def log_of(machine: ExaminedMachine) -> str:
    """Return how to read what the daemon says of itself."""
    return "journalctl -u edge-rt -n 50" if is_service(machine) else "# look at the daemon's log"


def is_service(machine: ExaminedMachine) -> bool:
    """Return whether edge_rt is installed as a service."""
    return any(there(machine.file(place) / _SERVICE) for place in _UNITS)


def check_gpu_devices(machine: ExaminedMachine) -> Iterator[Finding]:
    """Check that the service's unit allows the devices of a Jetson's or an NVIDIA card's GPU."""
    allowed = _allowed(machine)
    drivers = [name for name in _drivers(machine) if _fits(name, _GPU_DRIVERS)]
    if not drivers or allowed is None:
        return
    shut = [name for name in drivers if not _fits(name, allowed)]
    if not shut:
        yield ok("gpu devices", f"the service may open those of {', '.join(drivers)}")
        return
    what = f"the service finds no GPU: DeviceAllow= of its unit lacks {', '.join(shut)}"
    lines = [f"DeviceAllow=char-{name} rw" for name in shut]
    sudo, folder = machine.user.sudo, f"/etc/systemd/system/{_SERVICE}.d"
    remedy = (
        f"{sudo}mkdir -p {folder}",
        *written("\n".join(["[Service]", *lines]), f"{folder}/gpu.conf", sudo),
        f"{sudo}systemctl daemon-reload",
        f"{sudo}systemctl restart edge-rt",
    )
    judged = problem if any(machine.config.engine.offloads) else note
    yield judged("gpu devices", what, *remedy)


def _fits(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _drivers(machine: ExaminedMachine) -> list[str]:
    """Return the names of character devices in /proc/devices, each once."""
    listed, _, _ = text(machine.file("proc/devices")).partition("\n\n")
    rows = (line.split(maxsplit=1) for line in listed.splitlines())
    return list(dict.fromkeys(row[1] for row in rows if len(row) == 2 and row[0].isdigit()))


def _allowed(machine: ExaminedMachine) -> tuple[str, ...] | None:
    """Return the names in /proc/devices that the unit allows; None: all, or there is no unit."""
    folders = [machine.file(place) for place in _UNITS]
    unit = next((folder / _SERVICE for folder in folders if there(folder / _SERVICE)), None)
    if unit is None:
        return None
    drop_ins = [path for folder in folders for path in (folder / f"{_SERVICE}.d").glob("*.conf")]
    allowed, closed = list[str](), False
    for path in (unit, *sorted(drop_ins, key=lambda path: path.name)):
        for row in text(path).splitlines():
            key, _, value = row.partition("=")
            if key == "DeviceAllow" and not value:
                allowed.clear()
            elif key == "DeviceAllow" and value.startswith("char-"):
                allowed.append(value.split()[0].removeprefix("char-"))
            elif key == "DevicePolicy":
                closed = value != "auto"
    return tuple(allowed) if closed or allowed else None


def _start(machine: ExaminedMachine) -> str:
    if is_service(machine):
        return f"{machine.user.sudo}systemctl start edge-rt"
    usual = Path(machine.config.socket.path or machine.paths.socket)
    named = "" if machine.socket == usual else f" --socket {word(machine.socket)}"
    return f"edge-rt serve{named}"


def _restart(machine: ExaminedMachine) -> str:
    if is_service(machine):
        return f"{machine.user.sudo}systemctl restart edge-rt"
    return "# then end the daemon and start it again"


def check_daemons_board(machine: ExaminedMachine) -> Iterator[Finding]:
    """Compare the daemon's readings with those that this user can take."""
    report = machine.daemon_board
    if report is None:
        yield from _elsewhere(machine)
        return
    if report.get("looking"):
        yield note("daemon board", "the daemon is still looking at the board: ask again soon")
        return
    id = member(report, "board").get("id")
    if machine.board is not None and id != machine.board.id:
        what = f"the daemon takes the board for {id or 'none that it knows'}"
        yield note("daemon board", what, _restart(machine))
    if report.get("simulated"):
        yield note("daemon board", f"the daemon reads a simulated board at {machine.root}")
    for name, reason in member(report, "left_out").items():
        yield problem("daemon board", f"the daemon leaves out {name}: {line(reason)}")
    yield from _supply(machine, report)
    yield from _silent(report)


def _elsewhere(machine: ExaminedMachine) -> Iterator[Finding]:
    """Yield what a daemon reads that reads another board than the one that is looked at."""
    report = machine.ask("/edge/v1/board") or {}
    if report.get("simulated"):
        root, id = (
            line(report.get("root")),
            line(member(report, "board").get("id", "unknown board")),
        )
        what = f"the daemon does not read this machine but a simulated {id} at {root}"
        yield note("daemon board", what, f"edge-rt doctor --sensors-root {word(root)}")


def _supply(machine: ExaminedMachine, report: Json) -> Iterator[Finding]:
    theirs, ours = member(report, "supply"), machine.supply
    if machine.daemon_measures:
        yield _read(machine, lines(theirs, "rails") or [], report)
    elif ours is not None:
        how = "models the power" if theirs else "has no power figure"
        what = f"the daemon {how}, though {several(ours.rails)} can be read by you"
        yield problem("daemon board", what, *_rights(machine, ours), _restart(machine))


def _read(machine: ExaminedMachine, rails: list[str], report: Json) -> Finding:
    """Return whether each rail of the total has a value, and if not, why."""
    powers = [row for row in members(report, "channels") if row.get("kind") == "power_w"]
    silent = {
        str(row["name"]): row["error"]
        for row in powers
        if row.get("name") in rails and row.get("value") is None and row.get("error")
    }
    if not silent:
        return ok("daemon board", f"the daemon reads {several(rails)}")
    what = f"the daemon cannot read {several(list(silent))}: {next(iter(silent.values()))}"
    if report.get("simulated"):
        again = "# start the simulated board (edge-rt twin) again, then the daemon"
        return problem("daemon board", what, again)
    return problem("daemon board", what, *_known(machine))


def _known(machine: ExaminedMachine) -> tuple[str, ...]:
    """Commands that give the daemon this user's rights; none where the user lacks them, too."""
    ours = machine.supply
    if ours is None or ours.power_w() is None:
        return ()
    return (*_rights(machine, ours), _restart(machine))


def _rights(machine: ExaminedMachine, supply: SupplyRails) -> tuple[str, ...]:
    """Return what gives the service's group the rights that it lacks, by the total's chips."""
    readers = dict.fromkeys(reader.name for reader in supply.readers)
    return tuple(line for name in readers for line in grant(machine, name, "edge-rt"))


def _silent(report: Json) -> Iterator[Finding]:
    rows = members(report, "channels")
    lacking = [row for row in rows if row.get("value") is None and row.get("error")]
    failed = [row for row in lacking if row.get("reader") != _PROCESSES]
    if failed:
        first = failed[0]
        what = f"the daemon cannot read {len(failed)} of {len(rows)} figures now"
        yield note("daemon board", f"{what}, such as {first.get('name')}: {first.get('error')}")


def check_ledger(machine: ExaminedMachine) -> Iterator[Finding]:
    """Check that the daemon writes its ledger; yields nothing without a daemon."""
    stored = (machine.ask("/edge/v1/ledger?days=1&last=0") or {}).get("stored")
    if stored is True:
        yield ok("ledger", "the daemon writes down what answers cost")
    elif stored is False:
        what = "the daemon cannot write its ledger"
        reason = _reason(machine)
        if reason is not None:
            what += f" ({reason})"
        lost = "it is kept in memory only: it will be lost when the daemon ends"
        yield problem("ledger", f"{what}, so {lost}", log_of(machine))


def _reason(machine: ExaminedMachine) -> str | None:
    """Return what can be seen from here, where the daemon's configuration is the installation's."""
    path = Path(machine.config.ledger.path or machine.paths.state / "ledger.db")
    for _, reason in ledger_faults(Config(ledger=Ledger(path=str(path)))):
        return reason
    if shutil.disk_usage(nearest(path.parent)).free < _LEAST_BYTES:
        return "the disk is full"
    fault = member(_storage(machine), "failing").get(_LEDGER)
    return None if fault is None else line(fault)


def _storage(machine: ExaminedMachine) -> Json:
    """Return what the daemon says of its files."""
    return member(machine.ask("/edge/v1/status") or {}, "storage")


def check_storage(machine: ExaminedMachine) -> Iterator[Finding]:
    """Report the files that the daemon says it cannot use; yields nothing if there are none."""
    report = _storage(machine)
    for name, fault in member(report, "failing").items():
        if name != _LEDGER:
            yield problem("storage", f"{name}: {line(fault)}", log_of(machine))
    for name in lines(report, "aside") or []:
        file = word(machine.paths.state / name)
        what = f"{name} was damaged, and the daemon began a new file in its place"
        yield note("storage", what, f"# once nobody needs it: {machine.user.sudo}rm {file}")
