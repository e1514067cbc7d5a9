from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from bootstrap import test as tools_test
from bootstrap.venv import Venv

Script = Callable[[Path, str], Path]

COMMANDS = ("edge-rt", "ruff", "pyright", "lint-imports", "pytest")


class Bench:
    """A venv whose programs only note that they ran."""

    def __init__(self, root: Path, script: Script) -> None:
        self._root, self._script, self._calls = root, script, root / "calls"
        (root / "pyvenv.cfg").write_text("version = 3.11.2\n")
        for name in COMMANDS:
            self.set(name, 0)

    def set(self, name: str, status: int) -> None:
        text = f'#!/bin/sh\necho "{name} $*" >> {self._calls}\nexit {status}\n'
        self._script(self._root / "bin" / name, text)

    def run(self, *argv: str) -> tuple[int, list[str]]:
        """The exit code and the programs that ran, in order."""
        here = Path.cwd()
        try:
            status = tools_test.check_and_test(Venv(self._root), argv)
        finally:
            os.chdir(here)
        return status, self._calls.read_text().splitlines()


@pytest.fixture
def bench(tmp_path: Path, script: Script, cache: Path) -> Bench:
    return Bench(tmp_path, script)


def test_every_check_runs_and_the_tests_come_last(bench: Bench) -> None:
    status, calls = bench.run()
    assert status == 0
    names = [call.split()[0] for call in calls]
    checks = ["edge-rt", "edge-rt", "ruff", "ruff", "pyright", "lint-imports"]
    assert names == [*checks, "pytest", "pytest"]


def test_every_test_but_the_slow_ones_runs_once(bench: Bench) -> None:
    parallel, alone = bench.run()[1][-2:]
    usual = "not qwen and not whole and not slow"
    assert parallel.startswith("pytest --hypothesis-profile short -n ")
    assert parallel.endswith(f" -m {usual} and not alone")
    assert alone == f"pytest --hypothesis-profile short -m {usual} and alone"


def test_all_runs_the_slow_ones_too(bench: Bench) -> None:
    status, calls = bench.run("--all")
    assert status == 0
    parallel, alone = calls[-2:]
    assert parallel.startswith("pytest -n ")
    assert parallel.endswith(" -m not qwen and not whole and not alone")
    assert alone == "pytest -m not qwen and not whole and alone"


def test_the_exit_code_is_that_of_the_tests(bench: Bench) -> None:
    bench.set("pytest", 5)
    assert bench.run()[0] == 5


def test_both_runs_take_place_unless_the_first_is_broken_off(bench: Bench) -> None:
    bench.set("pytest", 1)
    status, calls = bench.run()
    assert (status, calls[-2].split()[0], calls[-1].split()[0]) == (1, "pytest", "pytest")
    bench.set("pytest", 2)  # Ctrl-C
    again = bench.run()[1][len(calls) :]
    assert [call.split()[0] for call in again].count("pytest") == 1


def test_all_failing_checks_are_named_and_no_test_runs(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    bench.set("pyright", 1)
    bench.set("lint-imports", 1)
    status, calls = bench.run()
    assert status == 1
    assert not any(call.startswith("pytest") for call in calls)
    assert "Failed: Types, Import contracts." in capsys.readouterr().err


def test_arguments_go_to_the_tests_and_leave_out_the_checks(bench: Bench) -> None:
    _, calls = bench.run("tests/x", "-k", "seed")
    assert calls[-1] == "pytest tests/x -k seed"
    assert len(calls) == 3  # a model each before them


def test_a_model_that_cannot_be_fetched_ends_it(bench: Bench) -> None:
    bench.set("edge-rt", 1)
    status, calls = bench.run()
    assert status == 1
    assert len(calls) == 1


def test_the_tests_find_the_cache(bench: Bench, cache: Path) -> None:
    bench.run("x")
    assert os.environ["EDGE_RT_CACHE"] == str(cache)


def test_types_are_checked_for_the_oldest_python_that_numpy_can_be_read_for() -> None:
    assert tools_test.checks((3, 11))["Types"] == ["pyright"]
    assert tools_test.checks((3, 13))["Types"] == ["pyright", "--pythonversion", "3.13"]
