"""The processes of grammars: `python -m edge_rt.decoding.constraints.worker TABLE`.

The first one reads a vocabulary from the descriptor TABLE, builds llguidance's prefix tree of it,
which takes about a second, and forks a process for each grammar, which shares that tree. What
llguidance makes of a grammar may take any time and memory, in the midst of an answer, too: its own
limits are looked at only between two steps, of which one can take minutes. So a process holds one
grammar, and the engine ends it where an answer is late.
"""

from __future__ import annotations

import gc
import os
import queue
import resource
import signal
import socket
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import msgspec
from llguidance import LLMatcher, LLTokenizer, TokenizerWrapper

from edge_rt.core.decoding import Constraint
from edge_rt.core.errors import RequestError
from edge_rt.core.system.process import end_with_parent, go_first, refuse_network
from edge_rt.decoding.constraints.compiling import compiled, named_tokens
from edge_rt.decoding.constraints.messages import (
    ASK,
    FORK,
    NO_MEMORY,
    NUMBER,
    ORDER,
    RUNNING,
    Agreed,
    AskMasks,
    Compile,
    Compiled,
    Cut,
    FromEngine,
    Impossible,
    Leave,
    Link,
    Masks,
    NotCompiled,
    Table,
    Take,
    Taken,
    ToEngine,
    Tokens,
    Validate,
)

CONTROL = 0  # the descriptor of the socket to the engine
MASKS_BYTES = 32 << 20  # that a grammar may take more while answers follow it
ANSWER_S = 30  # of the processor for an answer, should the engine not end it much sooner

_SPECIAL = b"\xff"  # begins the name of a special token in llguidance's tables; no UTF-8 has it
_FILES = 64
_PAGE = os.sysconf("SC_PAGE_SIZE")


class _Vocabulary:
    """The tokens by id, as llguidance.TokenizerWrapper takes them.

    A special token stands for nothing in a text; it has its name.
    """

    bos_token_id = None

    def __init__(self, table: Table) -> None:
        self.tokens = [
            piece or _SPECIAL + table.names[token] for token, piece in enumerate(table.pieces)
        ]
        self.special_token_ids = list(table.names)
        self.eos_token_id = table.end
        # Those that a grammar may name.
        self.names = {name.decode(errors="replace"): id for id, name in table.names.items() if name}
        self.link: Link[FromEngine] | None = None

    def __call__(self, text: str) -> list[int]:
        """Have the engine cut a text, whose backend knows how."""
        if self.link is None:  # llguidance tries whether it may give bytes
            raise TypeError("only texts are cut")
        try:
            self.link.send(Cut(text))
            return self.link.receive_before(Tokens).tokens
        except (OSError, EOFError):
            os._exit(0)  # the engine wants nothing more


class _Places:
    """Follows answers through one grammar."""

    def __init__(self, beginning: LLMatcher, link: Link[FromEngine]) -> None:
        self._beginning, self._link = beginning, link
        self._known: dict[int, LLMatcher] = {}

    def serve(self) -> None:
        """Answer until the engine has closed its end, or the grammar is of no more use."""
        with suppress(OSError, EOFError):
            while True:
                asked = self._link.receive()
                _allow_time()
                reply = self._reply(asked)
                if reply is not None:
                    self._link.send(reply)
                # Answers share the lexer, and its limits.
                if isinstance(reply, Impossible) and self._beginning.deep_copy().is_error():
                    return

    def _reply(self, asked: FromEngine) -> ToEngine | None:
        if isinstance(asked, Leave):
            for place in asked.places:
                self._known.pop(place, None)
            return None
        assert isinstance(asked, Take | AskMasks | Validate), "the rest comes before"
        matcher = self._known.get(asked.place)
        if matcher is None:
            matcher = self._known[asked.place] = self._beginning.deep_copy()
        match asked:
            case Take():
                reply = self._take(matcher, asked)
            case AskMasks():
                reply = self._masks(matcher, asked)
            case Validate():
                reply = Agreed(matcher.validate_tokens(asked.tokens))
        return Impossible(matcher.get_error()) if matcher.is_error() else reply

    def _take(self, matcher: LLMatcher, asked: Take) -> Taken:
        matcher.consume_tokens(asked.tokens)
        over = matcher.is_stopped()
        return Taken(over, [] if over else matcher.compute_ff_tokens())

    def _masks(self, matcher: LLMatcher, asked: AskMasks) -> Masks:
        begin, taken = time.thread_time(), 0  # the engine may be late to cut a text
        masks = [] if asked.last else [matcher.compute_bitmask()]
        if asked.last:
            taken = matcher.try_consume_tokens(asked.draft)
            masks.append(matcher.compute_bitmask())
        else:
            for token in asked.draft:
                if not matcher.try_consume_tokens([token]):
                    break
                taken += 1
                masks.append(matcher.compute_bitmask())
        if taken:
            matcher.rollback(taken)
        return Masks(masks, time.thread_time() - begin)


