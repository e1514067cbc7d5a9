"""What is kept of answers and of prompts."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import msgspec

_ENCODER = msgspec.msgpack.Encoder()
_OVERHEAD = 256  # bytes that an answer takes beside its content


def digest(*parts: object) -> bytes:
    """32 bytes that are others for any other `parts`: structs, containers, texts and numbers.

    What is equal to Python but not to a reader is told apart: 1, 1.0 and True, or the order of a
    mapping's keys, in which templates print it.
    """
    return hashlib.sha256(_ENCODER.encode(parts)).digest()


class Kept(msgspec.Struct, frozen=True, array_like=True):
    """The answer to the question `key`, made at `made` in Unix seconds for `client`.

    `content` means something to whoever keeps and finds it, and nothing here.
    """

    key: bytes
    model: str
    client: str
    made: float
    content: bytes

    @property
    def size(self) -> int:
        """The bytes that it takes, approximately."""
        return len(self.content) + _OVERHEAD


class Which(NamedTuple):
    """What is kept by model, by client, and by whether they are older than so many seconds.

    None: whatever it is.
    """

    model: str | None = None
    client: str | None = None
    older_s: float | None = None

    def fits(self, model: str, client: str, age_s: float) -> bool:
        """Return whether an answer of that model, client and age is among them."""
        return (
            self.model in (None, model)
            and self.client in (None, client)
            and (self.older_s is None or age_s > self.older_s)
        )


class Group(msgspec.Struct, frozen=True):
    """How many answers of one model there are for one client; times in Unix seconds."""

    model: str
    client: str
    answers: int
    size_bytes: int
    oldest: float
    newest: float


def pack(kept: Kept) -> tuple[bytes, bytes]:
    """Return an answer as bytes, and their checksum."""
    packed = msgspec.msgpack.encode(kept)
    return packed, _check(packed)


def unpack(packed: bytes, check: bytes) -> Kept | None:
    """Return what `pack` made bytes of; None where they are no longer those."""
    if _check(packed) != check:
        return None
    return msgspec.msgpack.decode(packed, type=Kept)


def _check(packed: bytes) -> bytes:
    return hashlib.blake2b(packed, digest_size=16).digest()


class PrefixGroup(msgspec.Struct, frozen=True):
    """How many beginnings of one model there are for one client; times in Unix seconds."""

    model: str
    client: str
    prefixes: int
    tokens: int
    size_bytes: int
    oldest: float
    newest: float


class Prefixes(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """What is kept of prompts by model and client, and how many beginnings were forgotten.

    The disk does not let the `left` ones be deleted.

    `enabled` is False if prefixes are not kept, `stored` while the disk cannot be written.
    """

    nonce: int
    enabled: bool
    stored: bool = False
    max_bytes: int = 0
    groups: list[PrefixGroup] = []
    forgotten: int = 0
    left: int = 0
