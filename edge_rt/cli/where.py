"""Which socket a command speaks to, which board it reads, and which files are there."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import click

from edge_rt.cli.exits import NoDaemon
from edge_rt.config.paths import Paths
from edge_rt.core.errors import ConfigError

_LIMIT = 1 << 20  # bytes; none of these files comes near it


def there(path: Path) -> bool:
    """Whether something is at `path` and may be seen."""
    try:
        path.stat()
    except OSError:
        return False
    return True


def nearest(path: Path) -> Path:
    """`path`, or the nearest of its parents at which something is and may be seen."""
    return next(place for place in (path, *path.parents) if there(place))


def text(path: Path) -> str:
    """What is in a file; empty where it cannot be read."""
    try:
        with path.open(errors="replace") as file:
            return file.read(_LIMIT)
    except OSError:
        return ""


ENVIRONMENT = "EDGE_RT_SOCKET"
PINNING = ("STATE_DIRECTORY", "CONFIGURATION_DIRECTORY")  # name an installation by its files

Command = TypeVar("Command", bound=Callable[..., Any])


def socket_option(command: Command) -> Command:
    """Give `command` the option --socket; its argument `socket` is None when nobody names one."""
    return click.option(
        "--socket",
        type=click.Path(path_type=Path, readable=False),
        envvar=ENVIRONMENT,
        show_envvar=True,
        help="The daemon's Unix socket.",
    )(command)


def sensors_root_option(command: Command) -> Command:
    """Give `command` the option --sensors-root; its argument is None when nobody names one."""
    return click.option(
        "--sensors-root",
        type=click.Path(path_type=Path, exists=True, file_okay=False),
        help="Read the board below this directory: that of a simulated one.",
    )(command)


def daemon_socket(
    named: Path | None,
    paths: Paths | None = None,
    system: Path | None = None,
    uid: int | None = None,
) -> Path:
    """The socket to speak to: the named one, the configured one, the user's own, the system's.

    The user's own counts only while it is there, unless the system's is missing as well. NoDaemon
    where its directory is not that of `uid` (None: this process's): below /tmp any user could
    have made it, to read the requests.
    """
    if named is not None:
        return named
    paths, system = paths or Paths.detect(), system or Paths.system().socket
    configured = _configured(paths.config_file)
    own = configured or paths.socket
    owner = None if configured or own == system else _stranger(own.parent, uid)
    if there(system) and (owner is not None or not there(own)):
        return system
    if owner is not None:
        raise NoDaemon(
            f"{own.parent} belongs to user {owner}, so whoever answers there is not your daemon: "
            "have it removed, or name a socket with --socket"
        )
    return own


def accepts(path: Path) -> bool:
    """Whether a process listens at that socket; raises PermissionError where that is hidden."""
    with socket.socket(socket.AF_UNIX) as client:
        client.setblocking(False)  # else it waits while the listener's backlog is full
        try:
            client.connect(str(path))
        except PermissionError:
            raise
        except BlockingIOError:
            return True
        except OSError:
            return False
    return True


def installation(socket: Path | None = None) -> Paths:
    """The installation of the daemon at `socket`; None: of the one that commands speak to.

    The system's if that is the system's socket, unless systemd's variables name another.
    """
    system, own = Paths.system(), Paths.detect()
    if any(os.environ.get(name) for name in PINNING):
        return own
    if socket is None:
        named = os.environ.get(ENVIRONMENT)
        try:
            socket = daemon_socket(Path(named) if named else None)
        except NoDaemon:
            return own
    return system if socket == system.socket else own


def _stranger(directory: Path, uid: int | None) -> int | None:
    """To whom the directory belongs, if neither to root nor to that user; None: to nobody else."""
    try:
        owner = directory.lstat().st_uid
    except OSError:
        return None
    return None if owner in (0, os.geteuid() if uid is None else uid) else owner


def _configured(file: Path) -> Path | None:
    """What the configuration names; one that is faulty is for the daemon to complain about."""
    from edge_rt.config.loader import load, present  # YAML is not needed when --socket is given

    with suppress(ConfigError):
        if present(file) and (path := load(file).socket.path):
            return Path(path)
    return None
