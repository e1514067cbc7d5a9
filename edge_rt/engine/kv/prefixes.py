"""Beginnings of one model's prompts: which to get from the disk, and which to keep there."""

from __future__ import annotations

import logging
from array import array
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from edge_rt.backends.base import Backend
from edge_rt.core.cached import Which, digest
from edge_rt.core.errors import EngineError
from edge_rt.engine.kv.prefix_disk import Fetch, PrefixDisk
from edge_rt.engine.kv.prefix_files import PrefixHeader, Stored, Tokens, common_prefix
from edge_rt.engine.kv.sequences import WORTH_COPYING, KvSequence, SequencePool
from edge_rt.engine.protocol import Generate, ModelSpec

log = logging.getLogger(__name__)

_FORMAT = 1  # of keys, and of what is kept under them
LEAST = 24  # tokens are spared at least by what is written, and by what is read
LONG = 256  # tokens at least has a conversation that is written when it makes room
_RECENT = 32  # prompts that are held against the next one
_NEAR = 8  # what is longer or shorter by one part in so many is kept already


class PrefixTarget(NamedTuple):
    """Where and as what beginnings of a model's prompts are kept: see `kept_as`."""

    disk: PrefixDisk
    model: str
    key: bytes


def state_key(spec: ModelSpec, version: str) -> bytes | None:
    """Return a key that differs for whatever makes other keys and values of the same text.

    `version` is that of the backend's library. None: it is not known what the model is.
    """
    if spec.origin is None:
        return None
    how = spec.backend, version, spec.kv_type, spec.flash_attention, spec.gpu_layers
    return digest(_FORMAT, spec.origin.sha256, *how, spec.providers, spec.context)


def kept_as(spec: ModelSpec, key: bytes | None, disk: PrefixDisk | None) -> PrefixTarget | None:
    """Under that `state_key`. None: nothing is kept."""
    if disk is None or spec.origin is None or key is None:
        return None
    return PrefixTarget(disk, spec.origin.model, key)


class _Seen(NamedTuple):
    request: int
    client: str
    tokens: Tokens


