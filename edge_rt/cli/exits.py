"""Exit codes, the failures that end a command with them, and what Ctrl-C does."""

from __future__ import annotations

import signal
import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import IO

import click
from typing_extensions import override

from edge_rt.cli import leave
from edge_rt.cli.text import Json, clean, fitted, member
from edge_rt.core.errors import ConfigError, EdgeError, ModelNotFound, Unavailable

HELP = """\b
Exit codes:
  0    done
  1    the request or the command failed
  2    wrong usage
  3    no daemon at the socket
  4    model not found
  5    unavailable for now: try again later
  6    invalid configuration
  130  interrupted
  141  the reader of the output has ended, as `head` does
"""
OPTIONS = {
    "edge.mode": "--mode",
    "edge.partner": "--partner",
    "edge.large_share": "--large-share",
    "edge.prefer": "--prefer",
    "edge.quality": "--quality",
    "edge.cache": "--cache",
    "edge.energy_j": "--energy",
    "edge.latency_s": "--latency",
    "max_tokens": "--max-tokens",
    "temperature": "--temperature",
    "seed": "--seed",
    "threads": "--threads",
}
"""The options that set a field of a request."""
_WRONG = (None, "invalid_value", "unsupported_parameter")  # codes of a value that cannot be right


class CommandFailure(click.ClickException):
    """Ends the command with a message on standard error and an exit code."""

    exit_code = 1

    def __init__(self, message: str) -> None:
        super().__init__(clean(message))

    @override
    def show(self, file: IO[str] | None = None) -> None:
        """Print the message on standard error."""
        click.echo(fitted(f"Error: {self.message}", sys.stderr), file=file, err=True)


class BadOption(CommandFailure):
    """The daemon refuses the value of an option."""

    exit_code = 2


class TooLong(CommandFailure):
    """What was asked is more than the model can read at once."""


class NoDaemon(CommandFailure):
    """Nobody answers at the socket."""

    exit_code = 3


class NoModel(CommandFailure):
    """There is no model of that name."""

    exit_code = 4


class NotNow(CommandFailure):
    """It may work later."""

    exit_code = 5


class Silent(NotNow):
    """A daemon listens there, and does not answer in time."""


class BadConfig(CommandFailure):
    """The configuration is at fault."""

    exit_code = 6


def failure_of(error: EdgeError) -> CommandFailure:
    """Return the failure that an edge_rt error means to whoever typed the command."""
    if isinstance(error, ConfigError):
        return BadConfig(str(error))
    if isinstance(error, ModelNotFound):
        return NoModel(str(error))
    if isinstance(error, Unavailable):
        return NotNow(str(error))
    return CommandFailure(str(error))


_CODES: dict[str, type[CommandFailure]] = {
    "model_not_found": NoModel,
    "context_length_exceeded": TooLong,
}


def failure_in(body: Json, otherwise: str) -> CommandFailure:
    """Return the failure that an OpenAI-shaped error means, wherever it came."""
    detail = member(body, "error")
    kind = _CODES.get(str(detail.get("code")), CommandFailure)
    if kind is CommandFailure and detail.get("code") in _WRONG and detail.get("param") in OPTIONS:
        kind = BadOption
    return kind(message_in(body, otherwise))


def message_in(body: Json, otherwise: str) -> str:
    """Return the message of an OpenAI-shaped error, in the words of the command line."""
    detail = member(body, "error")
    message, param = str(detail.get("message") or otherwise), detail.get("param")
    for name, option in OPTIONS.items():  # whoever typed the command knows the options
        message = message.replace(f"`{name}`", option)
    field, param = str(param), OPTIONS.get(str(param), param)
    # The message mostly names the field itself, and whoever typed a prompt knows no fields.
    if not param or field in message or str(param) in message or str(detail.get("code")) in _CODES:
        return message
    return f"{message} (in {param})"


@contextmanager
def interruptible() -> Generator[None]:
    """Within, Ctrl-C raises KeyboardInterrupt instead of ending the process at once."""
    if signal.getsignal(signal.SIGINT) is not leave:  # ignored, or for the caller to say
        yield
        return
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, leave)
