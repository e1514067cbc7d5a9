"""The command `tools/docs`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click

from docslib.manual import write_manual
from docslib.pages import CHECKOUT


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """Build the documentation.

    The reference is made from the source: configuration, commands, HTTP routes, metrics.
    """


@command.command()
@click.argument("directory", type=click.Path(path_type=Path), default="site")
def build(directory: Path) -> None:
    """Write the site into DIRECTORY, by default site/."""
    _mkdocs("build", "--strict", "--site-dir", str(directory.absolute()))


@command.command()
def serve() -> None:
    """Show the site at http://127.0.0.1:8000 and follow changes in docs/."""
    _mkdocs("serve")


@command.command()
@click.argument("directory", type=click.Path(path_type=Path))
def man(directory: Path) -> None:
    """Write a man page for each command into DIRECTORY."""
    for path in write_manual(directory):
        click.echo(path)


def _mkdocs(*argv: str) -> None:
    words = [sys.executable, "-m", "mkdocs", *argv]
    sys.exit(subprocess.call(words, cwd=CHECKOUT))
