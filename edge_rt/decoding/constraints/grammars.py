"""The grammars of one model: compiled once, and the ones used last kept."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from threading import Lock
from typing import NamedTuple, Protocol
from weakref import WeakValueDictionary

from edge_rt.core.decoding import Constraint
from edge_rt.core.errors import EdgeError, RequestError, Unavailable
from edge_rt.core.system.cgroup import ControlGroup, board_memory
from edge_rt.decoding.constraints.matcher import Grammar, Matcher, TokenMasks
from edge_rt.decoding.constraints.messages import Compile, Compiled, NotCompiled, Table
from edge_rt.decoding.constraints.process import (
    COMPILATION,
    RETRY_S,
    Ended,
    GrammarProcess,
    GrammarServer,
    TimeLimits,
)

KEPT_BYTES = 64 << 20  # of grammars and their texts; a usual one takes some 3 MB
ENTRY_BYTES = 64 << 10  # that each counts for at least, so that there are not too many
MOST_BYTES = 128 << 20  # that compiling one may take; 10 MB is much
LEAST_BYTES = 16 << 20  # that it may take where memory is short


class Vocabulary(Protocol):
    """The part of a backend that grammars need; see backends.base.Backend."""

    vocab: int

    def tokenize(self, text: str, *, special: bool, begins: bool = True) -> list[int]: ...

    def piece(self, token: int) -> bytes: ...

    def mark(self, token: int) -> bytes: ...

    def ends(self, token: int) -> bool: ...


class _Tools(NamedTuple):
    server: GrammarServer
    marks: dict[int, bytes]  # how special tokens are written
    masks: TokenMasks


class Grammars:
    """Compiles constraints for one vocabulary; may be used by several threads.

    Each grammar is in a process of its own, and so is the prefix tree of the vocabulary. What a
    request may do with them is limited: compiling, and each step of an answer.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        group: ControlGroup | None = None,
        note: Callable[[], None] = lambda: None,
        helped: Callable[[float], None] = lambda cpu_s: None,
    ) -> None:
        """Linux ends the processes with the thread that first compiles.

        `note` is called before an answer waits for its process, and `helped` in any thread with
        the processor's seconds that processes of grammars had.
        """
        self._vocabulary, self._group = vocabulary, group or ControlGroup()
        self._note, self._helped = note, helped
        self._kept: dict[Constraint, Matcher | NotCompiled] = {}  # the one used last is last
        self._held: WeakValueDictionary[Constraint, Matcher | NotCompiled] = WeakValueDictionary()
        self._keeping, self._starting, self._using = Lock(), Lock(), Lock()
        self._tools: _Tools | None = None
        self._closed = False

    def compile(
        self,
        constraint: Constraint,
        wanted: Callable[[float], bool] = lambda _: True,
        *,
        idle: bool = False,
    ) -> Matcher | NotCompiled:
        """Compile a constraint; `compiled` finds it for as long as the caller holds the result.

        The first of a model takes a second, others of no known constraint milliseconds. `wanted` is
        asked with the processor time so far, in seconds; `idle`: only while nothing else runs.
        Raises Unavailable where the machine keeps it from being compiled, it is not `wanted` any
        more or the model was unloaded.
        """
        with self._keeping:
            found = self._kept.pop(constraint, None) or self._held.get(constraint)
        if found is None or not _usable(found):
            limits = COMPILATION._replace(idle_s=0.0) if idle else COMPILATION
            found = self._made(constraint, wanted, limits)
        with self._keeping:
            if not self._closed:
                self._kept[constraint] = self._held[constraint] = found
                self._drop_old()
        return found

    def matcher(self, constraint: Constraint) -> Matcher:
        """Return the beginning of what `constraint` allows.

        RequestError where it cannot be enforced.

        The first for a constraint has the time that it took to compile. Raises as `compile`, too.
        """
        return _begun(self.compile(constraint))

    def compiled(self, constraint: Constraint) -> Matcher:
        """Return what `matcher` does, at once.

        Raises Unavailable where `compile` was not called for it, or its process has ended since.
        """
        with self._keeping:
            found = self._kept.get(constraint) or self._held.get(constraint)
        if found is None or not _usable(found):
            raise Ended("killed").error(constraint.param, COMPILATION, "following it")
        return _begun(found)

    def close(self) -> None:
        """End the processes; the vocabulary is not asked again."""
        with self._using:
            self._closed = True
        if self._tools is not None:
            self._tools.server.close()
        with self._keeping:
            self._kept.clear()

    def _drop_old(self) -> None:
        weights = {one: len(one.text) + _weight(found) for one, found in self._kept.items()}
        total = sum(weights.values())
        for constraint, weight in list(weights.items())[:-1]:
            if total > KEPT_BYTES:
                del self._kept[constraint]
                total -= weight

    def _made(
        self, constraint: Constraint, wanted: Callable[[float], bool], limits: TimeLimits
    ) -> Matcher | NotCompiled:
        begin, most_bytes = time.perf_counter(), self._most_bytes()
        asked = Compile(constraint, most_bytes)
        try:
            try:
                tools, process, reply = self._answered(asked, wanted, limits)
            except Ended as ended:
                if ended.why != "killed" or self._closed:
                    raise
                # The process was started ahead: where memory is short it is among the first to go.
                tools, process, reply = self._answered(asked, wanted, limits)
        except Ended as ended:
            error = self._failure(ended, constraint.param, most_bytes)
            if isinstance(error, RequestError):
                return NotCompiled(str(error), error.param, error.code)
            raise error from None
        if isinstance(reply, NotCompiled):
            return reply
        spelt = {token: tools.marks[token] for token in reply.named}
        grammar = Grammar(process, tools.masks, constraint.param, spelt, reply.forced, self._note)
        return Matcher(grammar, time.perf_counter() - begin)

    def _answered(
        self, asked: Compile, wanted: Callable[[float], bool], limits: TimeLimits
    ) -> tuple[_Tools, GrammarProcess, Compiled | NotCompiled]:
        tools = self._started()
        process = tools.server.take()
        return tools, process, _compiled(process, asked, wanted, limits)

    def _failure(self, ended: Ended, param: str, most_bytes: int) -> EdgeError:
        if self._closed:
            return unloaded()
        if ended.why == "memory" and most_bytes < MOST_BYTES:
            return _short_of_memory(param, most_bytes)
        return ended.error(param, COMPILATION, "compiling it")

    def _most_bytes(self) -> int:
        """Return the memory that compiling may take: half of what is free."""
        free = self._group.free_bytes()
        with suppress(OSError, LookupError, ValueError):
            board = board_memory("MemAvailable")
            free = board if free is None else min(free, board)
        return MOST_BYTES if free is None else max(LEAST_BYTES, min(MOST_BYTES, free // 2))

    def _started(self) -> _Tools:
        with self._starting:
            if self._tools is None or not self._tools.server.alive:
                if self._tools is not None:
                    self._tools.server.close()
                self._tools = self._start()
            if self._closed:
                self._tools.server.close()
                raise unloaded()
            return self._tools

    def _start(self) -> _Tools:
        with self._using:
            if self._closed:
                raise unloaded()
            vocabulary, ids = self._vocabulary, range(self._vocabulary.vocab)
            pieces = [vocabulary.piece(token) for token in ids]
            marks = {token: vocabulary.mark(token) for token in ids if not pieces[token]}
            ends = [token for token in ids if vocabulary.ends(token)]
        # llguidance must be given a token that ends a text: without one, an id beyond all tokens.
        table = Table(pieces, marks, ends[0] if ends else len(pieces))
        server = GrammarServer(table, self._cut, self._helped)
        return _Tools(server, marks, TokenMasks(len(pieces), ends, server.free))

    def _cut(self, text: str) -> list[int]:
        with self._using:
            if self._closed:
                raise unloaded()
            return self._vocabulary.tokenize(text, special=False, begins=False)


def _compiled(
    process: GrammarProcess,
    asked: Compile,
    wanted: Callable[[float], bool],
    limits: TimeLimits,
) -> Compiled | NotCompiled:
    """Return what comes of it; a process that has no grammar then is ended."""
    reply = None
    try:
        reply = process.wait(process.ask(asked), limits, wanted)
        assert isinstance(reply, Compiled | NotCompiled)
        return reply
    finally:
        if not isinstance(reply, Compiled):
            process.end()


def _usable(found: Matcher | NotCompiled) -> bool:
    return isinstance(found, NotCompiled) or found.alive


def _begun(found: Matcher | NotCompiled) -> Matcher:
    if isinstance(found, NotCompiled):
        raise RequestError(found.message, param=found.param, code=found.code)
    return found.fork()


def _weight(found: Matcher | NotCompiled) -> int:
    return max(ENTRY_BYTES, found.held_bytes if isinstance(found, Matcher) else 0)


def _short_of_memory(param: str, most_bytes: int) -> Unavailable:
    return Unavailable(
        f"`{param}`: compiling it takes more than the {most_bytes >> 20} MB of memory that are "
        "left for it. Simplify it, or try again when less is under way.",
        retry_after_s=RETRY_S,
        code="out_of_memory",
    )


def unloaded() -> Unavailable:
    """Return the error of a request that comes too late."""
    return Unavailable(
        "the model was unloaded meanwhile: try again", retry_after_s=1.0, code="not_loaded"
    )
