"""`models import` brings models from a folder with checksums."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
from click.testing import Result
from tiny_file import tiny_model

Cli = Callable[..., Result]


@pytest.fixture
def stick(tmp_path: Path) -> Path:
    """Two models with their checksums."""
    stick, lines = tmp_path / "stick", list[str]()
    for name, fill in (("one", b"\x01"), ("two", b"\x02")):
        file = stick / name / f"{name}.gguf"
        file.parent.mkdir(parents=True)
        file.write_bytes(tiny_model(fill))
        lines.append(f"{sha256(file.read_bytes()).hexdigest()}  {name}/{name}.gguf\n")
    (stick / "SHA256SUMS").write_text("".join(lines))
    return stick


@pytest.fixture
def here(tmp_path: Path) -> list[str]:
    """The options that name this machine's store."""
    return ["--store", str(tmp_path / "here")]


def listed(cli: Cli, here: list[str]) -> str:
    return cli("models", "verify", *here).stdout


def test_all_of_them_are_imported(cli: Cli, stick: Path, here: list[str]) -> None:
    result = cli("models", "import", str(stick), *here)
    assert (result.exit_code, result.stdout) == (0, "one: taken in\ntwo: taken in\n")
    assert listed(cli, here) == "one: ok\ntwo: ok\n"
    again = cli("models", "import", str(stick), *here)
    assert (again.exit_code, again.stdout) == (
        0,
        "one: is in the store already\ntwo: is in the store already\n",
    )


def test_a_wrong_checksum_is_told_and_fails_the_command(
    cli: Cli, stick: Path, here: list[str]
) -> None:
    file = stick / "one" / "one.gguf"
    file.write_bytes(file.read_bytes()[:-1] + b"\xff")
    result = cli("models", "import", str(stick), *here)
    assert result.exit_code == 1
    assert result.stdout.startswith(f"one: refused: {file}: damaged or changed: its sha256 is ")
    assert result.stdout.endswith("copy it anew\ntwo: taken in\n")
    assert "1 of the models were not taken in" in result.stderr
    assert listed(cli, here) == "two: ok\n"


def test_one_of_them_by_name(cli: Cli, stick: Path, here: list[str]) -> None:
    assert cli("models", "import", str(stick), "two", *here).stdout == "two: taken in\n"
    absent = cli("models", "import", str(stick), "three", *here)
    assert absent.exit_code == 4
    assert "no model 'three'" in absent.stderr


def test_a_folder_without_checksums_says_what_to_do(
    cli: Cli, tmp_path: Path, here: list[str]
) -> None:
    (tmp_path / "plain").mkdir()
    result = cli("models", "import", str(tmp_path / "plain"), *here)
    assert result.exit_code == 1
    assert "sha256sum *.gguf > SHA256SUMS" in result.stderr


def test_help_says_which_command_uses_the_network(cli: Cli) -> None:
    assert "Only `pull` uses the network." in " ".join(cli("models", "--help").stdout.split())
