"""Build llama-cpp-python once for this machine and keep the wheel.

Only llama.cpp's libraries are compiled: no programs, no server, no TLS. The wheel is tagged
py3-none, so one build serves every Python version.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bootstrap import SetupError
from bootstrap.paths import CHECKOUT
from bootstrap.progress import Progress
from bootstrap.venv import run_pip

REQUIREMENT = CHECKOUT / "tools/llama_cpp_python.txt"
TRIM = CHECKOUT / "tools/llama_trim.cmake"
NVCC = Path("/usr/local/cuda/bin/nvcc")  # JetPack's; sudo's PATH does not lead there

OURS = (  # options of every build
    # For models that see and hear, and for layers on other boards; the daemon uses neither yet.
    "-DLLAVA_BUILD=ON",
    "-DMTMD_VIDEO=OFF",  # it would start ffmpeg
    "-DGGML_RPC=ON",
    "-DGGML_RPC_RDMA=OFF",  # or a libibverbs that happens to be here would be needed
    "-DLLAMA_OPENSSL=OFF",
    "-DLLAMA_BUILD_TOOLS=OFF",
    "-DLLAMA_BUILD_SERVER=OFF",
    "-DLLAMA_BUILD_APP=OFF",
)
_TOOLCHAIN = ("CC", "CXX", "CFLAGS", "CXXFLAGS", "LDFLAGS", "CUDACXX", "CMAKE_GENERATOR")
_SOURCE = 0.1  # of the build is getting its source
_JOB_BYTES = 1 << 30  # what one compiler process may need at its worst
# What NVCC may. Of CUDA 13.0 it took 0.6 GB for Q4_K's products and 0.4 for attention (sm_87, on
# x86-64); others tell of more, and a board that has no memory left stands still.
_NVCC_JOB_BYTES = 2 << 30
_GPUS = {"tegra210": "53", "tegra186": "62", "tegra194": "72", "tegra234": "87"}
_THOR = "tegra264"
# llama.cpp installs itself beside the package, which has all that is loaded.
_LEFT_OUT = "/bin/**;/include/**;/lib/**"
# Kernel updates add and drop x86 flags that no compiler knows; only these change the code.
_X86_CODE = ("sse", "ssse", "avx", "fma", "f16c", "bmi", "amx", "abm", "popcnt", "gfni", "vaes")
_KEYS = ("vendor_id", "cpu family", "model", "CPU implementer", "CPU part", "CPU variant")


@dataclass(frozen=True)
class Recipe:
    """All that the built wheel depends on. `cmake_args` are the user's own, as one string."""

    cmake_args: str
    toolchain: tuple[str, ...]
    machine: tuple[str, ...]
    sources: str
    gpu: str | None = None  # a Jetson's, see `jetson_gpu`

    @property
    def key(self) -> str:
        """A name for the wheel's place in the cache; differs when anything else differs."""
        facts = [OURS, self.cmake_args, self.toolchain, self.machine, self.sources, self.gpu]
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:20]


def recipe(cmake_args: str, env: Mapping[str, str] = os.environ, root: Path = Path("/")) -> Recipe:
    """Return the recipe for this machine, whose files are below `root`, and environment."""
    sources = hashlib.sha256(REQUIREMENT.read_bytes() + TRIM.read_bytes()).hexdigest()
    toolchain = tuple(f"{name}={env[name]}" for name in _TOOLCHAIN if name in env)
    gpu = jetson_gpu(env, root) if _asks_for_cuda(cmake_args) else None
    return Recipe(cmake_args, toolchain, _machine(), sources, gpu)


def find(cache: Path, recipe: Recipe) -> Path | None:
    """The wheel built by `recipe`, if it is in the cache."""
    return kept(cache, recipe.key)


def kept(cache: Path, key: str) -> Path | None:
    """The wheel of that key, if it is in the cache."""
    return next((cache / "wheels" / key).glob("*.whl"), None)


def build(
    python: Path,
    cache: Path,
    recipe: Recipe,
    env: Mapping[str, str] = os.environ,
    progress: Progress | None = None,
) -> Path:
    """Compile the wheel with the pip of `python` and keep it. The caller holds the lock."""
    wheels = cache / "wheels"
    wheels.mkdir(exist_ok=True)
    log = cache / "logs/llama-build.log"
    log.unlink(missing_ok=True)
    for left_by_a_killed_build in cache.glob("build-*"):
        shutil.rmtree(left_by_a_killed_build, ignore_errors=True)
    # Not in /tmp, which may lie in memory: sources and objects take 400 MB.
    scratch = Path(tempfile.mkdtemp(prefix="build-", dir=cache))
    try:
        with progress or Progress("Building llama.cpp, once") as shown:
            words = _pip_wheel(python, scratch / "out")
            built_with = environment(recipe, scratch, env)
            run_pip(python, words, log, env=built_with, on_line=lambda line: report(shown, line))
        # A renamed directory appears whole or not at all.
        (scratch / "out").replace(wheels / recipe.key)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    if (wheel := find(cache, recipe)) is None:
        raise SetupError(f"pip built no wheel; see {log}")
    return wheel


def environment(
    recipe: Recipe, scratch: Path, env: Mapping[str, str] = os.environ
) -> dict[str, str]:
    """The environment of the build: the user's -D options come last, so they win."""
    trim = shlex.quote(f"-DCMAKE_PROJECT_llama_cpp_INCLUDE={TRIM}")
    # CMake before 3.24, as JetPack 6 has it, does not find out what the GPU is.
    cuda = (f"-DCMAKE_CUDA_ARCHITECTURES={recipe.gpu}",) if recipe.gpu else ()
    return {
        "CMAKE_BUILD_PARALLEL_LEVEL": str(jobs(recipe.cmake_args)),
        "SKBUILD_WHEEL_EXCLUDE": _LEFT_OUT,
        **with_nvcc(env, recipe.cmake_args),
        "CMAKE_ARGS": " ".join((*OURS, trim, *cuda, recipe.cmake_args)).strip(),
        "TMPDIR": str(scratch),
    }


