"""Locks that end with the process that holds them."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path


def take(lock: Path) -> int:
    """The descriptor of a lock that nobody else has while it is open.

    The file stays when it is closed: removing it would let two hold a lock. Raises OSError,
    BlockingIOError where another has it.
    """
    held = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException:
        os.close(held)
        raise
    return held
