"""A guest root booted by systemd-nspawn: systemd of its own on this machine's kernel."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

from bootstrap import SetupError

BOOT_S = 120.0  # a second, on a quiet machine
END_S = 60.0

_AGAIN_S = 0.1
_POWER_OFF = signal.SIGRTMIN + 4  # what systemd takes for it


class Container:
    """One booted guest; what it writes goes with it."""

    def __init__(self, root: Path, shown: Mapping[str, Path], console: Path) -> None:
        """`shown` are files and folders of this machine by their place in the guest, read-only.

        Raises SetupError where it does not boot.
        """
        self._console = console
        with console.open("wb") as output:
            self._process = subprocess.Popen(
                _command(root, shown),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            self._wait()
        except BaseException:
            self.close()
            raise

    @property
    def files(self) -> Path:
        """Its root as this machine sees it; sockets in it can be connected to."""
        return Path(f"/proc/{self._init}/root")

    def run(
        self, *argv: str, check: bool = True, **options: Any
    ) -> subprocess.CompletedProcess[str]:
        """Run a program in the guest as root; `options` are those of subprocess.run.

        Raises AssertionError with what it said where it fails, unless `check` is False.
        """
        enter = ["nsenter", "-t", str(self._init), "-m", "-u", "-i", "-n", "-p", "-r", "-w"]
        options = {"input": "", "capture_output": True, "text": True, "timeout": 300} | options
        clean = {"PATH": "/usr/local/bin:/usr/bin:/usr/sbin", "HOME": "/root", "LANG": "C.UTF-8"}
        done = subprocess.run([*enter, *argv], env=clean, check=False, **options)
        if check and done.returncode != 0:
            said = f"{done.stdout}{done.stderr}"
            raise AssertionError(f"{' '.join(argv)} ended with {done.returncode}: {said}")
        return done

    def outside(self, pid: int) -> int:
        """Return this machine's number of the guest's process; LookupError where there is none."""
        space = Path(f"/proc/{self._init}/ns/pid").readlink()
        for place in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):  # it ends just now
                said = re.search(r"^NSpid:.*\t(\d+)$", (place / "status").read_text(), re.MULTILINE)
                if said and int(said[1]) == pid and (place / "ns/pid").readlink() == space:
                    return int(place.name)
        raise LookupError(f"the guest has no process {pid}")

    def close(self) -> None:
        """Turn it off, by force if need be."""
        if self._process.poll() is None:
            with contextlib.suppress(LookupError, ProcessLookupError):
                os.kill(self._init, _POWER_OFF)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(END_S)
        if self._process.poll() is None:
            self._process.kill()  # with it goes all that runs in the guest
            self._process.wait()

    @property
    def _init(self) -> int:
        """The guest's first process, as this machine counts; LookupError while there is none."""
        pid = self._process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        if not children:
            raise LookupError(f"systemd-nspawn has no guest; see {self._console}")
        return int(children[0])

    def _wait(self) -> None:
        """Until all that starts at boot has, or has failed."""
        until = time.monotonic() + BOOT_S
        while time.monotonic() < until and self._process.poll() is None:
            with contextlib.suppress(LookupError, OSError):
                said = self.run("systemctl", "is-system-running", "--wait", check=False)
                if said.stdout.strip() in ("running", "degraded"):
                    return
            time.sleep(_AGAIN_S)
        tail = self._console.read_text(errors="replace")[-2000:]
        raise SetupError(f"The guest does not boot:\n{tail}")


def _command(root: Path, shown: Mapping[str, Path]) -> Sequence[str]:
    return [
        *("systemd-nspawn", "--quiet", "--boot", f"--directory={root}", "--volatile=overlay"),
        # There is no machined to tell, and no unit to be in. Two guests cannot have one name.
        *("--register=no", "--keep-unit", "--private-network", f"--machine=guest-{uuid4().hex}"),
        *(f"--bind-ro={path}:{place}" for place, path in shown.items()),
    ]
