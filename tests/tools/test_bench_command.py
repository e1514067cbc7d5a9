from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from bootstrap.paths import CHECKOUT

BENCH = CHECKOUT / "tools/bench"


def run(*argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(BENCH), *argv], capture_output=True, text=True)


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
    for option in ("--json", "--quick", "--rounds"):
        assert option in done.stdout


def test_another_python_hands_over_to_that_of_the_venv() -> None:
    bare = Path(sys.executable).resolve()  # without edge_rt and all that it needs
    words = [bare, BENCH, "serve", "--help"]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "--quick" in done.stdout


def test_it_can_be_run_as_it_is() -> None:
    assert os.access(BENCH, os.X_OK)
