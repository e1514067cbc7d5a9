"""`tools/test`: every check that a change must pass."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from arm64lib import check as arm64
from vm import run

from bootstrap.ensure import ensure
from bootstrap.oldest import oldest
from bootstrap.paths import CHECKOUT, cache_dir
from bootstrap.signals import ending_cleanly, run_child
from bootstrap.venv import Venv

MODELS = (run.MODEL, "all-minilm-l6-v2")  # those that the tests run on

# A worker with its engine takes up to 1 GB: no more of them than that, however many cores.
WORKERS = ["-n", "logical", "--maxprocesses", "4"]

# Daemons, guests and real models use a core or more each; the tests of a file share them.
PAIR = ["-n", "2", "--dist", "loadfile"]

ALONE = "tests/e2e"  # where all tests are that run alone; the others are not even read then

_USAGE = """\
tools/test [--python VERSION | --oldest] [--wheels DIR]
                  [--all | --vm | --arm64 | PYTEST ARGUMENT ...]"""
PYTHONS = ("3.10", "3.11", "3.12", "3.13")
_ABOUT = """\
Set up .venv, then check lint, format, types and import contracts and run the tests, but for those
that need a guest or minutes; --all runs these, too. With other arguments, only pytest runs, and
they are passed to it: `tools/test tests/engine -k seed`.

--python 3.10 does all of it with that Python, which PATH or pyenv has, in a .venv-3.10.

--oldest runs the tests, without the checks before them, with Python 3.10 and the oldest versions of
edge_rt's dependencies that pyproject.toml allows, in .venv-oldest.

--wheels DIR takes llama.cpp from a folder of tools/wheels instead of compiling it.

--vm alone runs none of these. It boots Debian's kernel in QEMU, with this checkout and the
kernel's own INA3221 driver over a simulated chip, and compares what they read. Then it boots a
Debian with edge_rt installed, cuts its power ten times under load, and looks what is left. It
needs x86-64 Debian and root; the first run fetches 500 MB.

--wheels DIR --arm64 runs none of these, either. It makes a Debian for aarch64 without a compiler,
installs edge_rt there with the wheel in DIR, compares an answer with this machine's, and runs the
tests of what a processor may change. QEMU emulates the processor, many times slower than this one:
once that took 52 minutes with the wheel; it is done by hand, not in CI, and tells nothing of
speed. It needs Debian and root; the first run fetches 400 MB.

