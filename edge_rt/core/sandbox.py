"""Run a program that may compute and answer, and little else.

`python -m edge_rt.core.sandbox MEMORY COMMAND...` becomes that command, without any socket but the
one on its standard input, with MEMORY bytes of address space, and with limits on what it writes and
opens. It ends with the process that started it.
"""

from __future__ import annotations

import os
import resource
import signal
import sys

from edge_rt.core.process import end_with_parent, refuse_network

NOT_RUN, NO_SANDBOX = 127, 126  # exit codes: it cannot be run, or not without sockets
_FILES = 64  # that may be open
_VARIABLES = ("PATH", "LANG")  # variables that it gets


def command(memory_bytes: int, program: tuple[str, ...]) -> list[str]:
    """The command that runs `program` like this."""
    return [sys.executable, "-m", "edge_rt.core.sandbox", str(memory_bytes), *program]


def main(argv: list[str]) -> None:
    """Become the program; exits with NOT_RUN or NO_SANDBOX where that cannot be."""
    memory, program = int(argv[1]), argv[2:]
    end_with_parent(sys.stdin.fileno())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the daemon, which ends this
    if refuse_network(unix=False) is not None:
        sys.exit(NO_SANDBOX)
    for what, limit in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_NOFILE, _FILES),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (limit, limit))
    kept = {name: os.environ[name] for name in _VARIABLES if name in os.environ}
    try:
        os.execvpe(program[0], program, kept)
    except OSError:
        sys.exit(NOT_RUN)


if __name__ == "__main__":
    main(sys.argv)
