"""How a command ends when it cannot do what it was asked."""

from __future__ import annotations

import click

from edge_rt.cli.words.clean import clean
from edge_rt.errors import ConfigError, EdgeError, ModelNotFound, Unavailable

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


class Failure(click.ClickException):
    """Ends the command with a message on standard error and an exit code."""

    exit_code = 1

    def __init__(self, message: str) -> None:
        super().__init__(clean(message))


class BadOption(Failure):
    """The daemon refuses the value of an option."""

    exit_code = 2


class TooLong(Failure):
    """What was asked is more than the model can read at once."""


class NoDaemon(Failure):
    """Nobody answers at the socket."""

    exit_code = 3


class NoModel(Failure):
    """There is no model of that name."""

    exit_code = 4


class NotNow(Failure):
    """It may work later."""

    exit_code = 5


class Silent(NotNow):
    """A daemon listens there, and does not answer in time."""


class BadConfig(Failure):
    """The configuration is at fault."""

    exit_code = 6


def failure_of(error: EdgeError) -> Failure:
    """The failure that an edge_rt error means to whoever typed the command."""
    if isinstance(error, ConfigError):
        return BadConfig(str(error))
    if isinstance(error, ModelNotFound):
        return NoModel(str(error))
    if isinstance(error, Unavailable):
        return NotNow(str(error))
    return Failure(str(error))
