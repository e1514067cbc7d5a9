"""The programs of `edge.check`: starting them, asking them for verdicts, ending them."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from threading import Lock

import msgspec

from edge_rt.core.decoding import CheckerSpec, Verdict
from edge_rt.core.errors import EngineError
from edge_rt.core.system.process import NO_SANDBOX, NOT_RUN, sandboxed

START_S = 10.0  # for a program to start and answer once
RETRY_S = 10.0  # after which one that did not is started again
_MOST = 1 << 20  # bytes of an answer
_DECODER = msgspec.json.Decoder(list[Verdict])


class CheckerProcess:
    """One such program, started; one JSON document a line goes in, and one comes out.

    It is ended at the first answer that is late or none. What it keeps in mind is its own affair:
    each question holds the whole text.
    """

    def __init__(self, spec: CheckerSpec, note: Callable[[], None] = lambda: None) -> None:
        """Start it; EngineError where it does not. `note` is called before each question."""
        self.name, self._spec, self._note = spec.name, spec, note
        self._socket, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                sandboxed(spec.memory_bytes, spec.command),
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=subprocess.DEVNULL,
                cwd="/",
            )
        self._buffer = b""
        self._ask("", [""], START_S)

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    def judge(self, text: str, following: Sequence[str], spent_s: float) -> list[Verdict]:
        """Return its verdicts on `text` with each of `following` behind it; see Checker."""
        self._note()
        return self._ask(text, following, self._spec.timeout_s - spent_s)

    def close(self) -> None:
        """End it."""
        with suppress(ProcessLookupError):
            self._process.kill()
        self._process.wait()
        self._socket.close()

    def _ask(self, text: str, following: Sequence[str], left_s: float) -> list[Verdict]:
        try:
            said = _DECODER.decode(self._answer(text, following, left_s))
        except TimeoutError:
            raise self._failure(f"did not answer within {self._spec.timeout_s:g} s") from None
        except (OSError, EOFError):
            raise self._failure(self._end()) from None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise self._failure(f"answered nonsense: {error}") from None
        if len(said) != len(following):
            raise self._failure(f"gave {len(said)} verdicts on {len(following)} texts")
        return said

    def _answer(self, text: str, following: Sequence[str], left_s: float) -> bytes:
        """Return one line; OSError where it has ended, TimeoutError where it is late.

        Raises EngineError where it has said more than it was asked: an answer could be taken for
        that to another question.
        """
        if self._buffer or self._has_more():
            raise self._failure("answered a question with more than one line")
        until_s = time.monotonic() + left_s
        question = msgspec.json.encode({"text": text, "next": following}) + b"\n"
        self._wait_until(until_s)
        self._socket.sendall(question)
        while b"\n" not in self._buffer and len(self._buffer) <= _MOST:
            self._wait_until(until_s)
            if not (more := self._socket.recv(1 << 16)):
                raise EOFError
            self._buffer += more
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line

    def _has_more(self) -> bool:
        self._socket.settimeout(0.0)
        try:
            return bool(self._socket.recv(1, socket.MSG_PEEK))
        except BlockingIOError:
            return False

    def _wait_until(self, until_s: float) -> None:
        left_s = until_s - time.monotonic()
        if left_s <= 0.0:
            raise TimeoutError
        self._socket.settimeout(left_s)

    def _end(self) -> str:
        """Say how the program ended; waits a second for its end."""
        try:
            code = self._process.wait(1.0)
        except subprocess.TimeoutExpired:
            return "closed its output"
        if code == NOT_RUN:
            return f"cannot be run: {' '.join(self._spec.command)!r:.200}"
        if code == NO_SANDBOX:
            return "is not run: the kernel of this machine cannot refuse it sockets"
        return f"ended with exit code {code}" if code >= 0 else f"ended by signal {-code}"

    def _failure(self, what: str) -> EngineError:
        self.close()
        return EngineError(f"`edge.check`: the checker {self.name!r:.80} {what}")


class Checkers:
    """The processes that judge for one model, started when they are first asked for."""

    def __init__(
        self, note: Callable[[], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`note` is as of CheckerProcess, `clock` in seconds."""
        self._note, self._clock = note, clock
        self._known: dict[CheckerSpec, CheckerProcess | EngineError] = {}
        self._failed_s: dict[CheckerSpec, float] = {}
        self._closed, self._starting = False, Lock()

    def start(self, spec: CheckerSpec) -> None:
        """Start the program unless it runs; slow, so called by threads beside the decode loop."""
        with self._starting:
            self._start(spec)

    def _start(self, spec: CheckerSpec) -> None:
        known = self._known.get(spec)
        alive = isinstance(known, CheckerProcess) and known.alive
        if self._closed or alive or self._clock() < self._failed_s.get(spec, -RETRY_S) + RETRY_S:
            return
        try:
            self._known[spec] = process = CheckerProcess(spec, self._note)
        except EngineError as error:
            self._known[spec], self._failed_s[spec] = error, self._clock()
            return
        if self._closed:  # in the meantime
            process.close()

    def get(self, spec: CheckerSpec) -> CheckerProcess:
        """Return the process that was started; EngineError where none is."""
        found = self._known.get(spec) or EngineError(f"the checker {spec.name!r:.80} has ended")
        if isinstance(found, EngineError):
            raise EngineError(str(found))
        return found

    def close(self) -> None:
        """End them all."""
        self._closed = True
        for known in list(self._known.values()):
            if isinstance(known, CheckerProcess):
                known.close()
