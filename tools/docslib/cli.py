"""The reference of the command line and of its exit codes, made from the commands themselves."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass

import click

from docslib.markdown import code, page, table
from edge_rt.cli.exits import HELP
from edge_rt.cli.main import main

_ABOUT = """\
Every command has `--help`, with the text that stands here. Where a command speaks to the daemon,
`--socket` or `EDGE_RT_SOCKET` names another socket than the usual one. Exit codes are on a
[page of their own](exit-codes.md). `tools/docs man DIRECTORY` writes the same as man pages."""


@dataclass(frozen=True)
class Command:
    """One command: its words, such as "edge-rt models add", and what click tells of it."""

    path: str
    summary: str
    text: str  # of the help, in paragraphs
    usage: str
    options: list[tuple[str, str]]
    commands: list[tuple[str, str]]  # of a group


def commands(program: click.Command = main, name: str = "edge-rt") -> Iterator[Command]:
    """Yield a program, then every command below it."""
    yield from _walk(program, click.Context(program, info_name=name, **program.context_settings))


def _walk(command: click.Command, ctx: click.Context) -> Iterator[Command]:
    below = _below(command, ctx)
    parts = (command.help, command.epilog if isinstance(command.epilog, str) else None)
    yield Command(
        path=ctx.command_path,
        summary=command.get_short_help_str(200),
        text="\n\n".join(inspect.cleandoc(part) for part in parts if part),
        usage=" ".join([ctx.command_path, *command.collect_usage_pieces(ctx)]),
        options=[record for each in command.get_params(ctx) if (record := _record(each, ctx))],
        commands=[(name, each.get_short_help_str(200)) for name, each in below],
    )
    for name, each in below:
        yield from _walk(each, click.Context(each, info_name=name, parent=ctx))


def _below(command: click.Command, ctx: click.Context) -> list[tuple[str, click.Command]]:
    if not isinstance(command, click.Group):
        return []
    found = ((name, command.get_command(ctx, name)) for name in command.list_commands(ctx))
    return [(name, each) for name, each in found if each is not None]


def _record(param: click.Parameter, ctx: click.Context) -> tuple[str, str] | None:
    return param.get_help_record(ctx) if isinstance(param, click.Option) else None


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


def exit_codes() -> str:
    """Return the page."""
    rows = re.findall(r"^ +(\d+) +(.+)$", HELP, re.MULTILINE)
    about = "Every command of `edge-rt` ends with one of these codes."
    cells = [(code(number), text) for number, text in rows]
    return page("Exit codes", about, table(("Code", "Meaning"), cells))
