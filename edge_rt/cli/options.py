"""Options of several commands, and the socket of the daemon that they speak to."""

from __future__ import annotations

import functools
import math
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from edge_rt.cli.exits import OPTIONS, NoDaemon
from edge_rt.cli.text import Json
from edge_rt.config.paths import Paths
from edge_rt.core.errors import ConfigError

DEFAULT = "default"  # the daemon knows which model that is
AUTO = "auto"  # it chooses one for each answer
_LIMIT = 1 << 20  # bytes; none of these files comes near it
ENVIRONMENT = "EDGE_RT_SOCKET"
PINNING = ("STATE_DIRECTORY", "CONFIGURATION_DIRECTORY")  # name an installation by its files


class Range(click.FloatRange):
    """A number from `low` to `high`; NaN, which no comparison finds outside, is none."""

    def __init__(self, low: float, high: float) -> None:
        super().__init__(low, high)

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        number: float = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{value} is not in the range {self.min:g}<=x<={self.max:g}.", param, ctx)
        return number


class QualityRange(Range):
    """A floor of quality: a word for one, or a number from 0 to 1."""

    name = "low|normal|high|0..1"
    words = ("low", "normal", "high")

    def __init__(self) -> None:
        super().__init__(0, 1)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return value if value in self.words else super().convert(value, param, ctx)


_AMOUNT = Range(0.001, 1e9)


def asking(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give `command` the options that say which model is asked and how.

    Its arguments are `system`, None when nobody gives one, `body`, what the request says beside
    the question, and `quiet` and `verbose`, which lines follow an answer.
    """

    @click.option(
        "-m",
        "--model",
        default=DEFAULT,
        help='The model, with "@" a variant of it; "auto": any; else the daemon\'s default.',
    )
    @click.option(
        "--prefer",
        type=click.Choice(["energy", "latency", "quality"]),
        help="What to choose by where several models may answer; else energy.",
    )
    @click.option(
        "--quality",
        type=QualityRange(),
        help="How likely an answer is to be good enough, at least: low, normal, high, or 0 to 1.",
    )
    @click.option(
        "--mode", help="How tokens are decided on: single, lookup, speculative or switch."
    )
    @click.option("--partner", help="The smaller model that helps with it; else the pair's.")
    @click.option(
        "--large-share",
        type=Range(0, 1),
        help="Of the tokens, what the larger model is to write with the mode switch.",
    )
    @click.option(
        "--cache",
        type=click.Choice(["use", "refresh", "off", "only"]),
        help="use: an answer that was given before, if any; refresh: a new one; only: none else.",
    )
    @click.option("--system", help="What the model is told before anything else.")
    @click.option("--max-tokens", type=click.IntRange(min=1), help="Most tokens of an answer.")
    @click.option("--temperature", type=Range(0, 2), help="0: always the likeliest word.")
    @click.option("--seed", type=int, help="The same seed gives the same answer.")
    @click.option(
        "--energy", "energy_j", type=_AMOUNT, help="Most joules that an answer may add to the draw."
    )
    @click.option("--latency", "latency_s", type=_AMOUNT, help="Most seconds that one may take.")
    @click.option("-q", "--quiet", is_flag=True, help="Do not print what an answer cost.")
    @click.option("-v", "--verbose", is_flag=True, help="Print the id of an answer after it.")
    @functools.wraps(command)
    def call(*args: Any, model: str, **given: Any) -> Any:
        edge, options = _taken(given, "edge"), _taken(given, "")
        body = {"model": model} | options | ({"edge": edge} if edge else {})
        return command(*args, body=body, **given)

    return call


def _taken(given: dict[str, Any], inside: str) -> Json:
    """Take the fields inside this one out of `given`; return those that somebody has set."""
    paths = (path.rpartition(".") for path in OPTIONS)
    names = [name for field, _, name in paths if field == inside and name in given]
    values = {name: given.pop(name) for name in names}
    return {name: value for name, value in values.items() if value is not None}


def there(path: Path) -> bool:
    """Return whether something is at `path` and may be seen."""
    try:
        path.stat()
    except OSError:
        return False
    return True


def nearest(path: Path) -> Path:
    """`path`, or the nearest of its parents at which something is and may be seen."""
    return next(place for place in (path, *path.parents) if there(place))


def text(path: Path) -> str:
    """Return what is in a file; empty where it cannot be read."""
    try:
        with path.open(errors="replace") as file:
            return file.read(_LIMIT)
    except OSError:
        return ""


# Decorators of commands; the argument of that name is None when nobody names one.
socket_option = click.option(
    "--socket",
    type=click.Path(path_type=Path, readable=False),
    envvar=ENVIRONMENT,
    show_envvar=True,
    help="The daemon's Unix socket.",
)
sensors_root_option = click.option(
    "--sensors-root",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Read the board below this directory: that of a simulated one.",
)


def daemon_socket(
    named: Path | None,
    paths: Paths | None = None,
    system: Path | None = None,
    uid: int | None = None,
) -> Path:
    """Return the socket to speak to: named, configured, the user's own, or the system's.

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
    """Return whether a process listens at that socket; one that may not be used counts."""
    with socket.socket(socket.AF_UNIX) as client:
        client.setblocking(False)  # else it waits while the listener's backlog is full
        try:
            client.connect(str(path))
        except (PermissionError, BlockingIOError):
            return True
        except OSError:
            return False
    return True


def installation(socket: Path | None = None) -> Paths:
    """Return the installation of the daemon at `socket`; None: of the one that commands speak to.

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
    """Return what the configuration names.

    One that is faulty is for the daemon to complain about.
    """
    from edge_rt.config.loader import load, present  # YAML is not needed when --socket is given

    with suppress(ConfigError):
        if present(file) and (path := load(file).socket.path):
            return Path(path)
    return None
