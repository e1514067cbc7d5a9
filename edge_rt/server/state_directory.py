"""The state directory: whose it is, and whether its files get to the disk."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import stat
from collections.abc import Generator, Mapping
from pathlib import Path

from edge_rt.config.caching import Cache
from edge_rt.core.errors import StateError
from edge_rt.core.files import take
from edge_rt.core.logs import Trouble
from edge_rt.core.reports.planning import StorageReport

_ASIDE = "*.db.corrupt-*"
log = logging.getLogger(__name__)
_ENDS = "", "-wal", "-shm", ".corrupt-*"


class StorageHealth:
    """Collects the faults of all files of the state directory."""

    def __init__(self, folder: Path, troubles: Mapping[str, Trouble | None]) -> None:
        """`troubles` are by the file's name, None: there is none to write."""
        self._folder = folder
        self._troubles = {name: one for name, one in troubles.items() if one is not None}

    @property
    def failing(self) -> dict[str, str]:
        """What is so while files cannot be written, and why, by their names."""
        found = {name: trouble.told for name, trouble in self._troubles.items()}
        return {name: told for name, told in found.items() if told is not None}

    def report(self) -> StorageReport:
        """Return all that is known."""
        free_bytes = None
        with contextlib.suppress(OSError):
            free_bytes = shutil.disk_usage(self._folder).free
        return StorageReport(list(self._troubles), self.failing, self._aside(), free_bytes)

    def _aside(self) -> list[str]:
        try:
            files = [f for place in ("", "simulated/*/") for f in self._folder.glob(place + _ASIDE)]
        except OSError:
            return []
        names = (str(file.relative_to(self._folder)) for file in files)
        return sorted(name for name in names if not name.endswith(("-wal", "-shm")))


@contextlib.contextmanager
def state_directory(state: Path) -> Generator[None]:
    """Keep a state directory this daemon's alone while the block runs, where it can be written.

    It is made where it is missing, and closed to other users. Raises StateError where another
    daemon has it, and as `check_state_directory` does.
    """
    check_state_directory(state)
    with contextlib.ExitStack() as stack:
        try:
            state.mkdir(mode=0o700, parents=True, exist_ok=True)
            stack.callback(os.close, take(state / "daemon.lock"))
        except BlockingIOError:
            raise StateError(
                f"another daemon keeps its files in {state}: stop it first, or name another "
                "directory in STATE_DIRECTORY"
            ) from None
        except OSError:
            pass  # it cannot be written, which the files there tell, too
        else:
            with contextlib.suppress(OSError):  # it is root's
                state.chmod(stat.S_IMODE(state.stat().st_mode) & 0o700)
        yield


def check_state_directory(state: Path, uid: int | None = None) -> None:
    """Raise StateError where another user could read or replace what the daemon keeps.

    Files that root keeps in the directory of a service's user are also closed to the service's
    daemon. `uid` is the daemon's own user, None: this process's.
    """
    user = os.geteuid() if uid is None else uid
    try:
        info = state.stat()
    except OSError:
        return
    owner, mode = info.st_uid, stat.S_IMODE(info.st_mode)
    if owner != user == 0:
        raise StateError(
            f"{state} belongs to user {owner}, whose daemon could not open what root keeps there: "
            "systemctl start edge-rt, or, for a daemon beside it, name another directory in "
            "STATE_DIRECTORY"
        )
    if owner not in (0, user):
        raise StateError(
            f"{state} belongs to user {owner}, who could read and replace what this daemon keeps: "
            f"give the directory to user {user}, or name another one in STATE_DIRECTORY"
        )
    if mode & stat.S_IWOTH:
        raise StateError(
            f"every user can write to {state} (mode {mode:04o}), so its files may be another's: "
            "look at them and chmod 0700 the directory, or name another one in STATE_DIRECTORY"
        )


def forget_unkept(cache: Cache, folder: Path) -> None:
    """Delete from `folder` what the configuration no longer has kept, and its damaged files."""
    kept = {
        "cache.db": cache.enabled,
        "semantic.db": cache.enabled and cache.semantic.model is not None,
        "prefixes": cache.enabled and cache.prefix_bytes > 0,
    }
    for name in [name for name, here in kept.items() if not here]:
        found = [path for end in _ENDS for path in folder.glob(name + end)]
        for path in found:
            try:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
            except OSError as error:
                log.warning("%s is kept no more, but cannot be deleted: %s", path, error)
            else:
                log.info("%s is kept no more: deleted", path)
