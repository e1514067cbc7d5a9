"""Whether whoever asks may talk to the daemon."""

from __future__ import annotations

import os
from collections.abc import Iterator

from edge_rt.cli.doctor.finding import Finding, ok, problem
from edge_rt.cli.doctor.machine import Machine
from edge_rt.cli.doctor.user import group_of
from edge_rt.cli.files import there


def check_user(machine: Machine) -> Iterator[Finding]:
    """Who asks, and whether the daemon's socket is open to them."""
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
