"""Reports for people and programs from measurements."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import click
from bootstrap.signals import end_cleanly_on_signals
from rich.console import Console

from benchlib import BenchError
from benchlib.report import Report


def publish(measure: Callable[[Path], Report], json_file: Path | None) -> None:
    """Show what `measure` finds, which gets a folder of its own; and write it to `json_file`.

    Raises ClickException in place of BenchError.
    """
    end_cleanly_on_signals()
    try:
        with tempfile.TemporaryDirectory(prefix="edge-rt-bench-") as directory:
            report = measure(Path(directory))
    except BenchError as error:
        raise click.ClickException(str(error)) from error
    show(report, json_file)


def show(report: Report, json_file: Path | None) -> None:
    """Print the report, and write it to `json_file` where there is one."""
    report.print(console())
    if json_file is not None:
        report.write_json(json_file)


def console() -> Console:
    """The screen, or paper that is wide enough for a report."""
    return Console(width=max(Console().width, 130))
