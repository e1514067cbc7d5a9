"""The reference of the command line, made from the commands themselves."""

from __future__ import annotations

from collections.abc import Iterator

from docslib.commands import Command, commands
from docslib.markdown import code, page, table

_ABOUT = """\
Every command has `--help`, with the text that stands here. Where a command speaks to the daemon,
`--socket` or `EDGE_RT_SOCKET` names another socket than the usual one. Exit codes are on a
[page of their own](exit-codes.md). `tools/docs man DIRECTORY` writes the same as man pages."""


def cli() -> str:
    """Return the page: a chapter for each command."""
    blocks = [_ABOUT]
    for command in commands():
        blocks += [f"## {command.path}", *chapter(command)]
    return page("Command line", *blocks)


def chapter(command: Command) -> Iterator[str]:
    """Yield usage, text, commands and options of one command."""
    yield f"```text\n{command.usage}\n```"
    yield from paragraphs(command.text)
    if command.commands:
        yield table(("Command", "Meaning"), [(code(name), text) for name, text in command.commands])
    if command.options:
        yield table(("Option", "Meaning"), [(code(flags), text) for flags, text in command.options])


def paragraphs(text: str) -> Iterator[str]:
    """Yield the paragraphs of a help text; those that click does not wrap as preformatted ones."""
    for block in text.split("\n\n"):
        lines = [line for line in block.splitlines() if line.strip() != "\b"]
        kept = len(lines) < len(block.splitlines())
        yield "\n".join(["```text", *lines, "```"]) if kept else " ".join(lines)