def _follow(sock: socket.socket, vocabulary: _Vocabulary, tree: LLTokenizer) -> None:
    """Compile a constraint, and follow answers through its grammar, until the engine leaves."""
    link = Link[FromEngine](sock, msgspec.msgpack.Decoder(FromEngine))
    vocabulary.link = link
    asked = link.receive()
    assert isinstance(asked, Compile), "it is the first message"
    # A thread has its priority: this one may be made to wait for all others while it compiles,
    # and could never be made to run as they do again.
    grammar: queue.SimpleQueue[LLMatcher] = queue.SimpleQueue()
    follower = threading.Thread(target=lambda: _Places(grammar.get(), link).serve(), daemon=True)
    follower.start()
    _allow_memory(asked.memory_bytes)
    _allow_time()
    reply, beginning = _compile(asked.constraint, vocabulary.names, tree)
    link.send(reply)
    if beginning is not None:
        _allow_memory(MASKS_BYTES)
        grammar.put(beginning)
        follower.join()


def _compile(
    constraint: Constraint, names: Mapping[str, int], tree: LLTokenizer
) -> tuple[ToEngine, LLMatcher | None]:
    try:
        beginning = compiled(constraint, tree, names)
    except RequestError as error:
        return NotCompiled(str(error), error.param, error.code), None
    except (RecursionError, ValueError) as error:
        message = f"`{constraint.param}`: it cannot be compiled: {error}"
        return NotCompiled(message, constraint.param, "invalid_constraint"), None
    lark = constraint.kind == "lark"
    named = named_tokens(constraint.text, names) if lark else []
    return Compiled(named, beginning.compute_ff_tokens()), beginning


def _allow_memory(more_bytes: int) -> None:
    """Let this process have so much more than it has."""
    has = int(Path("/proc/self/statm").read_text().split()[0]) * _PAGE
    resource.setrlimit(resource.RLIMIT_AS, (has + more_bytes, resource.RLIM_INFINITY))


def _allow_time() -> None:
    """Let this process have ANSWER_S more than it has had."""
    seconds = int(time.process_time()) + ANSWER_S
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, resource.RLIM_INFINITY))


def _fork(sock: socket.socket, vocabulary: _Vocabulary, tree: LLTokenizer) -> int:
    """Start a process of one grammar that serves `sock`; return its pid."""
    if pid := os.fork():
        sock.close()
        return pid
    code = 1
    try:
        with suppress(OSError, EOFError):
            os.close(CONTROL)
            os.dup2(1, 2)  # /dev/null: what clients ask for is no matter of the log
            end_with_parent(sock.fileno())
            go_first()
            _follow(sock, vocabulary, tree)
        code = 0
    except MemoryError:
        code = NO_MEMORY
    finally:
        os._exit(code)


def _obey(control: socket.socket, vocabulary: _Vocabulary, tree: LLTokenizer) -> None:
    """Fork and end processes until the engine has closed its end.

    None that ends is waited for: it may have to wait itself, for all other work of the machine.
    """
    ending: list[int] = []
    while True:
        order, descriptors, _, _ = socket.recv_fds(control, ORDER.size, 1)
        if not order:
            return
        ending = [pid for pid in ending if _exit_code(pid) is None]
        kind, pid = ORDER.unpack(order)
        if kind == FORK:
            control.send(NUMBER.pack(_fork(socket.socket(fileno=descriptors[0]), vocabulary, tree)))
        elif kind == ASK:
            code = _exit_code(pid)
            control.send(NUMBER.pack(RUNNING if code is None else code))
        elif _exit_code(pid) is None:
            os.kill(pid, signal.SIGKILL)
            ending.append(pid)


def _exit_code(pid: int) -> int | None:
    """Return the exit code of a process that this one has started, of a signal below zero.

    None while it runs; as of one that was killed where the code was returned before.
    """
    try:
        ended, status = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return -signal.SIGKILL
    return os.waitstatus_to_exitcode(status) if ended else None


def main(argv: list[str]) -> int:
    """Serve the engine at the other end of standard input; `argv` has the descriptor TABLE."""
    end_with_parent(CONTROL)
    for number in (signal.SIGINT, signal.SIGTERM):  # they are for the daemon, which ends this
        signal.signal(number, signal.SIG_IGN)
    refuse_network(unix=False)
    for what, most in ((resource.RLIMIT_NOFILE, _FILES), (resource.RLIMIT_CORE, 0)):
        resource.setrlimit(what, (most, most))
    with os.fdopen(int(argv[1]), "rb") as file:
        vocabulary = _Vocabulary(msgspec.msgpack.decode(file.read(), type=Table))
    tree = LLTokenizer(TokenizerWrapper(vocabulary))
    anything = LLMatcher(tree, LLMatcher.grammar_from_regex("(?s:.*)"), log_level=0)
    control = socket.socket(fileno=CONTROL)
    control.send(anything.compute_bitmask())
    del anything
    gc.freeze()  # what is collected is written to, and then no longer shared with those forked
    with suppress(ConnectionError):  # the engine has left in the midst of a reply
        _obey(control, vocabulary, tree)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
