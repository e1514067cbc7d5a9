"""The command's outside: help, version, exit codes, and what is imported for them."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

import edge_rt
from edge_rt.cli.main import COMMANDS, GROUPS, LazyGroup, main
from edge_rt.core.errors import (
    ConfigError,
    EdgeError,
    EngineError,
    ModelNotFound,
    StoreError,
    Unavailable,
)

Cli = Any


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_lists_every_command_and_the_exit_codes(cli: Cli, flag: str) -> None:
    result = cli(flag)
    assert result.exit_code == 0
    for word in (*COMMANDS, "130  interrupted", "3    no daemon"):
        assert word in result.stdout


def all_commands(
    command: click.Command, path: tuple[str, ...] = ()
) -> Iterator[tuple[str, click.Command]]:
    if not isinstance(command, click.Group):
        yield " ".join(path), command
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        below = command.get_command(context, name)
        assert below is not None
        yield from all_commands(below, (*path, name))


def test_every_command_has_an_example_that_it_takes(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # some files and folders have to be there
    Path("stick").mkdir()
    for name in ("switch.json", "answers.jsonl", "my-model.gguf"):
        Path(name).touch()
    for path, command in all_commands(main):
        shown = cli(*path.split(), "--help").stdout
        examples = re.search(r"^  Examples?:\n((?:    .+\n)+)", shown, re.MULTILINE)
        assert examples, path
        for example in map(str.strip, examples[1].splitlines()):
            words = shlex.split(example.rpartition("| ")[2].removeprefix("sudo "))
            begin = ["edge-rt", *path.split()]
            assert words[: len(begin)] == begin
            command.make_context(path, words[len(begin) :]).close()


def test_a_shell_can_complete_commands() -> None:
    words = {"COMP_WORDS": "edge-rt mo", "COMP_CWORD": "1", "_EDGE_RT_COMPLETE": "bash_complete"}
    command = Path(sys.executable).with_name("edge-rt")
    done = subprocess.run([command], env=os.environ | words, capture_output=True, text=True)
    assert done.stdout.split() == ["plain,models"]


def test_every_command_is_in_one_group() -> None:
    grouped = [name for group in GROUPS.values() for name in group]
    assert sorted(grouped) == sorted({*COMMANDS})


def test_help_promises_nothing_that_is_not_there(cli: Cli) -> None:
    shown = cli("--help").stdout
    assert "over a local socket" in shown
    assert "watt" not in shown


def test_version(cli: Cli) -> None:
    assert edge_rt.__version__ in cli("--version").stdout


def test_an_unknown_command_is_wrong_usage(cli: Cli) -> None:
    assert cli("sing").exit_code == 2


@pytest.mark.parametrize("name", ["serve", "run", "chat", "status", "check-config"])
def test_every_command_has_help_of_its_own(cli: Cli, name: str) -> None:
    result = cli(name, "-h")
    assert result.exit_code == 0
    assert f"Usage: main {name}" in result.stdout


@pytest.mark.parametrize(
    ("code", "unwanted"),
    [
        ("from edge_rt.cli.main import main; main(['--help'], standalone_mode=False)", "yaml"),
        ("import edge_rt.cli.main, edge_rt.cli.local.serve", "httpx"),
        ("import edge_rt.cli.main, edge_rt.cli.local.serve", "rich"),
    ],
)
def test_a_command_imports_only_what_it_needs(code: str, unwanted: str) -> None:
    check = f"{code}; import sys; sys.exit({unwanted!r} in sys.modules)"
    subprocess.run([sys.executable, "-c", check], check=True, stdout=subprocess.DEVNULL)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("m", file="f"), 6),
        (ModelNotFound("m"), 4),
        (Unavailable("m", retry_after_s=1), 5),
        (EngineError("m"), 1),
        (StoreError("m"), 1),
        (EdgeError("m"), 1),
        (KeyboardInterrupt(), 130),
    ],
)
def test_errors_of_any_command_become_exit_codes(
    error: BaseException, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    @click.command()
    def fail() -> None:
        raise error

    group = LazyGroup(package="nowhere", lazy={"fail": "Fails."})
    monkeypatch.setattr(group, "get_command", lambda ctx, name: fail)
    result = CliRunner().invoke(group, ["fail"])
    assert result.exit_code == code
    assert ("Error: " in result.stderr) == isinstance(error, EdgeError)


@pytest.mark.parametrize(
    ("word", "meant"), [("modles", "edge-rt models"), ("pull", "edge-rt models pull")]
)
def test_an_unknown_command_is_answered_with_the_nearest(cli: Cli, word: str, meant: str) -> None:
    told = cli(word)
    assert told.exit_code == 2
    assert f"Did you mean '{meant}'?" in told.stderr
