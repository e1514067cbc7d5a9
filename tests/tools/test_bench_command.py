from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from bootstrap.paths import CHECKOUT

BENCH = CHECKOUT / "tools/bench"


def run(*argv: str, bench: Path = BENCH) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(bench), *argv], capture_output=True, text=True)


def test_the_benchmarks_are_listed_on_request() -> None:
    done = run("--help")
    assert done.returncode == 0
    assert "serve" in done.stdout


@pytest.mark.parametrize("argv", [[], ["nosuch"]])
def test_without_a_known_name_the_usage_is_an_error(argv: list[str]) -> None:
    done = run(*argv)
    assert done.returncode == 2
    assert "serve" in done.stderr


def test_a_benchmark_gets_its_own_options() -> None:
    done = run("serve", "--help")
    assert done.returncode == 0, done.stderr
    for option in ("--json", "--quick", "--rounds", "--data"):
        assert option in done.stdout


def test_a_missing_venv_is_named_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "tools/benchmarks").mkdir(parents=True)
    (tmp_path / "tools/benchmarks/serve.py").touch()
    shutil.copy(BENCH, tmp_path / "tools/bench")
    done = run("serve", bench=tmp_path / "tools/bench")
    assert done.returncode == 2
    assert "tools/test" in done.stderr
    assert "tools/run" in done.stderr


def test_another_python_hands_over_to_that_of_the_venv(tmp_path: Path) -> None:
    (tmp_path / "tools/benchmarks").mkdir(parents=True)
    (tmp_path / "tools/benchmarks/serve.py").touch()
    shutil.copy(BENCH, tmp_path / "tools/bench")
    python = tmp_path / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\necho "$@"\n')
    python.chmod(0o755)
    done = run("serve", "--quick", bench=tmp_path / "tools/bench")
    assert done.stdout.split() == [str(tmp_path / "tools/bench"), "serve", "--quick"]


def test_it_can_be_run_as_it_is() -> None:
    assert os.access(BENCH, os.X_OK)
