from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
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

    def set(self, name: str, status: int | str) -> None:
        text = f'#!/bin/sh\necho "{name} $*" >> {self._calls}\nexit {status}\n'
        self._script(self._root / "bin" / name, text)

    def run(self, *argv: str, checked: bool = True) -> tuple[int, list[str]]:
        """The exit code and the programs that ran, in order."""
        here = Path.cwd()
        try:
            status = tools_test.check_and_test(Venv(self._root), argv, checked)
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
    assert names[:2] == ["edge-rt", "edge-rt"]
    assert sorted(names[2:6]) == ["lint-imports", "pyright", "ruff", "ruff"]  # they run at once
    assert names[6:] == ["pytest", "pytest"]


def test_every_test_but_the_slow_ones_runs_once(bench: Bench) -> None:
    light, heavy = bench.run()[1][-2:]
    usual = "not qwen and not whole and not slow"
    assert light.startswith("pytest --hypothesis-profile short -n ")
    assert light.endswith(f" -m {usual} and not heavy and not alone")
    assert heavy.startswith("pytest --hypothesis-profile short -n 2 --dist loadfile ")
    assert heavy.endswith(f" -m {usual} and heavy and not alone")


def test_all_runs_the_slow_ones_too(bench: Bench) -> None:
    status, calls = bench.run("--all")
    assert status == 0
    light, heavy, alone = calls[-3:]
    assert light.startswith("pytest -n ")
    assert light.endswith(" -m not qwen and not whole and not heavy and not alone")
    assert heavy == "pytest -n 2 --dist loadfile -m not qwen and not whole and heavy and not alone"
    assert alone == "pytest -m not qwen and not whole and alone tests/e2e"


def test_what_python_compiles_is_kept(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    bench.set("pytest", "${PYTHONDONTWRITEBYTECODE-0}")
    assert bench.run()[0] == 0


def test_no_test_that_measures_is_left_out(pytestconfig: pytest.Config) -> None:
    """Without --all the third run is left out: whatever measures has to be slow, too.

    And that run reads one folder only.
    """
    room, needle = Path(__file__).parents[1], ".".join(("pytest", "mark", "alone"))
    found = [path for path in room.rglob("test_*.py") if needle in path.read_text()]
    assert found
    assert {path.parent for path in found} == {tools_test.CHECKOUT / tools_test.ALONE}


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (["--python", "3.10", "tests/core"], ["tests/core"]),
        (["--oldest", "tests/core"], ["--oldest", "tests/core"]),
    ],
)
def test_another_python_has_a_venv_of_its_own(
    given: list[str],
    kept: list[str],
    tmp_path: Path,
    script: Script,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "version", "3.11.2 (main)")
    started: list[tuple[str, list[str], str]] = []

    def execve(path: Path, argv: list[str], env: dict[str, str]) -> None:
        started.append((str(path), argv, env["EDGE_RT_VENV"]))
        raise KeyboardInterrupt  # what execve does not do is return

    monkeypatch.setattr(os, "execve", execve)
    python = script(tmp_path / "python3.10", "#!/bin/sh\nexit 0\n")
    broken = script(tmp_path / "broken" / "python3.10", "#!/bin/sh\nexit 127\n")
    monkeypatch.setenv("PATH", f"{broken.parent}:{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(KeyboardInterrupt):
        tools_test.main(given)
    program = str(tools_test.CHECKOUT / "tools/test")
    assert started == [(str(python), [str(python), program, *kept], ".venv-3.10")]


def test_nothing_but_the_tests_runs_where_nothing_is_to_be_checked(bench: Bench) -> None:
    status, calls = bench.run(checked=False)
    assert status == 0
    assert [call.split()[0] for call in calls] == ["edge-rt", "edge-rt", "pytest", "pytest"]


@pytest.mark.parametrize("version", ["3.9", "3.14", "2", "", "latest"])
def test_a_python_that_is_not_supported_is_refused(
    version: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tools_test.main(["--python", version]) == 2
    assert "3.10, 3.11, 3.12 or 3.13" in capsys.readouterr().err


def test_a_python_that_is_not_there_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert tools_test.main(["--python", "3.12"]) == os.EX_UNAVAILABLE
    assert "python3.12" in capsys.readouterr().err


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


def test_what_a_check_says_is_shown_before_a_slower_one_ends(bench: Bench, tmp_path: Path) -> None:
    shown = tmp_path / "shown"
    # For 10 s at most.
    looks = f"for _ in $(seq 1000); do grep -q Types {shown} && exit 0; sleep 0.01; done; echo 1"
    bench.set("ruff", f"$({looks})")
    with shown.open("w") as file, redirect_stdout(file):
        assert bench.run()[0] == 0


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
    python, types = Path("/venv/bin/python"), ["pyright", "--pythonpath", "/venv/bin/python"]
    assert tools_test.checks((3, 11), python)["Types"] == types
    assert tools_test.checks((3, 13), python)["Types"] == [*types, "--pythonversion", "3.13"]
