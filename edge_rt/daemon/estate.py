"""The state directory, and whose it is."""

from __future__ import annotations

import os
from pathlib import Path

from edge_rt.errors import StateError


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