class PrefixCache:
    """Lends a model's sequences, with keys and values from the disk.

    It writes the beginnings that prompts share, such as a system prompt, once they are read for the
    second time, and a conversation that went on, when its sequence makes room. It writes and reads
    none of less than LEAST tokens.
    """

    def __init__(self, backend: Backend, pool: SequencePool, kept: PrefixTarget | None) -> None:
        """`kept` None: all is in memory alone."""
        self._backend, self._pool, self._kept = backend, pool, kept
        self._recent: deque[_Seen] = deque(maxlen=_RECENT)
        self._token_bytes = 0.0  # of a state, 0 until it is known
        pool.leaves = self._leaves

    # --- from the disk

    def fetch(self, text: list[int], client: str | None) -> Fetch | None:
        """Return what to get for `text` before it is read, which must be taken or left.

        None: nothing.
        """
        if self._kept is None or client is None:
            return None
        disk, tokens = self._kept.disk, array("i", text)
        best, most = None, self._pool.reusable(text) + LEAST - 1
        for stored in self._stored(client):
            shared = min(common_prefix(stored.tokens, tokens), len(tokens) - 1)
            holds = shared == len(stored.tokens) or self._pool.cuts
            if holds and shared > most:
                best, most = stored, shared
        return None if best is None else disk.fetch(best)

    def take(
        self, text: list[int], fetch: Fetch | None, client: str | None, *, fresh: bool
    ) -> tuple[KvSequence, int]:
        """Return a sequence for `text`, and how many of its tokens came from the disk."""
        sequence = None if fetch is None else self._restored(text, fetch)
        restored = 0 if sequence is None else len(sequence.tokens)
        sequence = sequence or self._pool.take(text, fresh=fresh)
        sequence.client = client
        return sequence, restored

    def leave(self, fetch: Fetch) -> None:
        """Stop waiting for a prefix from the disk."""
        if self._kept is not None:
            self._kept.disk.leave(fetch)

    def _restored(self, text: list[int], fetch: Fetch) -> KvSequence | None:
        assert self._kept is not None, "what was fetched comes from a disk"
        disk, stored = self._kept.disk, fetch.stored
        state = disk.take(fetch)
        shared = min(common_prefix(stored.tokens, array("i", text)), len(text) - 1)
        if state is None or shared - self._pool.reusable(text) < WORTH_COPYING:
            return None
        sequence = self._pool.take(text, fresh=True)
        try:
            self._backend.restore(sequence.id, state)
        except EngineError as error:
            log.warning("a beginning that was kept does not fit, and is deleted: %s", error)
            disk.delete([stored.head.name])
            return sequence
        self._pool.hold(sequence, stored.tokens, shared)
        disk.used(stored)
        return sequence

    # --- to the disk

    def shared(self, request: Generate, prompt: list[int]) -> int | None:
        """After how many tokens of a prompt to `save` what was read of it; None: not at all."""
        client = request.client
        if self._kept is None or client is None or request.fresh:
            return None
        tokens = array("i", prompt)
        length = max(map(len, self._common(tokens, request.id, client)), default=0)
        if not self._recent or self._recent[-1].request != request.id:  # one of several answers
            self._recent.append(_Seen(request.id, client, tokens))
        return length if self._is_worth(tokens[:length], client) else None

    def save(self, sequence: KvSequence) -> None:
        """Keep what a sequence holds, which several prompts begin with."""
        self._save(sequence, shared=True)

    def leave_all(self) -> None:
        """Keep what is worth it, since the model is about to be unloaded."""
        for sequence in self._pool.idle():
            self._leaves(sequence, 0)

    def forget(self, which: Which) -> None:
        """Keep what is in memory of `which` off the disk for good, however old it is."""
        if self._kept is None or which.model not in (None, self._kept.model):
            return
        self._recent.clear()
        self._pool.disown(lambda sequence: which.client in (None, sequence.client))

    def _common(self, tokens: Tokens, request: int, client: str) -> Iterator[Tokens]:
        """Yield what the prompt has in common with others, but for those that it goes on with."""
        per_client = self._kept is not None and self._kept.disk.per_client
        for seen in self._recent:
            if seen.request == request or (per_client and seen.client != client):
                continue
            shared = common_prefix(tokens, seen.tokens)
            if shared < len(seen.tokens) or shared == len(tokens):
                yield tokens[: min(shared, len(tokens) - 1)]

    def _leaves(self, sequence: KvSequence, kept: int) -> None:
        """Keep the content of a sequence that is about to hold `kept` of its tokens alone.

        It is worth it if most of it was used again.
        """
        length, client = len(sequence.tokens), sequence.client
        if client is None or length - kept < LONG or 2 * sequence.reused < length:
            return
        if self._is_worth(array("i", sequence.tokens), client):
            self._save(sequence, shared=False)

    def _is_worth(self, tokens: Tokens, client: str) -> bool:
        """Return whether to write it: it is long, and not kept yet, or nearly so."""
        if self._kept is None or len(tokens) < LEAST:
            return False
        size = int(self._token_bytes * len(tokens))
        near = len(tokens) - len(tokens) // _NEAR
        return self._kept.disk.may_save(size) and not any(
            common_prefix(stored.tokens, tokens) >= near and len(stored.tokens) <= 2 * len(tokens)
            for stored in self._stored(client)
        )

    def _save(self, sequence: KvSequence, *, shared: bool) -> None:
        if self._kept is None or sequence.client is None:
            return
        (disk, model, key), client = self._kept, sequence.client
        tokens = array("i", sequence.tokens)
        self._token_bytes = self._backend.saved_bytes(sequence.id) / len(tokens)
        if not self._is_worth(tokens, client):  # now that the size is known
            return
        try:
            state = self._backend.save(sequence.id)
        except EngineError as error:
            log.warning("a beginning of a prompt could not be kept: %s", error)
            return
        said, now = tokens.tobytes(), disk.wall()
        head = PrefixHeader(key, model, client, said, now, 0.0, shared)
        earlier = [  # ends of the conversation
            stored.head.name
            for stored in self._stored(client)
            if not (shared or stored.head.shared)
            and common_prefix(stored.tokens, tokens) == len(stored.tokens) < len(tokens)
        ]
        disk.save(head, state, earlier)

    def _stored(self, client: str) -> list[Stored]:
        if self._kept is None:
            return []
        disk, _, key = self._kept
        return disk.of(key, client)
