"""Man pages of the commands, in roff."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from docslib.cli import Command, commands, paragraphs
from edge_rt import __version__


def write_manual(directory: Path) -> list[Path]:
    """Write a man page for each command into `directory`; returns the files."""
    directory.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    for command in commands():
        path = directory / f"{_name(command)}.1"
        path.write_text(manual(command))
        written.append(path)
    return written


def manual(command: Command) -> str:
    """Return the man page of one command."""
    return "\n".join(_lines(command)) + "\n"


def _lines(command: Command) -> Iterator[str]:
    yield f'.TH "{_name(command).upper()}" "1" "" "edge_rt {__version__}" "edge_rt"'
    yield from (".SH NAME", rf"{roff(_name(command))} \- {roff(command.summary)}")
    yield from (".SH SYNOPSIS", roff(command.usage), ".SH DESCRIPTION")
    for block in paragraphs(command.text):
        yield from _block(block)
    for title, entries in (("COMMANDS", command.commands), ("OPTIONS", command.options)):
        if entries:
            yield f".SH {title}"
            for term, text in entries:
                yield from (".TP", rf"\fB{roff(term)}\fR", roff(text))


def _block(block: str) -> Iterator[str]:
    lines = block.splitlines()
    if lines[0] != "```text":
        yield from (".PP", roff(block))
        return
    yield from (".PP", ".nf", *map(roff, lines[1:-1]), ".fi")


def roff(text: str) -> str:
    """Return `text` such that roff prints it as it is."""
    escaped = text.replace("\\", r"\e").replace("-", r"\-")
    return rf"\&{escaped}" if escaped.startswith((".", "'")) else escaped


def _name(command: Command) -> str:
    return command.path.replace(" ", "-")
