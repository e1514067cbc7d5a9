"""Every command, option and configuration in README and docs/ is one that the programs know."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import click
import pytest
import yaml
from bootstrap import run as run_program
from doc_examples import CHECKOUT, Example, blocks, command_lines, mentions
from installlib.command import parse as parse_install
from packagelib.options import parse as parse_package
from wheelslib.command import parse as parse_wheels

from edge_rt.cli.main import main
from edge_rt.config.boards import SHIPPED, check_boards
from edge_rt.config.loader import check_text
from edge_rt.config.schema import Config
from edge_rt.models.catalogue import load_catalogue

LINES, MENTIONS = command_lines(), mentions()
RUN = {  # commands that need no daemon, no model and no root, and how they may end
    "edge-rt key": {0},
    "edge-rt models list": {0},
    "edge-rt sensors --direct": {0},
    "edge-rt doctor": {0, 1},  # 1: something needs mending on this machine
}


def shown(example: Example) -> str:
    return f"{example.page}: {' '.join(example.words)}"


def program(words: tuple[str, ...]) -> tuple[click.Command, click.Context, list[str]]:
    """The click command that `words` begin with, and the words after it."""
    name, rest = words[0], list(words[1:])
    if name == "tools/bench":
        command = importlib.import_module(f"benchmarks.{rest.pop(0)}").command
    elif name == "edge-rt":
        command = main
    else:
        modules = {"eval": "evals.main", "docs": "docslib.command", "mutate": "mutatelib.command"}
        module = importlib.import_module(modules[name.removeprefix("tools/")])
        command = getattr(module, "main" if name == "tools/eval" else "command")
    # click keeps the help option of the first context, which must know -h.
    ctx = click.Context(command, info_name=name, **command.context_settings)
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        ctx = click.Context(command, info_name=rest[0], parent=ctx)
        found = command.get_command(ctx, rest.pop(0))
        assert found is not None, f"{name} has no command {ctx.info_name}"
        command = found
    return command, click.Context(command, info_name=ctx.info_name, parent=ctx), rest


@cache
def help_of(tool: str) -> str:
    words = [sys.executable, str(CHECKOUT / tool), "--help"]
    return subprocess.run(words, capture_output=True, text=True).stdout


def options(command: click.Command, ctx: click.Context) -> set[str]:
    params = command.get_params(ctx)
    return {name for param in params for name in (*param.opts, *param.secondary_opts)} | {"-h"}


def check_line(words: tuple[str, ...]) -> None:
    """Fail unless click takes the line; files need not exist."""
    command, ctx, rest = program(words)
    if {"--help", "-h", "--version"} & set(rest):
        return
    given, _, _ = command.make_parser(ctx).parse_args(list(rest))
    for param in command.params:
        value = given.get(param.name or "")
        is_set = isinstance(value, str | list | tuple) and len(value) > 0
        if is_set and not isinstance(param.type, click.Path | click.File):
            param.type_cast_value(ctx, value)
        assert is_set or not param.required, f"{param.name} is missing"


@pytest.mark.parametrize("example", LINES, ids=shown)
def test_a_line_of_a_block_is_one_that_the_program_takes(example: Example) -> None:
    words = example.words
    if words[0] == "tools/test":
        known = [word for word in words[1:] if not (CHECKOUT / word).exists()]
        arm64 = ["--wheels", "wheels", "--arm64"]
        assert known in ([], ["--all"], ["--vm"], ["-k", "seed"], arm64)
    elif words[0] == "tools/run":
        check_line(("edge-rt", "run", *run_program.parse(words[1:]).passed))
    elif words[0] == "tools/install":
        parse_install(words[1:], {})
    elif words[0] == "tools/wheels":
        parse_wheels(words[1:])
    elif words[0] == "tools/package":
        parse_package(words[1:])
    else:
        check_line(words)


@pytest.mark.parametrize("example", MENTIONS, ids=shown)
def test_a_command_in_a_sentence_exists_with_its_options(example: Example) -> None:
    words = example.words
    assert words[0] == "edge-rt" or os.access(CHECKOUT / words[0], os.X_OK)
    named = {word.partition("=")[0] for word in words[1:] if word.startswith("-")}
    if words[0] in ("tools/test", "tools/run", "tools/install", "tools/wheels", "tools/package"):
        known = {word.strip(",[]") for word in help_of(words[0]).split()} | {"-k", "-m"}  # pytest's
    elif len(words) == 1:
        return
    else:
        command, ctx, _ = program(words)
        known = options(command, ctx)
    assert named <= known


def test_blocks_and_sentences_were_found() -> None:
    assert len(LINES) > 60
    assert len(MENTIONS) > 60


@pytest.mark.parametrize("line", RUN)
def test_what_needs_no_daemon_runs(line: str, tmp_path: Path) -> None:
    assert tuple(line.split()) in {example.words for example in LINES}
    command = [str(Path(sys.executable).with_name("edge-rt")), *line.split()[1:]]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode in RUN[line], done.stderr
    assert done.stdout


@pytest.mark.parametrize(("page", "text"), list(blocks("yaml")))
def test_yaml_is_taken_by_what_reads_it(page: str, text: str, tmp_path: Path) -> None:
    document = yaml.safe_load(text)
    path = tmp_path / "example.yaml"
    path.write_text(text)
    if set(document) <= set(Config.__struct_fields__):
        assert check_text(text.encode(), page)[1] == []
    elif "pairs" in document:
        load_catalogue([path])
    elif "extends" in document:
        sources = next(text for _, text in blocks("yaml") if "sources.yaml" in text)
        (tmp_path / "sources.yaml").write_text(sources)
        assert check_boards([SHIPPED, tmp_path])[1] == []
    else:
        assert "sources.yaml" in text


@pytest.mark.parametrize("line", ["run --no-such-option", "budget --temp warm", "trace"])
def test_a_wrong_line_is_noticed(line: str) -> None:
    with pytest.raises((click.UsageError, AssertionError)):
        check_line(("edge-rt", *line.split()))
