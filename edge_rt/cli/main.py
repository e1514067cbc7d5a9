"""The command `edge-rt`, whose subcommands are imported when they are called."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import Any

import click

from edge_rt import __version__
from edge_rt.cli.exits import HELP, CommandFailure, failure_of
from edge_rt.cli.interrupt import INTERRUPTED, interruptible
from edge_rt.core.errors import EdgeError

PIPE_CLOSED = 128 + signal.SIGPIPE


@contextmanager
def output_watched() -> Generator[None]:
    """Turn errors of standard output, such as a full disk, into a Failure.

    A pipe that is closed ends the command quietly, as SIGPIPE ends other programs.

    An OSError of a file names the file or is one of edge_rt's own: one that does neither comes
    from a standard stream.
    """
    try:
        yield
    except BrokenPipeError:  # its reader has ended, as `head` does
        _give_up()
        raise SystemExit(PIPE_CLOSED) from None
    except OSError as error:
        if isinstance(error, EdgeError) or error.filename is not None:
            raise
        _give_up()
        raise CommandFailure(f"cannot write the output: {error.strerror or error}") from error


def _give_up() -> None:
    """Drop what is still to be written, or Python would try again, and complain, at its end."""
    for stream in filter(None, (sys.stdout, sys.stderr)):
        try:
            stream.flush()
        except OSError:
            with suppress(OSError):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, stream.fileno())
                os.close(nowhere)


class LazyGroup(click.Group):
    """Knows its commands by name and one line of help; `--help` imports none of them.

    The command `check-config` is the object `check_config` of the module `check_config` in
    `package`, or of the module that `elsewhere` names. Turns edge_rt's errors, Ctrl-C and output
    that cannot be written into exit codes, for all commands alike.
    """

    def __init__(
        self,
        *args: Any,
        package: str,
        lazy: Mapping[str, str],
        elsewhere: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self._package, self._elsewhere = package, elsewhere or {}
        self._lazy = lazy

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands in the order in which they are told."""
        return list(self._lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; None when there is none of that name."""
        if cmd_name not in self._lazy:
            return None
        name = cmd_name.replace("-", "_")
        module = self._elsewhere.get(cmd_name, f"{self._package}.{name}")
        command = getattr(import_module(module), name)
        ctx.with_resource(interruptible())  # from here on there is something to put right
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table of commands."""
        with formatter.section("Commands"):
            formatter.write_dl(list(self._lazy.items()))

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        """Read the command line; prints what --help and --version ask for."""
        with output_watched():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command."""
        try:
            with output_watched():
                return super().invoke(ctx)
        except EdgeError as error:
            raise failure_of(error) from error
        except KeyboardInterrupt:
            if sys.stderr.isatty():
                click.echo(err=True)  # leave the line on which the terminal shows ^C
            ctx.exit(INTERRUPTED)


COMMANDS = {
    "serve": "Run the daemon.",
    "run": "Ask a model one thing.",
    "chat": "Talk with a model.",
    "models": "List, fetch, check and remove models.",
    "status": "Show what the daemon is doing.",
    "ps": "List the models in memory.",
    "sensors": "Show rails, temperatures, clocks and flags of the board.",
    "top": "Watch the board and the daemon.",
    "ledger": "Show what answers cost.",
    "cache": "Show or forget answers that are kept.",
    "router": "Show or forget what was learnt of ways to serve requests.",
    "plan": "Predict what an answer would take.",
    "trace": "Say why a request was served as it was.",
    "calibrate": "Measure the board, so that predictions hold.",
    "tune": "Choose how two models answer together.",
    "doubt": "Learn what a model's doubt says of its answers.",
    "budget": "Show or change what the board may draw, and how it is kept.",
    "report": "Draw how it was, into a page.",
    "key": "Make a key for clients over TCP.",
    "check-config": "Check a configuration file.",
    "doctor": "Say what this board lacks, and what mends it.",
    "twin": "Simulate a board around a process.",
}
ELSEWHERE = {
    "serve": "edge_rt.cli.local.serve",
    "models": "edge_rt.cli.local.models",
    "ps": "edge_rt.cli.commands.status",
    "trace": "edge_rt.cli.commands.router",
    "tune": "edge_rt.cli.local.tune",
    "doubt": "edge_rt.cli.local.tune",
    "key": "edge_rt.cli.local.serve",
    "check-config": "edge_rt.cli.local.serve",
    "doctor": "edge_rt.cli.local.doctor",
    "twin": "edge_rt.cli.local.twin",
}


@click.group(
    cls=LazyGroup,
    package="edge_rt.cli.commands",
    elsewhere=ELSEWHERE,
    lazy=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=HELP,
)
@click.version_option(__version__, prog_name="edge-rt")
def main() -> None:
    """Language models served on this device, over a local socket."""
