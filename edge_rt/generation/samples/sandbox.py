"""Programs that judge whole answers, each run in a sandbox of its own."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import msgspec

from edge_rt.config.schema import AnswerChecker
from edge_rt.core.errors import RequestError
from edge_rt.generation.samples import inside

SOCKET = Path("/run/edge-rt-check.sock")  # of the unit edge-rt-check.socket
GRACE_S = 5.0  # for the sandbox to start and end beside the program's own seconds
AT_ONCE = 2  # sandboxes
FIRST_USER, USERS = 61184, 4336  # systemd's range of users that nobody has
_TOLD = 200  # bytes
_TMP_BYTES = 32 << 20
_ROOT = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64")
_LINKER = ("/etc/ld.so.cache", "/etc/alternatives")
_MADE = (Path("/"), Path("/tmp"))
_NO_WAY = (
    "a checker needs a sandbox: start edge-rt-check.socket under systemd, or install bubblewrap "
    "(bwrap)"
)


class Ending(msgspec.Struct):
    """The end of a program: its exit code, None where a limit ended it, and its output."""

    status: int | None
    why: str = ""


class Sandbox:
    """Runs checkers, under systemd through its socket, elsewhere by bubblewrap."""

    def __init__(self, socket: Path = SOCKET, bwrap: str = "bwrap") -> None:
        """`bwrap` is the name or the path of bubblewrap."""
        self._socket, self._bwrap = socket, shutil.which(bwrap)
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._proven = False

    async def prove(self) -> None:
        """Raise RequestError, with the reason, unless a program can be run."""
        if not self._proven:
            probe = AnswerChecker(command=["/bin/true"])
            if (ending := await self.run(probe, "")).status != 0:
                raise _refused(f"the sandbox of checkers does not work: {ending.why}")
            self._proven = True

    async def run(self, checker: AnswerChecker, text: str) -> Ending:
        """Run a program with `text` as its input; raises RequestError without a sandbox."""
        order = {
            "user": FIRST_USER + secrets.randbelow(USERS),
            "command": checker.command,
            "seconds": checker.seconds,
            "memory_bytes": checker.memory_bytes,
            "input": text,
        }
        async with self._turns, self._opened(checker.command) as (reader, writer):
            asked = _ask(reader, writer, msgspec.json.encode(order) + b"\n")
            try:
                line = await asyncio.wait_for(asked, checker.seconds + GRACE_S)
            except asyncio.TimeoutError:
                return Ending(None, "took too long")
            except (OSError, ValueError):
                line = b""
        try:
            return msgspec.json.decode(line, type=Ending)
        except msgspec.DecodeError:  # in place of it bubblewrap may say why it refuses
            said = line[:_TOLD].decode(errors="replace").strip()
            return Ending(None, said or "was ended by a limit of its sandbox")

    @asynccontextmanager
    async def _opened(
        self, command: Sequence[str]
    ) -> AsyncGenerator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        if os.access(self._socket, os.W_OK):  # another user's daemon may not have it
            try:
                reader, writer = await asyncio.open_unix_connection(str(self._socket))
            except OSError as error:
                raise _refused(f"{self._socket}: {error.strerror}") from error
            try:
                yield reader, writer
            finally:
                writer.close()
            return
        if self._bwrap is None:
            raise _refused(_NO_WAY)
        try:
            process = await asyncio.create_subprocess_exec(
                *walled(self._bwrap, command),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,  # why bubblewrap refuses
            )
        except OSError as error:
            raise _refused(f"{error.filename}: {error.strerror}; {_NO_WAY}") from error
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield process.stdout, process.stdin
        finally:
            with suppress(ProcessLookupError):
                process.kill()  # and with it the namespace
            await process.wait()


async def _ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, order: bytes) -> bytes:
    with suppress(ConnectionError):  # it has ended; what it said tells why
        writer.write(order)
        await writer.drain()
    return await reader.readline()


def _refused(why: str) -> RequestError:
    param = "edge.samples.accept.checker"
    return RequestError(f"`{param}`: {why}.", param=param, code="no_sandbox")


def walled(bwrap: str, command: Sequence[str]) -> list[str]:
    """Return the command of bubblewrap that runs `inside`.

    Of the files there are those of the system's programs, the interpreter, and the paths that the
    command names. Root takes no user namespace, so that its files are there, and becomes a user of
    its own inside, whose processes alone count.
    """
    python = Path(sys.executable).resolve()
    named = [Path(word) for word in command if word.startswith("/") and Path(word).exists()]
    more = [Path(sys.base_prefix), python, Path(inside.__file__), *named]
    more = [path for path in more if not path.is_relative_to(_ROOT[0])]
    folders = sorted({parent for path in more for parent in path.parents if parent not in _MADE})
    seen = map(str, (*_ROOT, *_LINKER, *more))
    if os.geteuid() == 0:
        kept = ("CAP_SETUID", "CAP_SETGID")
        net = ["unshare", "--net"]
        user = ["--cap-drop", "ALL", *(word for cap in kept for word in ("--cap-add", cap))]
    else:
        net = ["unshare", "--user", "--map-current-user", "--net"]
        user = ["--unshare-user", "--disable-userns"]
    return [
        *net,  # bubblewrap would bring the loopback up, by a socket that the daemon is refused
        bwrap,
        *("--unshare-ipc", "--unshare-pid", "--unshare-uts"),
        *("--unshare-cgroup-try", "--die-with-parent", "--new-session", "--as-pid-1"),
        *user,
        *("--proc", "/proc", "--dev", "/dev"),
        *("--perms", "1777", "--size", str(_TMP_BYTES), "--tmpfs", "/tmp"),
        # Bubblewrap itself makes them for root alone.
        *(word for path in folders for word in ("--perms", "0755", "--dir", str(path))),
        *(word for path in seen for word in ("--ro-bind-try", path, path)),
        *("--remount-ro", "/dev", "--remount-ro", "/"),  # they are memory, which nothing bounds
        *("--clearenv", "--chdir", "/"),
        *(str(python), "-I", "-S", str(Path(inside.__file__))),
    ]
