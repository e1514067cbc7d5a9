"""Processes that are stopped for a test."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path


def stop(pid: int) -> None:
    """Stop all threads of a process; each goes on until one of them has taken the signal."""
    os.kill(pid, signal.SIGSTOP)
    tasks = [*Path(f"/proc/{pid}/task").glob("*/stat")]
    while {task.read_text().rpartition(")")[2].split()[0] for task in tasks} != {"T"}:
        threading.Event().wait(0.01)
