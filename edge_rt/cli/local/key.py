"""edge-rt key: a key for TCP, and the hash by which the daemon knows it."""

from __future__ import annotations

import hashlib
import secrets
import sys

import click

from edge_rt.cli.exits import CommandFailure

LEAST = 20  # characters of a key that somebody chose, of which the hash may be read by others
_BYTES = 32


@click.command()
@click.option("--hash", "given", is_flag=True, help="Hash a key from standard input instead.")
def key(given: bool) -> None:
    """Make a key for clients over TCP, and tell the hash of it.

    The hash goes to tcp.api_key_sha256 of the configuration, and to tcp.admin_key_sha256 as well
    for a key that may administrate. The key goes to the client; the daemon never has it.
    """
    value = _given() if given else f"er-{secrets.token_urlsafe(_BYTES)}"
    if not given:
        click.echo(f"key     {value}")
    click.echo(f"sha256  {hashlib.sha256(value.encode()).hexdigest()}")


def _given() -> str:
    """The key that is typed unseen, or comes through a pipe."""
    typed = sys.stdin.isatty()
    value = (click.prompt("Key", hide_input=True) if typed else sys.stdin.read()).strip()
    if len(value) < LEAST:
        raise CommandFailure(
            f"a key of less than {LEAST} characters can be found out from its hash: take the one "
            "that `edge-rt key` makes"
        )
    return value
