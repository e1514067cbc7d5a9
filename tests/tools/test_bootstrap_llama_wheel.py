from __future__ import annotations

import io
import re
import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from bootstrap import SetupError, llama_wheel
from bootstrap.llama_wheel import Recipe
from bootstrap.paths import CHECKOUT
from bootstrap.progress import Progress

Script = Callable[[Path, str], Path]

RECIPE = Recipe("-DGGML_CUDA=on", ("CC=gcc",), ("x86_64",), "sources")

# Answers `-m pip --version` and `-m pip wheel … -w OUT` as pip would.
PIP = """#!/bin/sh
[ "$3" = --version ] && { echo "pip 23.2.1 from nowhere"; exit 0; }
[ "$3" = config ] && exit 0
for out; do :; done
echo "  [1/2] cc"; echo "$CMAKE_ARGS" > "$TMPDIR/../args"
STATUS
mkdir -p "$out" && : > "$out/llama_cpp_python-0-py3-none-any.whl"
"""


def test_the_version_is_the_one_that_the_package_asks_for() -> None:
    pinned = re.findall(r'"llama-cpp-python==([^"]+)"', (CHECKOUT / "pyproject.toml").read_text())
    built = re.findall(
        r"^llama-cpp-python==(\S+) --hash", llama_wheel.REQUIREMENT.read_text(), re.M
    )
    assert pinned == built
    assert len(built) == 1


@pytest.mark.parametrize(
    "other",
    [
        replace(RECIPE, cmake_args=""),
        replace(RECIPE, toolchain=("CC=clang",)),
        replace(RECIPE, machine=("aarch64",)),
        replace(RECIPE, sources="others"),
    ],
)
def test_whatever_differs_gets_a_wheel_of_its_own(other: Recipe) -> None:
    assert other.key != RECIPE.key


def test_the_toolchain_of_the_environment_counts() -> None:
    plain = llama_wheel.recipe("", {})
    assert llama_wheel.recipe("", {"HOME": "/x"}) == plain
    assert llama_wheel.recipe("", {"CXX": "clang++"}) != plain


def test_the_users_arguments_come_last(tmp_path: Path) -> None:
    args = llama_wheel.environment(RECIPE, tmp_path, {"CMAKE_ARGS": "ignored"})["CMAKE_ARGS"]
    assert shlex.split(args)[-1] == "-DGGML_CUDA=on"
    assert f"-DCMAKE_PROJECT_llama_cpp_INCLUDE={llama_wheel.TRIM}" in shlex.split(args)


@pytest.mark.parametrize("cuda", ["-DGGML_CUDA=on", "-D GGML_CUDA:BOOL=1", "-DX=1 -DGGML_CUDA=ON"])
def test_the_compiler_of_cuda_is_named_where_cmake_would_not_find_it(
    cuda: str, nvcc: Path, tmp_path: Path, script: Script
) -> None:
    def named(cmake_args: str = cuda, **env: str) -> str | None:
        recipe = replace(RECIPE, cmake_args=cmake_args)
        return llama_wheel.environment(recipe, tmp_path, env).get("CUDACXX")

    assert named(PATH="/nowhere") == named() == str(nvcc)
    assert named("-DGGML_CUDA=off") is None
    assert named("-DGGML_CUDA_FORCE_MMQ=on") is None
    assert named(CUDACXX="clang++") == "clang++"
    assert named(CUDA_PATH="/opt/cuda") is None  # where CMake looks
    assert named(PATH=str(script(tmp_path / "bin/nvcc", "").parent)) is None
    nvcc.unlink()
    assert named() is None


def test_the_users_number_of_jobs_wins(tmp_path: Path) -> None:
    name = "CMAKE_BUILD_PARALLEL_LEVEL"
    assert int(llama_wheel.environment(RECIPE, tmp_path, {})[name]) >= 1
    assert llama_wheel.environment(RECIPE, tmp_path, {name: "7"})[name] == "7"


def test_a_built_wheel_is_kept_and_found(tmp_path: Path, script: Script) -> None:
    python = script(tmp_path / "python", PIP.replace("STATUS", ""))
    assert llama_wheel.find(tmp_path, RECIPE) is None
    wheel = llama_wheel.build(python, tmp_path, RECIPE)
    assert wheel == llama_wheel.find(tmp_path, RECIPE)
    assert "-DGGML_CUDA=on" in (tmp_path / "args").read_text()


def test_a_failed_build_leaves_only_its_log(tmp_path: Path, script: Script) -> None:
    python = script(tmp_path / "python", PIP.replace("STATUS", "echo no luck; exit 1"))
    (tmp_path / "build-killed").mkdir()
    with pytest.raises(SetupError, match=r"no luck(.|\n)*llama-build\.log"):
        llama_wheel.build(python, tmp_path, RECIPE)
    assert llama_wheel.find(tmp_path, RECIPE) is None
    assert not list(tmp_path.glob("build-*"))


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("[42/84] /usr/bin/g++ -O3", "50 % compiling"),
        ("[ 50%] Building CXX object", "50 % compiling"),
        ("Progress 76 of 76", "10 % downloading"),
    ],
)
def test_output_becomes_progress(line: str, shown: str) -> None:
    log = io.StringIO()
    llama_wheel.report(Progress("Building", log), line)
    assert shown in log.getvalue()


@pytest.mark.parametrize("line", ["Progress 5 of 0", "[1/2]x", "[a/b] c", ""])
def test_other_output_does_not(line: str) -> None:
    log = io.StringIO()
    llama_wheel.report(Progress("Building", log), line)
    assert log.getvalue() == ""
