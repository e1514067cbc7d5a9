"""edge-rt twin refuses what makes no sense before it makes anything."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

Cli = Any


@pytest.mark.parametrize(
    ("args", "word"),
    [
        (("--board", "toaster"), "raspberry-pi-5"),
        (("--event", "fire@1"), "no kind of event"),
        (("--watch", "0"), "--watch"),
        (("--ambient", "nan"), "--ambient"),
        (("--ambient", "-300"), "-60"),
        (("--ambient", "900"), "125"),
        (("--period", "nan"), "--period"),
        (("--event", "ambient@1=900"), "from -60 to 125"),
    ],
)
def test_wrong_usage(cli: Cli, tmp_path: Path, args: tuple[str, ...], word: str) -> None:
    root = tmp_path / "board"
    given = {"--board": "raspberry-pi-5", "--watch": "1", "--dir": str(root)}
    name, value = args
    given[name] = value
    result = cli("twin", *(word for pair in given.items() for word in pair))
    assert result.exit_code == 2
    assert word in result.stderr.replace("\n", " ")
    assert not root.exists()


def test_a_process_that_is_not_there_is_a_failure(cli: Cli, tmp_path: Path) -> None:
    with subprocess.Popen(["true"]) as gone:
        pass
    root = tmp_path / "board"
    args = ("--board", "raspberry-pi-5", "--watch", str(gone.pid), "--dir", str(root))
    result = cli("twin", *args)
    assert (result.exit_code, result.stdout) == (1, "")
    assert f"no process {gone.pid}" in result.stderr
    assert not root.exists()


def test_a_directory_in_use_is_refused(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    args = ("--board", "raspberry-pi-5", "--watch", "1", "--dir", str(tmp_path))
    result = cli("twin", *args)
    assert result.exit_code == 1
    assert "not empty" in result.stderr
