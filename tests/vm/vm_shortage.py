"""The control group that a guest's daemon has its memory in, as this machine sees it, and another
program that takes memory there.
"""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

TOP = Path("/sys/fs/cgroup")
STEP = 4 << 20  # bytes that the other program takes at once

_TAKE = """
import sys
from pathlib import Path
Path("/proc/self/oom_score_adj").write_text("300")
Path(sys.argv[1]).write_text("0")
taken = []
for line in sys.stdin:
    while len(taken) < int(line):
        taken.append(bytearray(b"x") * {STEP})
    print("taken", flush=True)
""".replace("{STEP}", str(STEP))


class _Files(NamedTuple):
    """What a version of control groups calls them; `still` keeps memory from going to a swap."""

    limit: str
    unlimited: str
    used: str
    events: str
    still: str


_VERSION_1 = _Files(
    "memory.limit_in_bytes",
    "-1",
    "memory.usage_in_bytes",
    "memory.oom_control",
    "memory.swappiness",
)
_VERSION_2 = _Files("memory.max", "max", "memory.current", "memory.events", "memory.swap.max")


class Group:
    """Where memory is in the hierarchy of version 2 it is that of the service, otherwise one that
    is made here, and holds what the daemon starts from now on.
    """

    def __init__(self, daemon: int) -> None:
        """`daemon` is its process, as this machine counts."""
        self._made = "memory" in _groups("self")
        self._files = _VERSION_1 if self._made else _VERSION_2
        if self._made:
            own = _groups("self")["memory"].strip("/")
            self._place = TOP / "memory" / own / f"edge-rt-vm-{os.getpid()}"
            self._place.mkdir()
            self.members.write_text(str(daemon))
        else:
            self._place = TOP / _groups(str(daemon))[""].strip("/")
        self._write(self._files.still, "0")

    @property
    def members(self) -> Path:
        """The file that moves a process into it."""
        return self._place / "cgroup.procs"

    @property
    def used(self) -> int:
        """Bytes, those of files included."""
        return int(self._read(self._files.used))

    @property
    def kills(self) -> int:
        """How many of its processes the kernel has killed for memory."""
        return int(dict(map(str.split, self._read(self._files.events).splitlines()))["oom_kill"])

    def limit(self, size: int | None) -> None:
        """Let it have so many bytes at most; None: as many as there are."""
        self._write(self._files.limit, self._files.unlimited if size is None else str(size))

    def close(self) -> None:
        """Leave nothing behind; whoever is in it has to be gone."""
        self.limit(None)
        if self._made:
            self._place.rmdir()

    def _read(self, name: str) -> str:
        return (self._place / name).read_text()

    def _write(self, name: str, text: str) -> None:
        (self._place / name).write_text(text)


class Other:
    """Another program in the same group.

    The kernel kills the engine before it, and it before the daemon: while the memory of who was
    killed is not free yet, a second one may have to go.
    """

    def __init__(self, group: Group) -> None:
        self.steps = 0
        self._process = subprocess.Popen(
            [sys.executable, "-c", _TAKE, str(group.members)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    @property
    def lives(self) -> bool:
        """Whether nobody has killed it."""
        return self._process.poll() is None

    def take(self) -> bool:
        """One step more; False where it was killed."""
        assert self._process.stdout is not None
        with suppress(BrokenPipeError):
            print(self.steps + 1, file=self._process.stdin, flush=True)
        if self._process.stdout.readline() != "taken\n":
            return False
        self.steps += 1
        return True

    def close(self) -> None:
        """Give all of it back."""
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            with suppress(BrokenPipeError):
                pipe.close()
        self._process.wait()


def _groups(process: str) -> dict[str, str]:
    """The control groups of a process, by controller."""
    found: dict[str, str] = {}
    for line in Path(f"/proc/{process}/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        found |= dict.fromkeys(controllers.split(","), path)
    return found
