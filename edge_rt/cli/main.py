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
from edge_rt.cli import INTERRUPTED
from edge_rt.cli.exits import (
    HELP,
    CommandFailure,
    failure_of,
    interruptible,
)
from edge_rt.core.errors import EdgeError, closest

EXAMPLES: Mapping[str, tuple[str, ...]] = {
    "serve": ("edge-rt serve --socket ./edge-rt.sock",),
    "run": (
        'edge-rt run "What is the capital of France?"',
        'dmesg | edge-rt run --prefer quality "Is anything wrong here?"',
    ),
    "chat": ("edge-rt chat --model smollm2-135m-instruct",),
    "models list": ("edge-rt models list --json",),
    "models suggest": (
        "edge-rt models suggest --task tools",
        "edge-rt models suggest --board raspberry-pi-5 --memory 8",
    ),
    "models pull": (
        "edge-rt models pull",
        "edge-rt models pull hf:Qwen/Qwen2.5-0.5B-Instruct-GGUF:Q4_K_M",
    ),
    "models add": ("edge-rt models add ./my-model.gguf --id my-model",),
    "models default": ("edge-rt models default smollm2-135m-instruct",),
    "models show": ("edge-rt models show smollm2-135m-instruct",),
    "models verify": ("edge-rt models verify smollm2-135m-instruct",),
    "models remove": ("edge-rt models remove smollm2-135m-instruct",),
    "models import": ("sudo edge-rt models import ./stick",),
    "models quantize": ("edge-rt models quantize my-model q4_k_m",),
    "models convert": ("edge-rt models convert my-model.gguf ./converted",),
    "status": ("edge-rt status --json",),
    "ps": ("edge-rt ps",),
    "sensors": ("edge-rt sensors --json",),
    "top": ("edge-rt top",),
    "open": ("edge-rt open --print",),
    "ledger": ("edge-rt ledger --days 7 --last 5",),
    "cache show": ("edge-rt cache show",),
    "cache purge": ("edge-rt cache purge --older 86400",),
    "router show": ("edge-rt router show",),
    "router reset": ("edge-rt router reset --model smollm2-135m-instruct",),
    "plan": ('edge-rt plan "What is the capital of France?"',),
    "trace": ("edge-rt trace chatcmpl-5f1c",),
    "calibrate": ("edge-rt calibrate --quick",),
    "budget": (
        "edge-rt budget --power 7.5 --temp 70",
        "edge-rt budget --power none",
    ),
    "report": ("edge-rt report --since 6h --out report.html",),
    "key": ("edge-rt key",),
    "check-config": ("edge-rt check-config /etc/edge-rt/config.yaml",),
    "setup": ("edge-rt setup --dry-run", "sudo edge-rt setup --yes", "sudo edge-rt setup --undo"),
    "doctor": ("edge-rt doctor", "edge-rt doctor --bundle bundle.tar.gz"),
    "twin": ("edge-rt twin --board raspberry-pi-5 --watch 1 --dir ./twin",),
}
PIPE_CLOSED = 128 + signal.SIGPIPE
GROUPS = {
    "Ask": {
        "run": "Ask a model one thing.",
        "chat": "Talk with a model.",
    },
    "Models": {
        "models": "List, fetch, check and remove models.",
        "ps": "List the models in memory.",
    },
    "Board": {
        "sensors": "Show rails, temperatures, clocks and flags of the board.",
        "setup": "Set this board up, or take that back.",
        "calibrate": "Measure the board, so that predictions hold.",
        "doctor": "Say what this board lacks, and what mends it.",
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
        "router": "Show or forget the marks of answers.",
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
    "trace": "edge_rt.cli.commands.router",
    "key": "edge_rt.cli.local.serve",
    "check-config": "edge_rt.cli.local.serve",
    "doctor": "edge_rt.cli.local.doctor",
    "setup": "edge_rt.cli.local.setup",
    "twin": "edge_rt.cli.local.twin",
}


def add_examples(path: str, command: click.Command) -> None:
    """Let the help of the command at `path`, and of those below it, end with its examples."""
    if isinstance(command, click.Group):
        for name, each in command.commands.items():
            add_examples(f"{path} {name}", each)
    elif (examples := EXAMPLES.get(path)) and command.epilog is None:
        lines = "".join(f"\n  {example}" for example in examples)
        command.epilog = f"\b\nExamples:{lines}" if len(examples) > 1 else f"\b\nExample:{lines}"


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
        name = cmd_name.replace("-", "_")
        module = self._elsewhere.get(cmd_name, f"{self._package}.{name}")
        command = getattr(import_module(module), name)
        add_examples(cmd_name, command)
        ctx.with_resource(interruptible())  # from here on there is something to put right
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command of these words; the error for none names the nearest."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError:
            known = {path.rpartition(" ")[2]: path for path in (*EXAMPLES, *self._lazy)}
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
