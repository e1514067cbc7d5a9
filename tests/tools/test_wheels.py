"""`tools/wheels`, without the build itself, which takes long."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from bootstrap import SetupError, wheelhouse
from wheelslib import build, pack
from wheelslib.build import Target
from wheelslib.command import parse, tell

needs_compiler = pytest.mark.skipif(
    shutil.which("x86_64-linux-gnu-g++") is None, reason="needs Debian's compiler for x86-64"
)
Script = Callable[[Path, str], Path]

X86 = Target("x86_64")
ARM = Target("aarch64")
# Each needs a newer glibc than 2.35 where nothing is done about it.
NEW = """
#include <cmath>
#include <cstdlib>
#include <iostream>
#include <random>
extern "C" double sum(const char *text) {
    std::random_device device;
    std::cout << device() << std::strtol(text, nullptr, 10);
    return std::fmod(std::strtod(text, nullptr), 3.0);
}
"""
NVCC = """#!/bin/sh
[ "$1" = --version ] && { echo "Cuda compilation tools, release RELEASE, V1"; exit 0; }
echo "$2" > CALLS
[ "$2" = aarch64-linux-gnu-g++ ] || exit 0
echo "#error -- unsupported GNU version! gcc versions later than 13 are not supported!" >&2
exit 1
"""
CUDA = Target("aarch64", ("cuda",))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Return what the archive of llama-cpp-python has, in short."""
    place = tmp_path / "source"
    (place / "llama_cpp").mkdir(parents=True)
    (place / "vendor/llama.cpp").mkdir(parents=True)
    (place / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: llama_cpp_python\nVersion: 0.1\n")
    (place / "LICENSE.md").write_text("ours")
    (place / "vendor/llama.cpp/LICENSE").write_text("theirs")
    (place / "llama_cpp/__init__.py").write_text("answer = 42\n")
    (place / "llama_cpp/notes.txt").write_text("not of the package")
    return place


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """A library as the build makes them, of code that calls new functions."""
    folder = tmp_path / "build"
    folder.mkdir()
    (folder / "new.cpp").write_text(NEW)
    compile_lacking, configure, _ = build.commands(X86, tmp_path, folder)
    said = dict(word.removeprefix("-D").split("=", 1) for word in configure if "=" in word)
    subprocess.run(compile_lacking, check=True)
    made = folder / "libggml-cpu-x64.so"
    words = [X86.compiler_cxx, *said["CMAKE_CXX_FLAGS"].split(), "-O1", "-shared", "-fPIC"]
    words += [str(folder / "new.cpp"), *said["CMAKE_SHARED_LINKER_FLAGS"].split(), "-o", str(made)]
    subprocess.run(words, check=True)
    return made


@needs_compiler
def test_what_is_built_runs_with_the_glibc_of_ubuntu_22(library: Path) -> None:
    assert pack.glibc([library]) <= 35


@needs_compiler
def test_a_library_that_needs_the_systems_cxx_library_is_refused(tmp_path: Path) -> None:
    (tmp_path / "new.cpp").write_text(NEW)
    made = tmp_path / "libnew.so"
    words = [X86.compiler_cxx, "-shared", "-fPIC", str(tmp_path / "new.cpp"), "-o", str(made)]
    subprocess.run(words, check=True)
    with pytest.raises(SetupError, match=r"system's C\+\+ library"):
        pack.glibc([made])


@needs_compiler
def test_no_library_names_the_folder_that_it_was_built_in(library: Path, tmp_path: Path) -> None:
    assert str(tmp_path).encode() not in library.read_bytes()


@needs_compiler
def test_two_wheels_of_the_same_files_are_the_same(
    source: Path, library: Path, tmp_path: Path
) -> None:
    folders = tmp_path / "one", tmp_path / "two"
    made: list[bytes] = []
    for folder in folders:
        folder.mkdir()
        wheel = pack.pack(source, [library], folder, architecture="x86_64")
        made.append(wheel.read_bytes())
        (source / "llama_cpp/__init__.py").touch()  # a new time is no other content
    assert made[0] == made[1]


@needs_compiler
def test_pip_installs_what_is_packed(source: Path, library: Path, tmp_path: Path) -> None:
    wheel = pack.pack(source, [library], tmp_path, architecture="x86_64", flavour="cuda")
    assert wheel.name.startswith("llama_cpp_python-0.1+cuda-py3-none-manylinux_2_")
    place = tmp_path / "site"
    words = ["install", "--no-index", "--no-deps", "--target", str(place), str(wheel)]
    subprocess.run([sys.executable, "-m", "pip", "-q", *words], check=True)
    assert (place / "llama_cpp/__init__.py").read_text() == "answer = 42\n"
    assert (place / "llama_cpp/lib" / library.name).read_bytes() == library.read_bytes()
    assert not (place / "llama_cpp/notes.txt").exists()


def test_the_manifest_is_one_that_sha256sum_checks(tmp_path: Path) -> None:
    for name in ("a.whl", "b.whl"):
        (tmp_path / name).write_text(name)
    tell(tmp_path)
    check = ["sha256sum", "--check", "--strict", wheelhouse.SUMS]
    assert subprocess.run(check, cwd=tmp_path, capture_output=True).returncode == 0
    (tmp_path / "a.whl").write_text("changed")
    assert subprocess.run(check, cwd=tmp_path, capture_output=True).returncode == 1


def test_gpus_are_options_of_the_same_build(tmp_path: Path) -> None:
    assert parse(["--cuda", "--vulkan", "x"]).gpus == ["cuda", "vulkan"]
    configure = build.commands(Target("aarch64", ("cuda", "vulkan")), tmp_path, tmp_path)[1]
    assert {"-DGGML_CUDA=ON", "-DGGML_VULKAN=ON", "-DGGML_CPU_ALL_VARIANTS=ON"} <= set(configure)
    assert "-DCMAKE_C_COMPILER=aarch64-linux-gnu-gcc" in configure


def test_flags_of_the_environment_change_nothing() -> None:
    env = build.environment(X86, {"CFLAGS": "-O0", "CXX": "clang++", "PATH": "/bin"})
    assert set(env) == {"PATH", "GIT_DIR"}


def test_the_compiler_of_cuda_is_named_where_its_code_is_asked_for(nvcc: Path) -> None:
    cuda = build.environment(Target("aarch64", ("cuda", "vulkan")), {})
    assert cuda["CUDACXX"] == str(nvcc)
    assert "CUDACXX" not in build.environment(Target("aarch64", ("vulkan",)), {})


@pytest.mark.parametrize(
    ("release", "named"), [("12.6", "87"), ("12.9", "87;101"), ("13.0", "87;110")]
)
def test_cuda_code_for_boards_is_for_theirs_by_their_compiler(
    release: str, named: str, tmp_path: Path, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    nvcc = script(tmp_path / "nvcc", NVCC.replace("RELEASE", release))
    monkeypatch.setenv("CUDACXX", str(nvcc))
    configure = build.commands(CUDA, tmp_path, tmp_path)[1]
    assert f"-DCMAKE_CUDA_ARCHITECTURES={named}" in configure
    assert "-DCMAKE_CUDA_HOST_COMPILER=aarch64-linux-gnu-g++" in configure
    x86 = build.commands(Target("x86_64", ("cuda",)), tmp_path, tmp_path)[1]
    assert not [option for option in x86 if "CUDA_ARCHITECTURES" in option], "llama.cpp's own"


def test_a_compiler_that_cuda_refuses_is_told_before_the_build(
    tmp_path: Path, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = tmp_path / "calls"
    nvcc = script(tmp_path / "nvcc", NVCC.replace("CALLS", str(calls)))
    for name in (ARM.compiler, ARM.compiler_cxx):
        script(tmp_path / name, "#!/bin/sh\n")
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    monkeypatch.setenv("CUDACXX", str(nvcc))
    with pytest.raises(SetupError, match=r"later than 13(.|\n)*CUDAHOSTCXX(.|\n)*on the board"):
        build.check(CUDA)
    monkeypatch.setenv("CUDAHOSTCXX", "aarch64-linux-gnu-g++-12")
    build.check(CUDA)
    assert calls.read_text() == "aarch64-linux-gnu-g++-12\n"
    monkeypatch.setenv("CUDACXX", str(tmp_path / "none"))
    with pytest.raises(SetupError, match="CUDA's compiler is missing"):
        build.check(CUDA)


@pytest.mark.parametrize("old", [ARM.compiler, ARM.compiler_cxx])
def test_a_compiler_that_is_too_old_is_refused_before_the_build(
    old: str, tmp_path: Path, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (ARM.compiler, ARM.compiler_cxx, X86.compiler, X86.compiler_cxx):
        script(tmp_path / name, "#!/bin/sh\n")
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    build.check(ARM)
    refusing = '#!/bin/sh\ncase "$*" in *sme*) exit 1; esac\n'
    for name in (old, X86.compiler, X86.compiler_cxx):
        script(tmp_path / name, refusing)
    with pytest.raises(SetupError, match=rf"{re.escape(old)} is older than GCC 14.*Debian 13"):
        build.check(ARM)
    build.check(X86)


@pytest.mark.skipif(shutil.which(f"{ARM.compiler_cxx}-14") is None, reason="needs GCC 14")
def test_gcc_14_is_new_enough_by_the_usual_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (ARM.compiler, ARM.compiler_cxx):
        (tmp_path / name).symlink_to(shutil.which(f"{name}-14") or "")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    build.check(ARM)
