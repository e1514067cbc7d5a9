"""Compile llama.cpp with code for every processor of an architecture."""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bootstrap import SetupError, llama_wheel
from bootstrap.llama_wheel import REQUIREMENT
from bootstrap.logged import run_logged
from bootstrap.progress import Progress
from bootstrap.system import Need
from bootstrap.venv import Venv, run_pip
from bootstrap.wheelhouse import pinned

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}  # and Debian's name
GPUS = {"cuda": "-DGGML_CUDA=ON", "vulkan": "-DGGML_VULKAN=ON"}

_HERE = Path(__file__).parent
_EVERY_PROCESSOR = ("-DGGML_NATIVE=OFF", "-DGGML_BACKEND_DL=ON", "-DGGML_CPU_ALL_VARIANTS=ON")
_NEWEST = {"aarch64": "-march=armv9.2-a+sve2+sme"}  # of these processors; known from GCC 14 on
_THORS_FIRST = (12, 8)  # release of CUDA
# libstdc++ is linked in: a C++ library of a new GCC needs more than that of an old system has.
_LINKED = (
    *("-s", "-static-libgcc", "-static-libstdc++"),
    *("-Wl,--gc-sections", "-Wl,--exclude-libs,ALL"),
)


@dataclass(frozen=True)
class Target:
    """What a wheel is for; `gpus` are of GPUS."""

    architecture: str
    gpus: tuple[str, ...] = ()

    @property
    def compiler(self) -> str:
        """Debian's GCC for it, which is there by this name on any architecture."""
        return f"{self.architecture}-linux-gnu-gcc"

    @property
    def compiler_cxx(self) -> str:
        """The same for C++."""
        return f"{self.architecture}-linux-gnu-g++"


def needs(target: Target) -> list[Need]:
    """Return what is missing here to build for `target`."""
    debian = target.architecture.replace("_", "-")
    programs = {
        "cmake": "cmake",
        "ninja": "ninja-build",
        target.compiler: f"gcc-{debian}-linux-gnu",
        target.compiler_cxx: f"g++-{debian}-linux-gnu",
    }
    return [
        Need(program, (package,))
        for program, package in programs.items()
        if shutil.which(program) is None
    ]


def check(target: Target) -> None:
    """Raise SetupError where a compiler for `target` is too old, or too new for CUDA's."""
    if "cuda" in target.gpus:
        _check_cuda(target)
    if (newest := _NEWEST.get(target.architecture)) is None:
        return
    for compiler in (target.compiler, target.compiler_cxx):
        words = [compiler, newest, "-S", "-o", "-", "-x", "c", os.devnull]
        if subprocess.run(words, capture_output=True, check=False).returncode:
            raise SetupError(
                f"{compiler} is older than GCC 14, which llama.cpp's code for the newest "
                f"{target.architecture} processors needs. Run tools/wheels on Debian 13, or put "
                f"GCC 14's {target.compiler} and {target.compiler_cxx} first on PATH."
            )


def _check_cuda(target: Target) -> None:
    env = environment(target)
    nvcc, host = env.get("CUDACXX", "nvcc"), _cuda_host(target, env)
    words = [nvcc, "-ccbin", host, "-E", "-x", "cu", os.devnull]
    try:
        done = subprocess.run(words, env=env, capture_output=True, text=True, check=False)
    except OSError as error:
        raise SetupError(f"CUDA's compiler is missing: {error}. CUDACXX names it.") from error
    if done.returncode:
        raise SetupError(
            f"{done.stderr.rstrip()}\n{nvcc} refuses {host}, as CUDA 12.2 to 12.6 do GCC 14. "
            f"CUDAHOSTCXX names another compiler for it, such as {target.compiler_cxx}-12. For "
            "JetPack 6 build on the board, as docs/how-to/gpu.md says."
        )


def _cuda_host(target: Target, env: Mapping[str, str]) -> str:
    """Return the C++ compiler that NVCC calls: CMake leaves that to NVCC, which takes this
    machine's.
    """
    return env.get("CUDAHOSTCXX") or target.compiler_cxx


def _cuda_options(target: Target) -> list[str]:
    env = environment(target)
    options = [f"-DCMAKE_CUDA_HOST_COMPILER={_cuda_host(target, env)}"]
    if target.architecture == "aarch64":  # llama.cpp's own choice leaves Jetsons out
        release = llama_wheel.cuda_release(env)
        thor = [llama_wheel.thor(release)] if release is None or release >= _THORS_FIRST else []
        options.append(f"-DCMAKE_CUDA_ARCHITECTURES={';'.join(['87', *thor])}")
    return options