Exit code: pytest's; 1 when a check before it fails, in which case the tests are not run; 69 when
the Python of --python is not on this machine.
"""


def checks(version: tuple[int, int], python: Path) -> dict[str, list[str]]:
    """The commands that come before the tests, by title, for the environment of `python`."""
    tools = (CHECKOUT / "tools").iterdir()
    # Python without the suffix that ruff looks for
    programs = sorted(str(path) for path in tools if path.is_file() and not path.suffix)
    return {
        "Lint": ["ruff", "check", ".", *programs],
        "Format": ["ruff", "format", "--check", ".", *programs],
        "Types": ["pyright", "--pythonpath", str(python), *_pyright_version(version)],
        "Import contracts": ["lint-imports"],
    }


def _pyright_version(python: tuple[int, int]) -> list[str]:
    """Types are checked for the oldest Python, except where numpy's are written for a later one.

    From Python 3.12 on pip chooses a numpy whose stubs no older Python can read.
    """
    return [] if python < (3, 12) else ["--pythonversion", "{}.{}".format(*python)]


def main(argv: Sequence[str]) -> int:
    """Set up, check, test; returns the exit code."""
    argparse.ArgumentParser(
        prog="tools/test",
        usage=_USAGE,
        description=_ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    ).parse_known_args(argv[:1] if argv[:1] in (["-h"], ["--help"]) else [])
    if argv[:1] == ["--python"]:
        return _with_python(argv[1] if argv[1:] else "", argv[2:])
    pins, wheels = (), None
    if argv[:1] == ["--oldest"]:
        if not sys.version.startswith(f"{PYTHONS[0]}."):
            return _with_python(PYTHONS[0], argv)
        pins, argv = oldest((CHECKOUT / "pyproject.toml").read_text()), argv[1:]
        os.environ["EDGE_RT_VENV"] = ".venv-oldest"
    if argv[:1] == ["--wheels"] and len(argv) > 1:
        wheels, argv = Path(argv[1]), argv[2:]
    for only in ("--vm", "--all", "--arm64"):
        if only in argv and list(argv) != [only]:
            print(f"{only} takes no other arguments.", file=sys.stderr)
            return 2
    if "--arm64" in argv and wheels is None:
        print("--arm64 comes after --wheels DIR: nothing is compiled there.", file=sys.stderr)
        return 2
    return _check(argv, wheels, pins)


@ending_cleanly
def _check(argv: Sequence[str], wheels: Path | None, pins: Sequence[str]) -> int:
    if "--vm" in argv:
        return run.check(ensure(wheels=wheels), cache_dir())
    if wheels is not None and "--arm64" in argv:
        return arm64.check(wheels, cache_dir())
    return check_and_test(ensure(["dev"], wheels=wheels, pins=pins), argv, checked=not pins)


def _with_python(version: str, argv: Sequence[str]) -> int:
    """Start this program again with another Python; returns the exit code where it cannot."""
    if version not in PYTHONS:
        print(f"--python is one of {', '.join(PYTHONS[:-1])} or {PYTHONS[-1]}.", file=sys.stderr)
        return 2
    for folder in [*map(Path, os.get_exec_path()), *_of_pyenv(version)]:
        python = folder / f"python{version}"
        # What pyenv puts into PATH starts only the versions that it is told to.
        if python.exists() and not subprocess.call([python, "-c", ""], stderr=subprocess.DEVNULL):
            program = [str(python), str(CHECKOUT / "tools/test"), *argv]
            os.execve(python, program, {**os.environ, "EDGE_RT_VENV": f".venv-{version}"})
    print(f"There is no python{version} in PATH or pyenv: install it first.", file=sys.stderr)
    return os.EX_UNAVAILABLE


def _of_pyenv(version: str) -> list[Path]:
    return sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin"))


def check_and_test(venv: Venv, argv: Sequence[str], checked: bool = True) -> int:
    """Check, then run the tests, with --all every one; given other arguments, only pytest.

    Nothing is checked where `checked` is false.
    """
    cache = cache_dir()
    os.environ["EDGE_RT_CACHE"] = str(cache)  # the tests find the model where we put it
    # Else each of the hundreds of processes that tests start compiles all modules again.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.chdir(CHECKOUT)
    if not all(_pulled(venv, model, str(cache / "store")) for model in MODELS):
        return 1
    given = [word for word in argv if word != "--all"]
    if checked and not given and not _all_pass(venv):
        return 1
    return _tested(venv, [given] if given else pytest_runs("--all" in argv))


def pytest_runs(everything: bool) -> list[list[str]]:
    """The arguments of each run of pytest: many tests at a time, then two files, then one."""
    kept = "not qwen and not whole" + ("" if everything else " and not slow")
    examples = [] if everything else ["--hypothesis-profile", "short"]
    runs = [
        [*examples, *WORKERS, "-m", f"{kept} and not heavy and not alone"],
        [*examples, *PAIR, "-m", f"{kept} and heavy and not alone"],
        [*examples, "-m", f"{kept} and alone", ALONE],
    ]
    return runs if everything else runs[:-1]  # what measures is slow


def _tested(venv: Venv, runs: Sequence[Sequence[str]]) -> int:
    """Run after run of pytest, unless one is broken off; 1 when a test failed in any."""
    worst = 0
    for words in runs:
        print("== Tests", flush=True)
        status = run_child([str(venv.command("pytest")), *words])
        if status not in (0, 1):
            return status
        worst = max(worst, status)
    return worst


def _pulled(venv: Venv, model: str, store: str) -> bool:
    # Not the configuration of an installation on this machine.
    words = ["edge-rt", "models", "pull", model, "--store", store, "--config", os.devnull]
    return _succeeds(venv, f"Model {model}", words)


def _all_pass(venv: Venv) -> bool:
    """Run the checks beside each other: that of the types takes longer than all others."""
    pipe: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    running = {
        title: subprocess.Popen([venv.command(argv[0]), *argv[1:]], **pipe)
        for title, argv in checks(venv.version, venv.python).items()
    }
    with ThreadPoolExecutor(len(running)) as pool:
        heard = {pool.submit(child.communicate): title for title, child in running.items()}
        try:
            for ended in as_completed(heard):
                said, _ = ended.result()
                print(f"== {heard[ended]}", said, sep="\n", end="", flush=True)
        finally:
            for child in running.values():
                child.kill()  # where this is broken off
    failed = [title for title, child in running.items() if child.returncode]
    if failed:
        print(f"Failed: {', '.join(failed)}. The tests were not run.", file=sys.stderr)
    return not failed


def _succeeds(venv: Venv, title: str, argv: list[str]) -> bool:
    print(f"== {title}", flush=True)
    return subprocess.call([venv.command(argv[0]), *argv[1:]]) == 0
