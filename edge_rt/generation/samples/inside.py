"""The inner side of a checker's sandbox: sets limits, runs the program, tells how it ended.

An order comes as a line of JSON on standard input, and an ending goes to standard output. The
walls, namespaces without network or files, are up already: bubblewrap or systemd runs this. All
that the program started ends with this process, which is the first of its namespace or the main
one of its unit. Only the standard library is used.
"""

from __future__ import annotations

import ctypes
import json
import math
import os
import resource
import select
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

OUTPUT = 64 * 1024  # most bytes that a program may say
_TOLD = 200  # characters of what it says that are told
_LIMITS = (
    (resource.RLIMIT_CORE, 0),
    (resource.RLIMIT_FSIZE, 16 << 20),
    (resource.RLIMIT_NOFILE, 64),
    (resource.RLIMIT_NPROC, 32),
)
_LOOK_S = 0.05  # between two looks at the memory
_PR_SET_DUMPABLE = 4
_PAGE = os.sysconf("SC_PAGE_SIZE")


def main() -> None:
    """Run the program of one order."""
    order: dict[str, Any] = json.loads(sys.stdin.buffer.readline())
    ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)  # nobody opens /proc/1/fd/1
    if os.geteuid() == 0:
        user = order["user"]
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    seconds, memory = float(order["seconds"]), int(order["memory_bytes"])
    cpu_s = math.ceil(seconds) + 1
    for what, most in (*_LIMITS, (resource.RLIMIT_CPU, cpu_s), (resource.RLIMIT_AS, memory)):
        hard = resource.getrlimit(what)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (most, most))
    ending = run(order["command"], order["input"], seconds, memory)
    sys.stdout.write(json.dumps(ending) + "\n")
    sys.stdout.flush()
    os._exit(0)


def run(command: list[str], text: str, seconds: float, memory: int) -> dict[str, Any]:
    """Return `status`, its exit code, None where a limit ended it, and `why`."""
    until_s = time.monotonic() + seconds
    with tempfile.TemporaryFile() as given:
        given.write(text.encode("utf-8", "replace"))
        given.seek(0)
        try:
            child = subprocess.Popen(
                command,
                stdin=given,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd="/tmp",
                env={"PATH": os.defpath, "LANG": "C.UTF-8", "HOME": "/tmp"},
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            return {"status": None, "why": f"cannot be run: {error}"}
    said, why = _heard(child, until_s, memory)
    if why is None:
        try:
            child.wait(max(0.0, until_s - time.monotonic()))
        except subprocess.TimeoutExpired:
            why = "took too long"
    if why is not None:
        child.kill()
        return {"status": None, "why": why}
    return {"status": child.returncode, "why": said[:_TOLD].decode(errors="replace").strip()}


def _heard(child: subprocess.Popen[bytes], until_s: float, memory: int) -> tuple[bytes, str | None]:
    """Return what the program says, and which limit it met before it ended."""
    assert child.stdout is not None
    said, out = b"", child.stdout.fileno()
    while (left_s := until_s - time.monotonic()) > 0.0:
        if select.select([out], [], [], min(left_s, _LOOK_S))[0]:
            more = os.read(out, OUTPUT)
            said += more
            if not more:
                return said, None
        if len(said) > OUTPUT:
            return said, f"said more than {OUTPUT} bytes"
        if resident() > memory:
            return said, f"took more than {memory} bytes of memory"
    return said, "took too long"


def resident() -> int:
    """Return the bytes in memory of the user's other processes."""
    total, own = 0, (os.getuid(), os.getpid())
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if folder.stat().st_uid == own[0] and int(folder.name) != own[1]:
                total += int((folder / "statm").read_text().split()[1]) * _PAGE
        except (OSError, IndexError):  # it has ended
            continue
    return total


if __name__ == "__main__":
    main()
