"""Run a program that nobody has read, in the sandbox that the daemon has for checkers."""

from __future__ import annotations

import json
import secrets
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_rt.generation.samples.sandbox import FIRST_USER, GRACE_S, USERS, walled
from evallib import EvalError

SECONDS = 10.0
_MEMORY_BYTES = 512 << 20
# Says a word, which the program cannot know, where the program comes to its end.
_RUN = """
import os, sys
word, _, program = sys.stdin.read().partition("\\n")
said = os.dup(1)
os.dup2(os.open(os.devnull, os.O_RDWR), 1)
try:
    exec(compile(program, "program.py", "exec"), {"__name__": "__main__"})
except Exception as error:
    word = f"{type(error).__name__}: {error}"
os.write(said, word.encode(errors="replace"))
"""


@dataclass(frozen=True)
class Outcome:
    """Whether the program came to its end without an error; else `why` it did not."""

    passed: bool
    why: str = ""


def run(program: str, seconds: float = SECONDS) -> Outcome:
    """Run Python source with the standard library; raises EvalError without bubblewrap.

    No network and no files but its own, which go away with it, and so do all processes.
    """
    if (bwrap := shutil.which("bwrap")) is None:
        raise EvalError("programs of models need a sandbox: install bubblewrap")
    word, python = secrets.token_hex(8), str(Path(sys.executable).resolve())
    # Sets have the same order each time.
    command = ["/usr/bin/env", "PYTHONHASHSEED=0", python, "-s", "-S", "-c", _RUN]
    order = {
        "user": FIRST_USER + secrets.randbelow(USERS),
        "command": command,
        "seconds": seconds,
        "memory_bytes": _MEMORY_BYTES,
        "input": f"{word}\n{program}",
    }
    argv, asked = walled(bwrap, command), json.dumps(order).encode() + b"\n"
    end: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    try:
        said = subprocess.run(argv, input=asked, timeout=seconds + GRACE_S, **end).stdout
    except subprocess.TimeoutExpired:
        return Outcome(False, "took too long")
    try:
        why = json.loads(said)["why"] if said else "was ended by a limit of its sandbox"
    except ValueError as error:  # in place of an ending bubblewrap may say why it refuses
        raise EvalError(f"the sandbox does not work: {said.decode(errors='replace')}") from error
    return Outcome(True) if why == word else Outcome(False, why or "ended before its end")
