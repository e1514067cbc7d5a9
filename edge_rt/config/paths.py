"""Where the daemon and its clients keep their files."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

APP = "edge-rt"
SOCKET = "edge-rt.sock"
ROOT = "EDGE_RT_ROOT"  # the directory that holds run, var/lib and etc, instead of /

_NO_HOME = Path("/nonexistent")  # what Debian gives to users without one


@dataclass(frozen=True)
class Paths:
    """The directories of one installation; nothing is created here."""

    run: Path  # sockets and locks, gone after a reboot
    state: Path  # models and learnt figures
    config_file: Path
    cache: Path  # downloads and builds, safe to delete

    @classmethod
    def detect(cls, environ: Mapping[str, str] = os.environ, uid: int | None = None) -> Paths:
        """Return the paths for user `uid` (None: this process's) under `environ`.

        What systemd hands to a service wins; then root gets the system's directories and anyone
        else those of the XDG base directory specification.
        """
        uid = os.geteuid() if uid is None else uid
        if uid == 0:
            root = _absolute(environ, ROOT) or Path("/")
            run, state, config = (root / place / APP for place in ("run", "var/lib", "etc"))
        else:
            runtime = _absolute(environ, "XDG_RUNTIME_DIR")
            run = runtime / APP if runtime else Path("/tmp") / f"{APP}-{uid}"
            state = _xdg(environ, "XDG_STATE_HOME", ".local/state")
            config = _xdg(environ, "XDG_CONFIG_HOME", ".config")
        return cls(
            run=_service(environ, "RUNTIME_DIRECTORY") or run,
            state=_service(environ, "STATE_DIRECTORY") or state,
            config_file=(_service(environ, "CONFIGURATION_DIRECTORY") or config) / "config.yaml",
            cache=_absolute(environ, "EDGE_RT_CACHE") or _xdg(environ, "XDG_CACHE_HOME", ".cache"),
        )

    @classmethod
    def system(cls, environ: Mapping[str, str] = os.environ) -> Paths:
        """Return the paths of the service that serves the whole machine."""
        return cls.detect({ROOT: environ.get(ROOT, "")}, uid=0)

    @property
    def socket(self) -> Path:
        """The daemon's Unix socket unless the configuration names another."""
        return self.run / SOCKET


def of_board(folder: Path, simulated: str | None) -> Path:
    """Return where in `folder` a board's ledger and learnt state are kept.

    None: this machine's board.

    A simulated board has a directory of its own, so that its figures never mix with measured ones.
    """
    return folder if simulated is None else folder / "simulated" / simulated


def _xdg(environ: Mapping[str, str], name: str, below_home: str) -> Path:
    if (base := _absolute(environ, name)) is not None:
        return base / APP
    try:
        home = _absolute(environ, "HOME") or Path.home()
    except RuntimeError:  # as in a container that is run under some number
        home = _NO_HOME
    return home / below_home / APP


def _absolute(environ: Mapping[str, str], name: str) -> Path | None:
    """Return the variable's path; a relative or empty one counts as unset, as XDG demands."""
    value = environ.get(name, "")
    return Path(value) if value.startswith("/") else None


def _service(environ: Mapping[str, str], name: str) -> Path | None:
    """Return the first of systemd's colon-separated directories."""
    first = environ.get(name, "").split(":", 1)[0]
    return Path(first) if first else None
