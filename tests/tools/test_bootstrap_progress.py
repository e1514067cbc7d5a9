from __future__ import annotations

import io

import pytest
from bootstrap.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_log_gets_one_line_for_each_ten_percent() -> None:
    log = io.StringIO()
    with Progress("Building", log, clock=lambda: 0.0) as progress:
        for done in range(1, 84):
            progress.update(done / 83, "compiling")
    lines = log.getvalue().splitlines()
    assert lines[0] == "Building"
    assert lines[-1] == "Building: done after 0 s"
    assert [int(line.split()[0]) for line in lines[1:-1]] == list(range(10, 101, 10))


def test_a_log_gets_no_line_for_a_mere_note() -> None:
    log = io.StringIO()
    with Progress("Installing", log, clock=lambda: 0.0) as progress:
        progress.update(None, "Collecting click")
    assert "click" not in log.getvalue()


def test_a_second_count_starts_over() -> None:
    log = io.StringIO()
    with Progress("Building", log, clock=lambda: 0.0) as progress:
        progress.update(1.0, "downloading")
        progress.update(0.1, "compiling")
    assert "10 % compiling" in log.getvalue()


def test_a_terminal_line_is_redrawn_and_never_wider_than_the_terminal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    terminal = Terminal()
    with Progress("Building", terminal, clock=lambda: 0.0) as progress:
        progress.update(0.5, "x" * 200)
    drawn = terminal.getvalue().split("\r\x1b[K")
    assert "[############............]  50%" in drawn[1]
    assert len(drawn[1]) < 60


def test_a_failure_is_not_called_done() -> None:
    log = io.StringIO()
    with pytest.raises(ValueError, match="boom"), Progress("Building", log, clock=lambda: 0.0):
        raise ValueError("boom")
    assert log.getvalue().endswith("Building: stopped after 0 s\n")
