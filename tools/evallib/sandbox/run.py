"""Run a program that nobody has read, in a process that may do little and not for long."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_INSIDE = Path(__file__).with_name("inside.py")
_TOLD = 400  # characters of what went wrong


@dataclass(frozen=True)
class Bounds:
    """What a program may use."""

    cpu_s: int = 5
    wall_s: float = 20.0
    memory_bytes: int = 512 << 20  # of addresses
    file_bytes: int = 1 << 20  # of each file


@dataclass(frozen=True)
class Outcome:
    """Whether the program came to its end without an error; else `why` it did not."""

    passed: bool
    why: str = ""


def run(program: str, bounds: Bounds = Bounds()) -> Outcome:
    """Run Python source in a directory of its own, which is empty and goes away with it.

    No network, no other processes, no writing elsewhere; see `inside`. All that it may have
    started ends with it.
    """
    with tempfile.TemporaryDirectory(prefix="edge-rt-eval-", ignore_cleanup_errors=True) as home:
        place = Path(home).resolve()
        (place / "program.py").write_text(program, encoding="utf-8", errors="replace")
        return _run(place, bounds)


def _run(place: Path, bounds: Bounds) -> Outcome:
    word = secrets.token_hex(8)  # said at the end; a program cannot know it
    with (
        tempfile.TemporaryFile() as said,
        tempfile.TemporaryFile() as wrong,
        subprocess.Popen(
            [sys.executable, "-s", "-S", str(_INSIDE), str(place), *_limits(bounds)],
            stdin=subprocess.PIPE,
            stdout=said,
            stderr=wrong,
            cwd=place,
            env={"PYTHONHASHSEED": "0", "PATH": os.defpath, "TMPDIR": str(place)},
            start_new_session=True,
        ) as child,
    ):
        in_time = _wait(child, word, bounds.wall_s)
        said.seek(0)
        passed = child.returncode == 0 and said.read(64).strip() == word.encode()
        wrong.seek(0)
        why = wrong.read()[-_TOLD:].decode(errors="replace").strip()
    if passed:
        return Outcome(True)
    return Outcome(False, _reason(child.returncode, why) if in_time else "not in time")


def _limits(bounds: Bounds) -> Sequence[str]:
    return [str(n) for n in (bounds.cpu_s, bounds.memory_bytes, bounds.file_bytes)]


def _wait(child: subprocess.Popen[bytes], word: str, wall_s: float) -> bool:
    """Return whether it ended by itself; in the end nothing of its group is left."""
    try:
        child.communicate(word.encode(), timeout=wall_s)
    except subprocess.TimeoutExpired:
        return False
    finally:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
    return True


def _reason(status: int, why: str) -> str:
    if status in (-signal.SIGXCPU, -signal.SIGKILL):
        return "not in time"
    if status < 0:
        return f"ended by {signal.Signals(-status).name}"
    return why.splitlines()[-1] if why else "ended before its end"
