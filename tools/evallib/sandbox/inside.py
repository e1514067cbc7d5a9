"""The other side of `run`: takes away what a program may not do, then runs it.

`python inside.py DIRECTORY CPU_S MEMORY_BYTES FILE_BYTES`, with program.py in the directory and,
on standard input, the word to say at the end. Uses the standard library alone.

Three layers. Namespaces of the kernel, where it gives them: no network, and everything but the
directory is read-only. Limits of the kernel. And a hook inside Python that refuses what reaches
out of the directory or the process, which is there always: it stops mistakes and mischief in
plain Python, not native code made to break out.
"""

from __future__ import annotations

import os
import resource
import sys
from typing import Any

from walls import shut

_REFUSED = (
    "os.fork",
    "os.exec",
    "os.posix_spawn",
    "os.spawn",
    "os.system",
    "os.kill",
    "os.setxattr",
    "os.removexattr",
    "pty.spawn",
    "subprocess.",
    "socket.",
    "ctypes.",
    "sys.addaudithook",
    "fcntl.",
)
_PATHS = (  # events whose first arguments are paths that would change
    "os.remove",
    "os.rename",
    "os.rmdir",
    "os.mkdir",
    "os.link",
    "os.symlink",
    "os.chmod",
    "os.chown",
    "os.truncate",
    "os.utime",
    "os.chdir",
    "shutil.",
    "tempfile.",
)
_MODULES = ("ctypes", "_ctypes", "_posixsubprocess", "multiprocessing", "_multiprocessing")
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Refuse:
    """An audit hook: raises PermissionError for what may not be done outside of `home`."""

    def __init__(self, home: str) -> None:
        self._home = home

    def __call__(self, event: str, args: tuple[Any, ...]) -> None:
        """See sys.addaudithook."""
        if event.startswith(_REFUSED):
            raise PermissionError(f"{event} is not allowed")
        if event == "import" and args[0].partition(".")[0] in _MODULES:
            raise PermissionError(f"import of {args[0]} is not allowed")
        if event == "open" and self._writes(args[1], args[2]):
            self._within(event, args[0])
        if event.startswith(_PATHS):
            for path in args[:2]:
                if isinstance(path, str | bytes | os.PathLike):
                    self._within(event, path)

    def _writes(self, mode: str | None, flags: int | None) -> bool:
        if mode is not None and set(mode) & set("wax+"):
            return True
        return bool((flags or 0) & _WRITES)

    def _within(self, event: str, path: Any) -> None:
        if isinstance(path, int):  # a file that is open already
            return
        real = os.path.realpath(os.fsdecode(path))
        if real != self._home and not real.startswith(self._home + os.sep):
            raise PermissionError(f"{event}: {real} is outside of the program's directory")


def limit(cpu_s: int, memory_bytes: int, file_bytes: int) -> None:
    """Set the kernel's limits; they cannot be raised again."""
    for what, most in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_CPU, cpu_s),
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_FSIZE, file_bytes),
        (resource.RLIMIT_NOFILE, 64),
        (resource.RLIMIT_NPROC, 0),  # no further ones; the kernel spares root
    ):
        hard = resource.getrlimit(what)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (most, most))


def main() -> None:
    """Shut in, run, and say the word where the program came to its end."""
    home = os.path.realpath(sys.argv[1])
    bounds = [int(word) for word in sys.argv[2:]]
    word = sys.stdin.read()
    said = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_RDWR), 1)
    os.dup2(1, 0)
    with open("program.py", encoding="utf-8") as file:  # noqa: PTH123 - pathlib is not loaded
        program = compile(file.read(), "program.py", "exec")
    os.remove("program.py")  # noqa: PTH107
    sys.path[0], sys.argv[:] = home, ["program.py"]
    shut(home)
    limit(*bounds)
    for name in ("ctypes", "walls"):
        del sys.modules[name]  # to import it again is an event that the hook sees
    sys.addaudithook(Refuse(home))
    exec(program, {"__name__": "__main__", "__builtins__": __builtins__})
    os.write(said, word.encode())


if __name__ == "__main__":
    main()
