"""The unit of checkers: programs in its sandbox, under a real systemd."""

from __future__ import annotations

import json
from typing import Any

import pytest
from vm_guests import Box

SOCKET = "/run/edge-rt-check.sock"
ASK = f"""
import socket, sys
with socket.socket(socket.AF_UNIX) as s:
    s.connect("{SOCKET}")
    s.sendall(sys.argv[1].encode() + b"\\n")
    print(s.makefile().read())
"""
# What each does, and what comes of it: its exit code, or a word of the reason; None: either.
PROGRAMS: dict[str, tuple[str, int | str | None]] = {
    "it reads its input": ("assert input() == 'hello'", 0),
    "it says no": ("raise SystemExit(1)", 1),
    "it loops": ("while True: pass", "took too long"),
    "it forks": ("import os\nwhile True:\n try: os.fork()\n except OSError: pass", None),
    "it takes memory": ("import os\nos.fork(); os.fork()\nx = bytearray(100 << 20); input()", None),
    "it writes for ever": ("import sys\nwhile True: sys.stdout.write('x' * 65536)", "bytes"),
    "it dies": ("import os; os.kill(os.getpid(), 11)", -11),
    "it looks for the network": (
        "import socket; socket.create_connection(('127.0.0.1', 22), 2)",
        1,
    ),
    "it reads what the daemon keeps": ("import os; os.listdir('/var/lib/edge-rt')", 1),
    "it reads the configuration": ("open('/etc/edge-rt/config.yaml').read()", 1),
    "it asks the daemon": ("import os; os.listdir('/run/edge-rt')", 1),
    "it writes": ("open('/var/tmp/../../usr/x', 'w')", 1),
    "it is nobody": ("import os; assert os.getuid() >= 61184", 0),
}


def asked(box: Box, code: str) -> dict[str, Any] | None:
    """Return how a program ended; None: its unit was ended."""
    order = {
        "user": 61184,
        "command": ["/usr/bin/python3", "-c", code],
        "seconds": 3.0,
        "memory_bytes": 256 << 20,
        "input": "hello\n",
    }
    who = ("setpriv", "--reuid=edge-rt", "--regid=edge-rt", "--clear-groups")
    told = box.run(*who, "python3", "-c", ASK, json.dumps(order))
    return json.loads(told.stdout) if told.stdout.strip() else None


@pytest.mark.parametrize("name", PROGRAMS)
def test_whatever_a_program_does_it_ends_and_is_told(box: Box, name: str) -> None:
    box.run("systemctl", "start", "edge-rt-check.socket")
    code, wanted = PROGRAMS[name]
    ending = asked(box, code)
    if isinstance(wanted, str):
        assert ending is not None
        assert ending["status"] is None
        assert wanted in ending["why"]
    elif wanted is not None:
        assert ending is not None
        assert ending["status"] == wanted, ending
    left = box.run("systemctl", "list-units", "--plain", "--no-legend", "edge-rt-check@*").stdout
    assert not [line for line in left.splitlines() if " running " in line]


def test_nobody_but_the_daemon_may_ask(box: Box) -> None:
    box.run("systemctl", "start", "edge-rt-check.socket")
    owner = box.run("stat", "-c", "%U %a", SOCKET).stdout.strip()
    assert owner == "edge-rt 600"
