"""The command `edge-rt`, whose subcommands are imported when they are called."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from importlib import import_module
from inspect import cleandoc
from typing import Any

import click

from edge_rt import __version__
from edge_rt.cli import INTERRUPTED
from edge_rt.cli.exits import (
    HELP,
    CommandFailure,
    failure_of,
    interruptible,
)
from edge_rt.core.errors import EdgeError, closest

PIPE_CLOSED = 128 + signal.SIGPIPE
GROUPS = {
    "Ask": {
        "run": "Ask a model one thing.",
        "chat": "Talk with a model.",
        "mcp": "Serve the Model Context Protocol.",
    },
    "Models": {
        "models": "List, fetch, check and remove models.",
        "ps": "List the models in memory.",
    },
    "Board": {
        "sensors": "Show rails, temperatures, clocks and flags of the board.",
        "setup": "Set this board up: rights, a cap, a model, a calibration.",
        "calibrate": "Measure the board, so that predictions hold.",
        "doctor": "Say what this board lacks, and what mends it.",
        "rpc": "Lend this board's memory to a model of another board.",
        "twin": "Simulate a board around a process.",
    },
    "Budget": {
        "budget": "Show or change what the board may draw, and how it is kept.",
        "plan": "Predict what an answer would take.",
    },
    "Insight": {
        "status": "Show what the daemon is doing.",
        "top": "Watch the board and the daemon.",
        "open": "Open the page for people in a browser.",
        "ledger": "Show what answers cost.",
        "trace": "Say why a request was served as it was.",
        "report": "Save the page with the power, heat and requests of a time.",
        "cache": "Show or forget answers that are kept.",
    },
    "Service": {
        "serve": "Run the daemon.",
        "key": "Make a key for clients over TCP.",
        "check-config": "Check a configuration file.",
    },
}
COMMANDS = {name: help for group in GROUPS.values() for name, help in group.items()}
ELSEWHERE = {
    "serve": "edge_rt.cli.local.serve",
    "models": "edge_rt.cli.local.models",
    "ps": "edge_rt.cli.commands.status",
    "key": "edge_rt.cli.local.serve",
    "check-config": "edge_rt.cli.local.serve",
    "doctor": "edge_rt.cli.local.doctor",
    "setup": "edge_rt.cli.local.setup",
    "rpc": "edge_rt.cli.local.rpc",
    "twin": "edge_rt.cli.local.twin",
}


def keep_examples(command: click.Command) -> None:
    """Let the examples in the help of a command, and of those below it, keep their lines."""
    for each in command.commands.values() if isinstance(command, click.Group) else ():
        keep_examples(each)
    text = cleandoc(command.help or "")
    command.help = re.sub(r"\n\n(?=Examples?:\n)", "\n\n\b\n", text)


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
    `package`, or of the module that `elsewhere` names. `groups` are the same commands by subject,
    as `--help` lists them. Turns edge_rt's errors, Ctrl-C and output
    that cannot be written into exit codes, for all commands alike.
    """

    def __init__(
        self,
        *args: Any,
        package: str,
        lazy: Mapping[str, str],
        elsewhere: Mapping[str, str] | None = None,
        groups: Mapping[str, Mapping[str, str]] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self._package, self._elsewhere = package, elsewhere or {}
        self._lazy = lazy
        self._groups = groups or {"Commands": lazy}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands in the order in which they are told."""
        return list(self._lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; None when there is none of that name."""
        if cmd_name not in self._lazy:
            return None
        command = self._load(cmd_name)
        keep_examples(command)
        ctx.with_resource(interruptible())  # from here on there is something to put right
        return command

    def _load(self, command: str) -> click.Command:
        name = command.replace("-", "_")
        module = self._elsewhere.get(command, f"{self._package}.{name}")
        return getattr(import_module(module), name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command of these words; the error for none names the nearest."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError:
            groups = {name: self._load(name) for name in self._lazy}
            known = {
                below: f"{name} {below}"
                for name, group in groups.items()
                if isinstance(group, click.Group)
                for below in group.commands
            } | {name: name for name in self._lazy}
            near = closest(args[0], known)
            if near is None:
                raise
            hint = f"Did you mean 'edge-rt {known[near]}'?"
            raise click.UsageError(f"No such command {args[0]!r}. {hint}", ctx) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write a table of commands for each group; its columns are those of all."""
        width = max(map(len, self._lazy))
        for title, commands in self._groups.items():
            with formatter.section(title):
                formatter.write_dl([(f"{name:<{width}}", help) for name, help in commands.items()])

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


@click.group(
    cls=LazyGroup,
    package="edge_rt.cli.commands",
    elsewhere=ELSEWHERE,
    lazy=COMMANDS,
    groups=GROUPS,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=HELP,
)
@click.version_option(__version__, prog_name="edge-rt")
def main() -> None:
    """Language models served on this device, over a local socket."""
