"""The state directory, and whose it is."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from edge_rt.errors import StateError
from edge_rt.lock import take


@contextmanager
def sole_estate(state: Path) -> Generator[None]:
    """The state directory is this daemon's alone while the block runs, where it can be written.

    Raises StateError where another daemon has it, and as `check_estate` does.
    """
    check_estate(state)
    lock = _taken(state)
    try:
        yield
    finally:
        if lock is not None:
            os.close(lock)


def _taken(state: Path) -> int | None:
    """The lock; None where the directory cannot be written, which the files there tell, too."""
    try:
        state.mkdir(parents=True, exist_ok=True)
        return take(state / "daemon.lock")
    except BlockingIOError:
        raise StateError(
            f"another daemon keeps its files in {state}: stop it first, or name another directory "
            "in STATE_DIRECTORY"
        ) from None
    except OSError:
        return None


def check_estate(state: Path, uid: int | None = None) -> None:
    """Raise StateError where root would keep files among those of another user.

    That one's daemon, such as the service, could not open them from then on. `uid` is the
    daemon's own user, None: this process's.
    """
    if (os.geteuid() if uid is None else uid) != 0:
        return  # who may not write there does no harm, and is told of it
    try:
        owner = state.stat().st_uid
    except OSError:
        return
    if owner != 0:
        raise StateError(
            f"{state} belongs to user {owner}, whose daemon could not open what root keeps there: "
            "systemctl start edge-rt, or, for a daemon beside it, name another directory in "
            "STATE_DIRECTORY"
        )