def with_nvcc(env: Mapping[str, str], cmake_args: str) -> dict[str, str]:
    """Return `env`, with CUDACXX where `cmake_args` ask for CUDA and CMake would not find NVCC."""
    named = env.get("CUDACXX") or env.get("CUDA_PATH")
    found = named or shutil.which("nvcc", path=env.get("PATH", ""))
    if not _asks_for_cuda(cmake_args) or found or not NVCC.exists():
        return {**env}
    return {**env, "CUDACXX": str(NVCC)}


def cuda_release(env: Mapping[str, str]) -> tuple[int, int] | None:
    """Return CUDA's release, such as (12, 6), by the NVCC of `env`; None where there is none."""
    nvcc = with_nvcc(env, "-DGGML_CUDA=on").get("CUDACXX") or "nvcc"
    try:
        said = subprocess.run([nvcc, "--version"], env=dict(env), capture_output=True, text=True)
    except OSError:
        return None
    match = re.search(r"release (\d+)\.(\d+)", said.stdout)
    return (int(match[1]), int(match[2])) if match else None


def thor(release: tuple[int, int] | None) -> str:
    """Return what NVCC calls a Thor's GPU, which CUDA 13 renamed."""
    return "101" if release and release < (13, 0) else "110"


def jetson_gpu(env: Mapping[str, str], root: Path = Path("/")) -> str | None:
    """Return the architecture of this Jetson's GPU as NVCC calls it, such as "87"; else None."""
    try:
        names = (root / "proc/device-tree/compatible").read_text(errors="replace")
    except OSError:
        return None
    chip = next(iter(re.findall(r"nvidia,(tegra\d+)", names)), "")
    return thor(cuda_release(env)) if chip == _THOR else _GPUS.get(chip)


def _asks_for_cuda(cmake_args: str) -> bool:
    pattern = r"-D *GGML_CUDA(:BOOL)?=(on|true|yes|y|1)\b"
    return bool(re.search(pattern, cmake_args, re.IGNORECASE))


def report(progress: Progress, line: str) -> None:
    """Translate a line of pip's, ninja's or make's output into progress."""
    if match := re.match(r"\[(\d+)/(\d+)\] ", line):
        progress.update(_compiled(int(match[1]) / int(match[2])), "compiling")
    elif match := re.match(r"\[ *(\d+)%\] ", line):
        progress.update(_compiled(int(match[1]) / 100), "compiling")
    elif match := re.match(r"Progress (\d+) of ([1-9]\d*)$", line):
        progress.update(_SOURCE * int(match[1]) / int(match[2]), "downloading the source")
    elif line.startswith(("Downloading llama", "Installing build dep", "Configuring CMake")):
        progress.update(None, line)


def _compiled(fraction: float) -> float:
    return _SOURCE + (1 - _SOURCE) * fraction


def _pip_wheel(python: Path, out: Path) -> list[str]:
    # pip would take a wheel that it built earlier with other CMAKE_ARGS from its own cache.
    options = ["--verbose", "--no-deps", "--no-cache-dir", "--no-binary", "llama-cpp-python"]
    if _pip_version(python) >= (24, 1):
        options.append("--progress-bar=raw")  # downloaded bytes in plain lines
    return ["wheel", *options, "--require-hashes", "-r", str(REQUIREMENT), "-w", str(out)]


def _pip_version(python: Path) -> tuple[int, ...]:
    argv = [python, "-m", "pip", "--version"]
    said = subprocess.run(argv, capture_output=True, text=True, check=False).stdout
    match = re.match(r"pip (\d+)\.(\d+)", said)
    return (int(match[1]), int(match[2])) if match else (0, 0)


def jobs(cmake_args: str = "", root: Path = Path("/")) -> int:
    """Return the number of compilers: that of the cores, but no more than fit in memory."""
    each = _NVCC_JOB_BYTES if _asks_for_cuda(cmake_args) else _JOB_BYTES
    meminfo = (root / "proc/meminfo").read_text()
    match = re.search(r"^MemAvailable: +(\d+) kB", meminfo, re.MULTILINE)
    fitting = int(match[1]) * 1024 // each if match else 1
    return max(1, min(len(os.sched_getaffinity(0)), fitting))


def _machine() -> tuple[str, ...]:
    return (platform.machine(), *_os_release(), *processor())


def _os_release() -> Iterator[str]:
    with contextlib.suppress(OSError):
        for line in Path("/etc/os-release").read_text(errors="replace").splitlines():
            if line.startswith(("ID=", "VERSION_ID=")):
                yield line


def processor(root: Path = Path("/")) -> list[str]:
    """The kinds of core in proc/cpuinfo under `root`, sorted, one string a fact."""
    try:
        lines = (root / "proc/cpuinfo").read_text(errors="replace").splitlines()
    except OSError:
        return []
    return sorted({fact for line in lines if (fact := _fact(line))})


def _fact(line: str) -> str | None:
    key, _, value = (part.strip() for part in line.partition(":"))
    if key in _KEYS:
        return f"{key}={value}"
    if key == "Features":
        return f"flags={value}"
    if key == "flags":
        return "flags=" + " ".join(flag for flag in value.split() if flag.startswith(_X86_CODE))
    return None
