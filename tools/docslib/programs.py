"""The reference of evaluations and benchmarks, made from their commands."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import click
from evals.main import main as evaluation
from mutatelib.command import command as mutate

from docslib.cli import chapter, commands
from docslib.markdown import page

_ABOUT = """\
These programs lie in `tools/` of the checkout and are not installed. [Measure how good answers
are](../how-to/evaluate.md) shows how the evaluations are used; `tools/install`, `tools/run`
and `tools/test` describe themselves with `--help`."""


def programs() -> str:
    """Return the page."""
    blocks = [_ABOUT]
    own = (("tools/eval", evaluation), ("tools/mutate", mutate))
    for name, program in (*own, *_benchmarks()):
        for command in commands(program, name):
            blocks += [f"## {command.path}", *chapter(command)]
    return page("Evaluations and benchmarks", *blocks)


def _benchmarks() -> Iterator[tuple[str, click.Command]]:
    folder = Path(__file__).resolve().parents[1] / "benchmarks"
    for path in sorted(folder.glob("[!_]*.py")):
        yield f"tools/bench {path.stem}", import_module(f"benchmarks.{path.stem}").command
