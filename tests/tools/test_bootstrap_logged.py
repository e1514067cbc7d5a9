from __future__ import annotations

import os
from pathlib import Path

import pytest
from bootstrap import SetupError
from bootstrap.logged import run_logged


def test_output_goes_to_the_log_and_line_by_line_to_the_caller(tmp_path: Path) -> None:
    lines: list[str] = []
    log = tmp_path / "logs/x.log"
    run_logged(["sh", "-c", "echo one; echo two >&2"], log, on_line=lines.append)
    assert lines == ["one", "two"]
    assert log.read_text().splitlines()[1:] == ["one", "two"]


def test_a_failure_shows_the_end_of_the_log_and_names_it(tmp_path: Path) -> None:
    with pytest.raises(SetupError) as caught:
        run_logged(["sh", "-c", "seq 1000; exit 3"], tmp_path / "x.log")
    message = str(caught.value)
    assert "  1000\n" in message
    assert "  500\n" not in message
    assert "exit code 3" in message
    assert str(tmp_path / "x.log") in message


def test_giving_up_ends_the_children_of_the_command_too(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "alive")
    reader = os.open(tmp_path / "alive", os.O_RDONLY | os.O_NONBLOCK)

    def interrupt(line: str) -> None:
        raise KeyboardInterrupt

    # The grandchild holds the pipe open for as long as it lives.
    command = f"(sleep 600 > {tmp_path}/alive & echo started; wait)"
    with pytest.raises(KeyboardInterrupt):
        run_logged(["sh", "-c", command], tmp_path / "x.log", on_line=interrupt)
    os.set_blocking(reader, True)
    assert os.read(reader, 1) == b""
    os.close(reader)


def test_the_command_gets_no_input(tmp_path: Path) -> None:
    run_logged(["cat"], tmp_path / "x.log")
