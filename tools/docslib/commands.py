"""The commands of `edge-rt` as click knows them."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass

import click

from edge_rt.cli.main import main


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
    yield Command(
        path=ctx.command_path,
        summary=command.get_short_help_str(200),
        text=_text(command),
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


def _text(command: click.Command) -> str:
    parts = (command.help, command.epilog if isinstance(command.epilog, str) else None)
    return "\n\n".join(inspect.cleandoc(part) for part in parts if part)


def _record(param: click.Parameter, ctx: click.Context) -> tuple[str, str] | None:
    return param.get_help_record(ctx) if isinstance(param, click.Option) else None
