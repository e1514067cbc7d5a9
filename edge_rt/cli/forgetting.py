"""What a command is to forget."""

from __future__ import annotations

import click

from edge_rt.cli.words.document import Json


def to_forget(said: Json, *, everything: bool) -> Json:
    """Those of the options `said` that were given, none for `everything`; raises UsageError."""
    which = {name: value for name, value in said.items() if value is not None}
    if which and everything:
        raise click.UsageError(
            "--all forgets everything: leave it out, or what is named beside it."
        )
    if not which and not everything:
        raise click.UsageError("Say what to forget, or --all.")
    return which