def libraries(target: Target, source: Path, build: Path, log: Path) -> list[Path]:
    """Compile `source` in the new folder `build`; return the libraries. Raises SetupError.

    They do not contain the paths of these folders. ccache is used where it is installed.
    """
    shutil.rmtree(build, ignore_errors=True)
    build.mkdir(parents=True)
    env = environment(target)
    with Progress(f"Building llama.cpp for {target.architecture}") as shown:
        for argv in commands(target, source, build):
            run_logged(argv, log, env=env, on_line=lambda line: llama_wheel.report(shown, line))
    made = sorted(path for path in build.rglob("lib*.so") if path.is_file())
    if not any(path.name.startswith("libggml-cpu-") for path in made):
        raise SetupError(f"The build made no library for any processor; see {log}")
    return made


def commands(target: Target, source: Path, build: Path) -> list[list[str]]:
    """The compiler for what an old glibc lacks, CMake to configure, and CMake to build."""
    lacking = build / "old_glibc.o"
    flags = _flags(source, build)
    linked = " ".join((str(lacking), *_LINKED))
    compiled = [target.compiler, *flags, "-O2", "-fPIC", "-o", str(lacking)]
    configure = ["cmake", "-G", "Ninja", "-S", str(source), "-B", str(build)]
    configure += [
        "-DCMAKE_BUILD_TYPE=Release",
        "-DCMAKE_SYSTEM_NAME=Linux",
        f"-DCMAKE_SYSTEM_PROCESSOR={target.architecture}",
        f"-DCMAKE_C_COMPILER={target.compiler}",
        f"-DCMAKE_CXX_COMPILER={target.compiler_cxx}",
        f"-DCMAKE_C_FLAGS={' '.join(flags)}",
        f"-DCMAKE_CXX_FLAGS={' '.join(flags)}",
        f"-DCMAKE_SHARED_LINKER_FLAGS={linked}",
        f"-DCMAKE_MODULE_LINKER_FLAGS={linked}",
        f"-DCMAKE_PROJECT_llama_cpp_INCLUDE={_HERE / 'portable.cmake'}",
        "-DSKBUILD_PLATLIB_DIR=/unused",  # where `install` would put things
    ]
    configure += [*llama_wheel.OURS, *_EVERY_PROCESSOR, *(GPUS[gpu] for gpu in target.gpus)]
    configure += _cuda_options(target) if "cuda" in target.gpus else []
    return [
        [*compiled, "-c", str(_HERE / "old_glibc.c")],
        configure,
        ["cmake", "--build", str(build), "--parallel", str(llama_wheel.jobs(_gpus(target)))],
    ]


def environment(target: Target, env: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the build's environment, without variables that would change the result."""
    ignored = ("CFLAGS", "CXXFLAGS", "LDFLAGS", "CC", "CXX", "CMAKE_GENERATOR")
    kept = {name: value for name, value in env.items() if name not in ignored}
    kept["GIT_DIR"] = os.devnull  # or it would name the commit of a checkout around it
    return llama_wheel.with_nvcc(kept, _gpus(target))


def _gpus(target: Target) -> str:
    """CMake's options for the GPUs of `target`."""
    return " ".join(GPUS[gpu] for gpu in target.gpus)


def _flags(source: Path, build: Path) -> list[str]:
    nameless = [f"-ffile-prefix-map={folder}=." for folder in (source, build, _HERE)]
    sections = ["-ffunction-sections", "-fdata-sections"]
    return [*nameless, "-include", str(_HERE / "old_glibc.h"), *sections]


def unpacked(cache: Path, log: Path) -> Path:
    """Return the new folder of the source; its archive is fetched once. Raises SetupError."""
    packed = archive(cache, log)
    place = cache / packed.name.removesuffix(".tar.gz")
    shutil.rmtree(place, ignore_errors=True)
    with tarfile.open(packed) as files:
        files.extractall(cache)  # pip has compared it with its hash
    return place


def archive(cache: Path, log: Path, python: Path | None = None) -> Path:
    """Return the archive of the source of llama.cpp, fetched once by `python`, if that has pip.

    Raises SetupError.
    """
    pattern = f"llama_cpp_python-{pinned()}.tar.gz"
    if not any(cache.glob(pattern)):
        with (
            Progress("Fetching the source of llama.cpp"),
            tempfile.TemporaryDirectory(dir=cache) as scratch,
        ):
            if python is None:  # Debian's lacks it
                venv = Venv(Path(scratch, "venv"))
                venv.create(log)
                python = venv.python
            words = ["--no-deps", "--no-binary=llama-cpp-python", "--no-cache-dir"]
            words += ["--require-hashes", "-r", str(REQUIREMENT), "--dest", scratch]
            run_pip(python, ["download", *words], log)
            for fetched in Path(scratch).glob(pattern):
                fetched.rename(cache / fetched.name)
    (found,) = cache.glob(pattern)
    return found
