"""A bar tells what is being done, and leaves nothing behind."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from edge_rt.cli.progress import bar


def shown(interactive: bool, *steps: int, lines: bool = False) -> str:
    file = io.StringIO()
    console = Console(
        file=file, width=120, force_terminal=interactive, force_interactive=interactive
    )
    with bar("Fetching [x]\x1b[31m", "Checking", console, lines=lines) as progress:
        for done in steps:
            progress(done, 2 * 1024 * 1024)
            console.print("", end="")  # draws at once
    return file.getvalue()


def test_a_terminal_sees_what_is_done() -> None:
    text = shown(True, 1024 * 1024)
    assert "Fetching [x][31m" in text  # neither markup nor an order to the terminal
    assert "1.0 MiB of 2.0 MiB" in text
    assert "Checking" not in text
    assert "Checking" in shown(True, 2 * 1024 * 1024)


@pytest.mark.parametrize("width", [100, 80, 60, 40])
def test_no_figure_and_no_id_is_cut_on_a_narrow_terminal(width: int) -> None:
    file = io.StringIO()
    console = Console(file=file, width=width, force_terminal=True, color_system=None)
    with bar("Fetching smollm2-135m-instruct-onnx-int4", console=console) as progress:
        progress(43_000_000, 98_000_000)
    assert "smollm2-135m-instruct-onnx-int4" in file.getvalue()
    assert "44%" in file.getvalue()
    assert "…" not in file.getvalue()


@pytest.mark.parametrize("width", [80, 60, 40])
def test_a_narrow_terminal_still_sees_how_much_is_done_and_how_long_it_takes(width: int) -> None:
    file = io.StringIO()
    console = Console(file=file, width=width, force_terminal=True, color_system=None)
    with bar("Fetching qwen2.5-coder-0.5b-instruct", console=console) as progress:
        progress(43_000_000, 491_400_000)
    assert "9%" in file.getvalue()
    assert "0:00:00" in file.getvalue()  # the time that passed


def test_elsewhere_nothing_is_shown() -> None:
    assert shown(False, 1024, 2 * 1024 * 1024) == ""


def test_a_log_gets_a_line_for_each_ten_percent_when_asked() -> None:
    mib = 1024 * 1024
    text = shown(False, 0, 1000, mib // 2, mib // 2 + 1, 2 * mib, lines=True)
    assert text.splitlines() == [
        "  0 % Fetching [x][31m (2.0 MiB)",
        " 25 % Fetching [x][31m (2.0 MiB)",
        "100 % Checking (2.0 MiB)",
    ]
