"""What `edge-rt run` does where there is no daemon, or no model."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from edge_rt.cli.exits import CommandFailure, NoDaemon, NoModel
from edge_rt.cli.where import accepts, daemon_socket, sensors_root_option


@dataclass(frozen=True)
class Standalone:
    """What may be done without asking, and what a daemon that is started here is given."""

    always: bool = False  # start a daemon even where one runs
    yes: bool = False
    config: Path | None = None
    sensors_root: Path | None = None

    @contextmanager
    def daemon(self, socket: Path | None, model: str) -> Generator[Path]:
        """Yield the socket of the daemon to ask for `model`: a running one, or one of our own.

        Raises NoDaemon where none runs and none may be started.
        """
        path = None if self.always else daemon_socket(socket)
        if path is not None and (socket is not None or not _absent(path)):
            yield path
            return
        if path is not None and not self.may(f"No daemon answers at {path}. Start one for this?"):
            raise NoDaemon(
                f"no daemon answers at {path}: start one with `edge-rt serve`, or one for this "
                "answer alone with `edge-rt run --standalone`"
            )
        from edge_rt.cli.private_daemon import started  # not needed to ask a running daemon

        with started(model, self.config, self.sensors_root, self.may) as own:
            yield own

    def fetch(self, model: str, socket: Path, error: NoModel) -> None:
        """Fetch the model that the daemon at `socket` lacks into its store.

        Raises NoModel where it may not or cannot be fetched.
        """
        from edge_rt.cli.private_daemon import missing

        try:
            found = missing(self.config, model, socket)
        except CommandFailure as denied:  # the daemon has its store to itself
            why = f"; {denied.message}" if self.yes else ""
            raise NoModel(f"{error.message}{why}") from denied
        if found is None:
            raise error
        if not self.may(found.question):
            raise NoModel(f"{error.message}, or let `edge-rt run --yes` fetch it") from error
        found.fetch()

    def may(self, question: str) -> bool:
        """Whether to go on: an option says so, or whoever is at the terminal."""
        if self.always or self.yes:
            return True
        asked = sys.stdin.isatty() and sys.stderr.isatty()
        return asked and click.confirm(question, default=True, err=True)


def standalone_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give `command` the options of Standalone; its argument is `standalone`."""

    @click.option(
        "--standalone",
        "always",
        is_flag=True,
        help="Start a daemon for this answer alone; fetch a model where there is none.",
    )
    @click.option(
        "-y",
        "--yes",
        is_flag=True,
        help="Do the same where no daemon answers; fetch a model that one lacks.",
    )
    @click.option(
        "--config",
        type=click.Path(path_type=Path, readable=False),
        help="The configuration of a daemon that is started.",
    )
    @sensors_root_option
    @functools.wraps(command)
    def call(
        *args: Any,
        always: bool,
        yes: bool,
        config: Path | None,
        sensors_root: Path | None,
        **others: Any,
    ) -> Any:
        standalone = Standalone(always, yes, config, sensors_root)
        return command(*args, standalone=standalone, **others)

    return call


def _absent(socket: Path) -> bool:
    """Whether nobody listens there; one that may not be used is there."""
    try:
        return not accepts(socket)
    except PermissionError:
        return False
