"""Run a long command with its output in a file."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from bootstrap import SetupError

_SHOWN = 20  # lines of the log in an error


def run_logged(
    argv: Sequence[str],
    log: Path,
    *,
    env: Mapping[str, str] | None = None,
    on_line: Callable[[str], None] | None = None,
) -> None:
    """Append the output of `argv` to `log`, handing each line to `on_line` as it comes.

    The command gets no input and a session of its own, so that giving up (Ctrl-C, SIGTERM)
    ends it with all its children. Raises SetupError with the end of the log when it fails.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as sink, _start(argv, env) as process:
        sink.write(f"$ {shlex.join(argv)}\n".encode())
        try:
            for raw in process.stdout or ():
                sink.write(raw)
                if on_line is not None:
                    on_line(raw.decode(errors="replace").strip())
            status = process.wait()
        except BaseException:
            _kill(process)
            raise
    if status != 0:
        raise SetupError(_failure(argv, log, status))


def _start(argv: Sequence[str], env: Mapping[str, str] | None) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=None if env is None else dict(env),
        start_new_session=True,
    )


def _kill(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _failure(argv: Sequence[str], log: Path, status: int) -> str:
    lines = log.read_text(errors="replace").splitlines()[-_SHOWN:]
    tail = "\n".join(f"  {line[:200]}" for line in lines)
    return f"{tail}\n`{shlex.join(argv)}` failed with exit code {status}. The full log: {log}"
