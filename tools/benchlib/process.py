"""Processes that a benchmark starts, looks at and surely ends."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

import psutil

from benchlib import BenchError

_KILLED_S = 10.0  # for the kernel to end what was killed
_MB = 1024.0  # kB of /proc/PID/status in one


class Child:
    """One process and its descendants; a context manager that ends them all.

    Its output goes to the file `log`. `start_s` is the clock when it was spawned. `environ` is
    added to its environment.
    """

    def __init__(
        self,
        argv: Sequence[str],
        log: Path,
        grace_s: float = 10.0,  # from SIGTERM to SIGKILL
        clock: Callable[[], float] = time.perf_counter,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.log = log
        self._name, self._grace_s = argv[0], grace_s
        self.start_s = clock()
        with log.open("wb") as sink:
            self._popen = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(environ or {})},
                start_new_session=True,  # Ctrl-C is for the benchmark, which then ends this
            )
        self.process = psutil.Process(self._popen.pid)

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def tree(self) -> list[psutil.Process]:
        """The process and all its descendants; empty when it is gone."""
        try:
            return [self.process, *self.process.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def cpu_s(self) -> float:
        """CPU seconds of the whole tree so far, those that ended and were waited for included."""
        return sum(_cpu_s(process) for process in self.tree())

    def check(self) -> None:
        """Raise BenchError with the end of the log when the process has ended."""
        status = self._popen.poll()
        if status is not None:
            raise BenchError(f"{self._name} ended with status {status}:\n{self.tail()}")

    def tail(self, lines: int = 20) -> str:
        """The last lines of its output."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def stop(self) -> None:
        """SIGTERM, then SIGKILL for the rest; returns when all processes of the tree have ended."""
        tree = self.tree()
        if self._popen.poll() is None:
            self._popen.terminate()
        for process in _left(tree, self._grace_s):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        if alive := _left(tree, _KILLED_S):
            raise BenchError(f"process {alive[0].pid} could not be ended")
        self._popen.wait()


async def until(
    ready: Callable[[], Awaitable[bool]],
    child: Child,
    timeout_s: float = 60.0,
    pause_s: float = 0.003,
    clock: Callable[[], float] = time.perf_counter,
) -> float:
    """Try `ready` again and again while `child` runs; the seconds from its spawn to success.

    Raises BenchError when the child ends or the time is up. A connection that is refused, or
    breaks off, is "not yet".
    """
    while True:
        child.check()
        try:
            if await ready():
                return clock() - child.start_s
        except (OSError, BenchError):
            pass
        if clock() - child.start_s > timeout_s:
            raise BenchError(f"not ready after {timeout_s:.0f} s:\n{child.tail()}")
        await asyncio.sleep(pause_s)


def rss_mb(pid: int, proc: Path = Path("/proc")) -> dict[str, float]:
    """Resident memory of `pid` in MB (2**20): `rss`, and of it `anon` and `file`."""
    lines = (proc / str(pid) / "status").read_text().splitlines()
    fields = dict(line.split(":", 1) for line in lines if ":" in line)
    names = {"rss": "VmRSS", "anon": "RssAnon", "file": "RssFile"}
    return {key: int(fields[name].split()[0]) / _MB for key, name in names.items()}


def said(python: Path, code: str) -> str:
    """Return what `code` prints under `python`, stripped; raise BenchError when it fails."""
    done = subprocess.run([python, "-c", code], capture_output=True, text=True)
    if done.returncode != 0:
        raise BenchError(f"{python}: {done.stderr.strip()}")
    return done.stdout.strip()


def _left(processes: Sequence[psutil.Process], patience_s: float) -> list[psutil.Process]:
    """Return the processes that still run after `patience_s`; zombies do not count."""
    end = time.monotonic() + patience_s
    while (alive := [p for p in processes if _runs(p)]) and time.monotonic() < end:
        time.sleep(0.01)
    return alive


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _cpu_s(process: psutil.Process) -> float:
    """Its CPU seconds, and those of its children that it has waited for."""
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return times.user + times.system + times.children_user + times.children_system
