from __future__ import annotations

import importlib.metadata
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
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
# What llama.cpp's build looks like, in short: libraries with versions, at any depth.
PROJECT = {
    "CMakeLists.txt": """cmake_minimum_required(VERSION 3.21)
project(llama_cpp C)
add_subdirectory(vendor/llama.cpp)
""",
    "vendor/llama.cpp/CMakeLists.txt": """add_subdirectory(ggml)
add_library(llama SHARED llama.c)
target_link_libraries(llama ggml)
set_target_properties(llama PROPERTIES VERSION 0.5.0 SOVERSION 0)
""",
    "vendor/llama.cpp/llama.c": "int ggml(void); int llama(void) { return ggml(); }\n",
    "vendor/llama.cpp/ggml/CMakeLists.txt": """add_library(ggml SHARED ggml.c)
set_target_properties(ggml PROPERTIES VERSION 0.25.3 SOVERSION 0)
""",
    "vendor/llama.cpp/ggml/ggml.c": "int ggml(void) { return 42; }\n",
}


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
        replace(RECIPE, gpu="87"),
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


def board(root: Path, chip: str) -> Path:
    (root / "proc/device-tree").mkdir(parents=True)
    (root / "proc/device-tree/compatible").write_bytes(
        f"nvidia,p3768-0000+p3767-0005\0nvidia,p3767-0005\0nvidia,{chip}\0".encode()
    )
    return root


@pytest.mark.parametrize(
    ("chip", "release", "gpu"),
    [
        ("tegra210", "12.6", "53"),
        ("tegra186", "12.6", "62"),
        ("tegra194", "12.6", "72"),
        ("tegra234", "12.6", "87"),
        ("tegra234", "13.0", "87"),
        ("tegra264", "12.9", "101"),
        ("tegra264", "13.0", "110"),
        ("tegra264", "", "110"),
        ("tegra999", "13.0", None),
    ],
)
def test_a_jetsons_gpu_is_named_since_old_cmake_does_not_find_it(
    chip: str, release: str, gpu: str | None, tmp_path: Path, script: Script
) -> None:
    said = f"Cuda compilation tools, release {release}, V{release}.88"
    nvcc = script(tmp_path / "nvcc", f"#!/bin/sh\necho '{said}'\n")
    env = {"CUDACXX": str(nvcc)}
    root = board(tmp_path / "root", chip)
    recipe = llama_wheel.recipe("-DGGML_CUDA=on", env, root)
    args = shlex.split(llama_wheel.environment(recipe, tmp_path, env)["CMAKE_ARGS"])
    named = [arg.partition("=")[2] for arg in args if "CUDA_ARCHITECTURES" in arg]
    assert named == ([gpu] if gpu else [])
    assert llama_wheel.recipe("-DGGML_VULKAN=on", env, root).gpu is None


def test_the_architecture_that_the_user_names_comes_last(tmp_path: Path) -> None:
    asked = "-DGGML_CUDA=on -DCMAKE_CUDA_ARCHITECTURES=90"
    recipe = llama_wheel.recipe(asked, {}, board(tmp_path, "tegra234"))
    args = llama_wheel.environment(recipe, tmp_path, {})["CMAKE_ARGS"]
    assert args.index("ARCHITECTURES=87") < args.index("ARCHITECTURES=90")


def test_compilers_of_cuda_are_no_more_than_memory_has_room_for(tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    meminfo = tmp_path / "proc/meminfo"
    meminfo.write_text("MemTotal: 7800000 kB\nMemAvailable: 5000000 kB\n")  # an Orin Nano's
    cores = len(os.sched_getaffinity(0))
    assert llama_wheel.jobs("-DGGML_CUDA=on", tmp_path) == min(2, cores)
    assert llama_wheel.jobs("", tmp_path) == min(4, cores)
    meminfo.write_text("MemAvailable: 3000000 kB\n")
    assert llama_wheel.jobs("-DGGML_CUDA=on", tmp_path) == 1
    meminfo.write_text("MemAvailable: 900 kB\n")
    assert llama_wheel.jobs("-DGGML_CUDA=on", tmp_path) == 1


@pytest.mark.skipif(shutil.which("cmake") is None, reason="needs cmake")
def test_each_library_has_one_name(tmp_path: Path) -> None:
    for name, text in PROJECT.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    include = f"-DCMAKE_PROJECT_llama_cpp_INCLUDE={llama_wheel.TRIM}"
    build = tmp_path / "build"
    for argv in (["-S", tmp_path, "-B", build, include], ["--build", build]):
        subprocess.run(["cmake", *argv], check=True, capture_output=True)
    assert sorted(path.name for path in build.rglob("lib*.so*")) == ["libggml.so", "libllama.so"]
    # In a process of its own: here a libggml.so may be loaded, which would count by its name.
    program = f"import ctypes; print(ctypes.CDLL('{build}/vendor/llama.cpp/libllama.so').llama())"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout == b"42\n"


def test_what_is_installed_has_each_library_once() -> None:
    files = importlib.metadata.files("llama-cpp-python") or []
    libraries = [path for path in files if ".so" in path.name]
    assert len(libraries) >= 4
    assert {path.parent.as_posix() for path in libraries} == {"llama_cpp/lib"}
    found = [Path(str(path.locate())).read_bytes() for path in libraries]
    assert len(set(found)) == len(found), "the same under several names"


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
