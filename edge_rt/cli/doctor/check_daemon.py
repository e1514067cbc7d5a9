"""Whether a daemon answers, is healthy and reads the board, and what it finds itself."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from edge_rt.cli.doctor.check_power_chips import grant
from edge_rt.cli.doctor.machine import ExaminedMachine, group_of, several
from edge_rt.cli.doctor.remedies import word
from edge_rt.cli.document import caps
from edge_rt.cli.exits import CommandFailure, NoDaemon
from edge_rt.cli.options import there
from edge_rt.cli.text import Json, line, lines, member, members
from edge_rt.core.reports.finding import Finding, note, ok, problem

UNITS = ("etc/systemd/system", "usr/lib/systemd/system", "lib/systemd/system")
SERVICE = "edge-rt.service"
_NOTES = ("supply", "waiting")  # codes of what the daemon finds, and nobody has to mend
_NO_MODEL = "no_model"  # of which `check_models` tells


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
        return  # `check_user` has told
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
    return any(there(machine.file(place) / SERVICE) for place in UNITS)


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
        report = machine.ask("/edge/v1/board") or {}
        if report.get("simulated"):
            root, board = line(report.get("root")), member(report, "board")
            id = line(board.get("id", "unknown board"))
            what = f"the daemon does not read this machine but a simulated {id} at {root}"
            yield note("daemon board", what, f"edge-rt doctor --sensors-root {word(root)}")
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
    supply, rails = machine.supply, lines(member(report, "supply"), "rails") or []
    if machine.daemon_measures:
        yield ok("daemon board", f"the daemon reads {several(rails)}")
    elif supply is not None:
        how = "models the power" if rails else "has no power figure"
        what = f"the daemon {how}, though {several(supply.rails)} can be read by you"
        readers = dict.fromkeys(reader.name for reader in supply.readers)
        rights = (line for name in readers for line in grant(machine, name, "edge-rt"))
        yield problem("daemon board", what, *rights, _restart(machine))
    yield from _silent(report, rails)


def _silent(report: Json, rails: list[str]) -> Iterator[Finding]:
    """Yield how many figures the daemon lacks, with the reason of one, best of one of `rails`."""
    rows = members(report, "channels")
    failed = [row for row in rows if row.get("value") is None and row.get("error")]
    supply = [row for row in failed if row.get("kind") == "power_w" and row.get("name") in rails]
    for row in (supply or failed)[:1]:
        what = f"the daemon cannot read {len(failed)} of {len(rows)} figures now, such as"
        judged = problem if supply else note
        yield judged("daemon board", f"{what} {line(row.get('name'))}: {line(row['error'])}")


def check_findings(machine: ExaminedMachine) -> Iterator[Finding]:
    """Yield what the daemon itself finds of budget, supply, knobs, files and sensors."""
    status = machine.ask("/edge/v1/status") or {}
    governor = member(status, "governor")
    for one in members(status, "problems"):
        code, message = line(one.get("code")), line(one.get("message"))
        if code in _NOTES:
            yield note(code, message)
        elif code != _NO_MODEL:
            yield problem(code, message, log_of(machine))
    for text in lines(governor, "missing") or []:
        yield note("budget", text)
    if named := caps(governor):
        yield ok("budget", ", ".join(named))
    for name in lines(member(status, "storage"), "aside") or []:
        file = word(machine.paths.state / name)
        what = f"{name} was damaged, and the daemon began a new file in its place"
        yield note("storage", what, f"# once nobody needs it: {machine.user.sudo}rm {file}")
