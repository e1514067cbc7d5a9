"""A bar tells what is being done, and leaves nothing behind."""

from __future__ import annotations

import io

from rich.console import Console

from edge_rt.cli.bars import bar


def shown(interactive: bool, *steps: int) -> str:
    file = io.StringIO()
    console = Console(
        file=file, width=120, force_terminal=interactive, force_interactive=interactive
    )
    with bar("Fetching [x]\x1b[31m", "Checking", console) as progress:
        for done in steps:
            progress(done, 2 * 1024 * 1024)
            console.print("", end="")  # draws at once
    return file.getvalue()


def test_a_terminal_sees_what_is_done() -> None:
    text = shown(True, 1024 * 1024)
    assert "Fetching [x][31m" in text  # neither markup nor an order to the terminal
    assert "1.0/2.0 MiB" in text
    assert "Checking" not in text
    assert "Checking" in shown(True, 2 * 1024 * 1024)


def test_elsewhere_nothing_is_shown() -> None:
    assert shown(False, 1024, 2 * 1024 * 1024) == ""
