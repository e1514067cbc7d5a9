"""Standard output as the place where a model's words appear."""

from __future__ import annotations

import io
import sys
from typing import TextIO

import click

from edge_rt.cli.text import clean


class Screen:
    """Writes text as it comes; on a terminal without control characters, elsewhere untouched."""

    def __init__(self, stream: TextIO | None = None) -> None:
        # The shell may have closed standard output: then there is none, and nobody reads.
        self._stream: TextIO = stream or sys.stdout or io.StringIO()
        # A character that the terminal's encoding lacks is no reason to lose the answer.
        if reconfigure := getattr(self._stream, "reconfigure", None):
            reconfigure(errors="replace")
        self._terminal = self._stream.isatty()
        self._last = "\n"

    def write(self, text: str) -> None:
        """Show `text` at once."""
        text = clean(text) if self._terminal else text
        self._stream.write(text)
        self._stream.flush()
        self._last = text[-1:] or self._last

    def end(self) -> None:
        """Go to the start of a line, unless already there."""
        if self._last != "\n":
            self.write("\n")


def note(text: str) -> None:
    """Say something about the command itself, on standard error so that it is in no pipe."""
    click.secho(clean(text), err=True, dim=True)
