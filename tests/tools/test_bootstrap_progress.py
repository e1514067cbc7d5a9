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


def test_it_never_goes_back() -> None:
    log = io.StringIO()
    with Progress("Building", log, clock=lambda: 0.0) as progress:
        for done in (0.5, 0.1, 0.55, 0.6):
            progress.update(done, "compiling")
    assert [int(line.split()[0]) for line in log.getvalue().splitlines()[1:-1]] == [50, 60]


def test_the_time_that_passed_is_told_and_what_is_left() -> None:
    log, times = io.StringIO(), iter((0.0, 0.5, 65.0, 70.0))
    with Progress("Building", log, clock=lambda: next(times)) as progress:
        progress.say("begins")
        progress.update(0.25, "compiling")
    assert log.getvalue().splitlines()[1:-1] == [
        "    0 % begins (0:00)",
        "   20 % compiling (1:05, 3:15 left)",
    ]


def test_parts_make_one_bar() -> None:
    log = io.StringIO()
    with Progress("Setting up", log, clock=lambda: 0.0) as progress:
        parts = [progress.part("one", 0.0), progress.part("two", 0.25), progress.part("six", 0.75)]
        for part in parts[1:]:
            with part:
                part.update(None, "a note")
                part.update(0.5, "half")
    assert [line.strip().partition(" (")[0] for line in log.getvalue().splitlines()[1:-1]] == [
        *("0 % two", "10 % two: half", "20 % two"),
        *("25 % six", "60 % six: half", "100 % six"),
    ]


def test_a_part_that_fails_is_not_done() -> None:
    log = io.StringIO()
    with (
        pytest.raises(ValueError, match="boom"),
        Progress("Setting up", log, clock=lambda: 0.0) as progress,
        progress.part("one", 1.0),
    ):
        raise ValueError("boom")
    assert "100" not in log.getvalue()
    assert log.getvalue().endswith("Setting up: stopped after 0 s\n")


def test_a_terminal_line_is_redrawn_and_never_wider_than_the_terminal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    terminal = Terminal()
    with Progress("Building", terminal, clock=lambda: 0.0) as progress:
        progress.update(0.5, "x" * 200)
    drawn = terminal.getvalue().split("\r\x1b[K")
    assert "[####....]  50%" in drawn[1]
    assert len(drawn[1]) < 60


def test_the_bar_gives_way_to_the_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    terminal, times = Terminal(), iter((0.0, 10.0, 70.0))
    with Progress("Setting up", terminal, clock=lambda: next(times)) as progress:
        progress.update(0.14, "Installing Python packages")
    [drawn] = [line for line in terminal.getvalue().split("\r\x1b[K") if "%" in line]
    assert "#" in drawn
    assert drawn.endswith(" 14% 0:10, 1:01 left Installing Python packages")


def test_what_is_left_never_grows_while_nothing_advances() -> None:
    log, times = io.StringIO(), iter((0.0, 10.0, 30.0, 90.0, 95.0))
    with Progress("Setting up", log, clock=lambda: next(times)) as progress:
        progress.update(0.2, "installing")
        progress.say("still installing")
        progress.say("much longer")
    assert [line.rpartition(" (")[2] for line in log.getvalue().splitlines()[1:-1]] == [
        *("0:10, 0:40 left)", "0:30, 0:20 left)", "1:30)")
    ]


def test_a_failure_is_not_called_done() -> None:
    log = io.StringIO()
    with pytest.raises(ValueError, match="boom"), Progress("Building", log, clock=lambda: 0.0):
        raise ValueError("boom")
    assert log.getvalue().endswith("Building: stopped after 0 s\n")
