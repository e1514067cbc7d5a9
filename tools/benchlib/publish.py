"""Reports for people and programs from measurements."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Coroutine
from functools import wraps
from pathlib import Path
from typing import Any

import click
from bootstrap.signals import end_cleanly_on_signals
from rich.console import Console

from benchlib import BenchError
from benchlib.report import Report

json_option = click.option(
    "--json", "json_file", type=click.Path(path_type=Path), help="Write the result here."
)


def published(measure: Callable[..., Coroutine[Any, Any, Report]]) -> Callable[..., None]:
    """Let a command, with the option --json, show what `measure` finds in a folder of its own."""

    @json_option
    @wraps(measure)
    def command(json_file: Path | None, **options: Any) -> None:
        end_cleanly_on_signals()
        with tempfile.TemporaryDirectory(prefix="edge-rt-bench-") as directory:
            report = asyncio.run(measure(Path(directory), **options))
        show(report, json_file)

    return command


def show(report: Report, json_file: Path | None) -> None:
    """Print the report, and write it to `json_file` where there is one.

    Raises BenchError where the report says that something failed.
    """
    report.print(console())
    if json_file is not None:
        report.write_json(json_file)
    if report.failed:
        raise BenchError("; ".join(report.failed))


def console() -> Console:
    """The screen, or paper that is wide enough for a report."""
    return Console(width=max(Console().width, 130))
