"""What the engine and the processes of its grammars say to each other, over a stream socket.

The engine asks for one thing after the other and is answered in that order; `Cut` is the one
question of the other side, in the midst of an answer. Places of answers in a grammar are numbered
by the engine: a new number begins at the beginning.
"""

from __future__ import annotations

import socket
import struct
from collections import deque
from typing import Generic, TypeVar

import msgspec

from edge_rt.core.decoding import Constraint

_LENGTH = 4  # bytes of it before each message

# To the first process: FORK with a socket, or END or ASK with the pid of one that it started.
ORDER = struct.Struct("<cq")
FORK, END, ASK = b"f", b"e", b"a"
NUMBER = struct.Struct("<q")  # what it answers: the pid, and to ASK the exit code, or RUNNING
RUNNING = 256  # no exit code
NO_MEMORY = 3  # exit code of a process of a grammar
T = TypeVar("T")
U = TypeVar("U")


class _Message(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Base of all messages; the class name is the tag."""


class Table(msgspec.Struct, frozen=True, array_like=True):
    """A vocabulary: the bytes of each token, the names of special ones, and one that ends."""

    pieces: list[bytes]
    names: dict[int, bytes]
    end: int


# --- from the engine


class Compile(_Message, frozen=True):
    """Compile a constraint in so many bytes of memory more; answered by Compiled or NotCompiled."""

    constraint: Constraint
    memory_bytes: int


class Take(_Message, frozen=True):
    """Go on by `tokens`; answered by Taken."""

    place: int
    tokens: list[int]


class AskMasks(_Message, frozen=True):
    """Ask for the masks behind nothing and each of `draft`; answered by Masks.

    `last`: for the one behind all of it alone.
    """

    place: int
    draft: list[int]
    last: bool = False


class Validate(_Message, frozen=True):
    """Ask how many of `tokens` the text may go on by; answered by Agreed."""

    place: int
    tokens: list[int]


class Leave(_Message, frozen=True):
    """Forget places; not answered."""

    places: list[int]


class Tokens(_Message, frozen=True):
    """Answer Cut."""

    tokens: list[int]


FromEngine = Compile | Take | AskMasks | Validate | Leave | Tokens


# --- to the engine


class Compiled(_Message, frozen=True):
    """The constraint is compiled; the special tokens that it names, and the first of all texts."""

    named: list[int]
    forced: list[int]


class NotCompiled(_Message, frozen=True, weakref=True):
    """There is no grammar of that constraint; see RequestError."""

    message: str
    param: str | None
    code: str | None


class Taken(_Message, frozen=True):
    """Whether the text is complete, and the tokens that come next whatever the model says."""

    over: bool
    forced: list[int]


class Masks(_Message, frozen=True):
    """Masks of tokens, and the seconds of the processor that they took."""

    masks: list[bytes]
    spent_s: float


class Agreed(_Message, frozen=True):
    """So many tokens may come."""

    count: int


class Impossible(_Message, frozen=True):
    """The text cannot go on by the grammar, or has become too complex for it."""

    why: str


class Cut(_Message, frozen=True):
    """Ask for the tokens of a text; answered by Tokens."""

    text: str


ToEngine = Compiled | NotCompiled | Taken | Masks | Agreed | Impossible | Cut


class Link(Generic[T]):
    """One end of the socket, which receives messages of the type T."""

    def __init__(self, sock: socket.socket, decoder: msgspec.msgpack.Decoder[T]) -> None:
        self.socket, self._decoder = sock, decoder
        self._early: deque[T] = deque()
        self._encoder = msgspec.msgpack.Encoder()

    def send(self, message: _Message) -> None:
        """Send; OSError where the other end is gone."""
        body = self._encoder.encode(message)
        self.socket.sendall(len(body).to_bytes(_LENGTH, "little") + body)

    def receive(self) -> T:
        """Wait for the next message; EOFError or OSError where there is none."""
        return self._early.popleft() if self._early else self._next()

    def receive_before(self, kind: type[U]) -> U:
        """Wait for a message of that kind; the others that come before it are received later."""
        while not isinstance(message := self._next(), kind):
            self._early.append(message)
        return message

    def _next(self) -> T:
        return self._decoder.decode(self._read(int.from_bytes(self._read(_LENGTH), "little")))

    def _read(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            if not (more := self.socket.recv(size - len(data))):
                raise EOFError
            data += more
        return bytes(data)
