"""`tools/test --arm64`, from an empty cache to the verdict."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bootstrap import SetupError, wheelhouse
from bootstrap.paths import CHECKOUT
from bootstrap.signals import run_child

from arm64lib import root
from arm64lib.root import PROCESSOR

# Greedy, and each of these tokens is preferred by 0.5 of a logit, so that the text must be the
# same: two processors round differently, by up to 0.4. (Of "What is the capital of France?" the
# sixteenth token differs, which x86-64 prefers by 0.13 and aarch64 its other by 0.05.)
ANSWER = (
    *("--model", "smollm2-135m-instruct", "--max-tokens", "24"),
    *("--temperature", "0", "Name the months of the year."),
)
# Rounded to 8 bits, as by default, keys differ so much between two processors that the tenth token
# does, which x86-64 prefers by 0.5 of a logit and aarch64 its other by as much.
SETTINGS = "engine: {kv_type: f16}\n"
# What an architecture may change, and no more: emulation is slow.
TESTS = (
    *("--hypothesis-profile", "short", "-m", "not qwen and not whole and not slow"),
    *("--dist", "loadfile"),
    "--ignore=tests/core/test_offline.py",  # QEMU's user mode has no seccomp
    # Nor does posix_spawn say there that a program is missing.
    "--deselect=tests/board/readers/test_videocore.py::test_the_program_is_run_for_each_command",
    *("tests/decoding", "tests/board", "tests/core", "tests/config"),
)
# On models of random weights, and on SmolLM2, of which each pass takes a second, what the backends
# promise of each other and of rows that share a pass: from four on llama.cpp's kernels are others.
# (A whole answer is compared before, between the processors.)
CONFORMANCE = (
    *("--hypothesis-profile", "least", "--dist", "loadfile"),
    *("-k", "tiny or several_rows_of_a_pass or (pair and not answers)"),
    *("tests/backends/test_conformance.py", "tests/backends/test_conformance_pair.py"),
)
_WORKERS = ("-n", "logical", "--maxprocesses", "4")  # one takes up to 1.5 GB
COMPILERS = ("cc", "c++", "gcc", "g++", "clang")

_HOME = "/srv/edge_rt"  # of the checkout in the root
_CONFIG = "srv/edge-rt.yaml"  # of the daemon that answers, below the root
_GLIBC = 35  # the oldest that edge_rt knows of: JetPack 6's


@dataclass(frozen=True)
class Arm:
    """The root, with what lies in it between runs, and the folder of wheels."""

    root: Path
    wheels: Path

    def command(self, words: Sequence[str], env: dict[str, str]) -> list[str]:
        """The command that runs `words` in the checkout there."""
        places = {"EDGE_RT_VENV": "/srv/venv", "EDGE_RT_CACHE": "/srv/cache"}
        shell = ["sh", "-c", f'cd {_HOME} && exec "$@"', "sh", *words]
        return root.command(self.root, shell, {"/srv/wheels": self.wheels}, places | env)

    def run(self, words: Sequence[str]) -> int:
        """Run `words` there on this terminal; returns the exit code."""
        return run_child(self.command(words, {}))

    def answers(self, processor: str = PROCESSOR) -> str:
        """The answer of `tools/run` there on a `processor` that QEMU knows; raises SetupError."""
        words = ["python3", "tools/run", "--config", f"/{_CONFIG}", "--wheels", "/srv/wheels"]
        return _output(self.command([*words, *ANSWER], {"QEMU_CPU": processor}))

    def compilers(self) -> list[str]:
        """The compilers that are there, of which there should be none."""
        return [name for name in COMPILERS if os.path.lexists(self.root / "usr/bin" / name)]


def check(wheels: Path, cache: Path) -> int:
    """Prepare, answer, test; 0 when all of it is well. Raises SetupError."""
    if os.geteuid() != 0:
        raise SetupError("A Debian root is made by root: sudo tools/test --wheels DIR --arm64")
    if wheelhouse.fitting(wheels, "aarch64", _GLIBC) is None:
        raise SetupError(f"{wheels} needs one: tools/wheels --arch aarch64 {wheels}")
    log = cache / "logs/arm64.log"
    log.unlink(missing_ok=True)
    root.prepare(log)
    arm = Arm(root.find_or_make(cache, log), wheels.absolute())
    copy_checkout(arm.root / _HOME.lstrip("/"))
    problems = _answers(arm)
    print("== Tests on aarch64", flush=True)
    for some in (TESTS, CONFORMANCE):
        if arm.run(["python3", "tools/test", "--wheels", "/srv/wheels", *_WORKERS, *some]) != 0:
            problems.append(f"Tests failed on aarch64: {' '.join(some)}")
    if found := arm.compilers():
        problems.append(f"The root was to have no compiler, and has {', '.join(found)}.")
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


def _answers(arm: Arm) -> list[str]:
    """Return what is wrong with the answer there, beside the one here."""
    here = platform.machine()
    print(f"== The answer on {here}", flush=True)
    config = arm.root / _CONFIG
    config.write_text(SETTINGS)
    run = [sys.executable, str(CHECKOUT / "tools/run"), "--config", str(config)]
    ours = _output([*run, *ANSWER])
    print(f"{ours}\n== The answer on aarch64", flush=True)
    theirs = arm.answers()
    print(theirs, flush=True)
    return [] if theirs == ours else [f"The greedy answers of {here} and of aarch64 differ."]


def copy_checkout(place: Path, checkout: Path = CHECKOUT) -> None:
    """Copy what git has of `checkout`, or would take, to `place`, which is new then."""
    words = ["git", "-C", str(checkout), "ls-files", "-z", "-co", "--exclude-standard"]
    shutil.rmtree(place, ignore_errors=True)
    for name in sorted(filter(None, _output(words).split("\0"))):
        source, copy = checkout / name, place / name
        if source.is_file() or source.is_symlink():  # git may still have what is deleted
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, copy, follow_symlinks=False)


def _output(argv: Sequence[str]) -> str:
    """Return what `argv` writes, without the space around it; raise SetupError where it fails."""
    done = subprocess.run(
        argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode != 0:
        raise SetupError(f"`{argv[0]} … {argv[-1]}` failed with exit code {done.returncode}.")
    return done.stdout.strip()
