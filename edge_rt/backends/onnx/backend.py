"""ONNX language models, through plain onnxruntime.

Keys and values lie in buffers made once, a slot for each sequence; a pass reads its slots as the
past and writes the new tokens behind it, in place. A pass is prompt tokens of one sequence or one
token each of neighbours, since the attention kernel takes no more; see `passes`. Logits differ in
the last digits with the number of tokens of a pass, whose matrix products have kernels for one row
and for many; the same passes give the same bits.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_rt.backends.base import Batch, InfillMarks, Marks
from edge_rt.backends.onnx.kv import KvCache, KvShape
from edge_rt.backends.onnx.session import OnnxSession, bind
from edge_rt.backends.onnx.vocabulary import OnnxCard, OnnxVocabulary, read_card
from edge_rt.core.errors import EngineError, ModelFileError

_BINDINGS = 32  # ranges of slots that are kept bound
_INPUTS = ("input_ids", "seqlens_k", "total_sequence_length", "rows")


class OnnxBackend(OnnxVocabulary):
    """One ONNX model and the KV of its sequences; see Backend for the methods' contract."""

    def __init__(
        self,
        path: Path,
        *,
        context: int,
        sequences: int,
        batch: int,
        threads: int,
        providers: Sequence[str] = (),
        outputs: int = 0,
    ) -> None:
        """Load the graph at `path`, with card and tokenizer beside it.

        `context` is tokens a sequence, and `outputs` of how many rows of a pass logits may be
        wanted, one a sequence at least; see OnnxSession for `providers`. Raises ModelFileError.
        """
        card = read_card(path)
        super().__init__(path, card)
        self._session = OnnxSession(path, threads=threads, providers=providers)
        _check(self._session, card, path)
        self.context: int = min(context, card.context)
        self.sequences = sequences
        self.outputs = max(outputs, sequences)
        self.infill: InfillMarks | None = None  # neither cards nor tokenizers name such tokens
        self.marks: Marks | None = None
        self.batch = Batch(batch)
        self._threads = threads
        shape = KvShape(card.layers, sequences, card.kv_heads, self.context, card.head_dim)
        self._kv = KvCache(shape)
        self._bindings: dict[tuple[int, int], Any] = {}  # by first slot and count; last used last
        self._logits: NDArray[np.float32] = np.zeros((self.outputs, self.vocab), np.float32)
        self._row_of: dict[int, int] = {}  # row of the batch -> row of the logits

    # --- passes

    def forward(self) -> None:
        todo = list(passes(self.batch))
        for one in todo:
            self._check_place(one)
        if self._session.stale(self._threads):
            self._bindings.clear()
            self._session.renew(self._threads)
        self._row_of.clear()
        wanted = np.count_nonzero(self.batch.want[: self.batch.size])
        if wanted > len(self._logits):
            self._logits = np.zeros((wanted, self.vocab), np.float32)
        for one in todo:
            self._run(one)

    def logits(self, row: int) -> NDArray[np.float32]:
        return self._logits[self._row_of[row]]

    def _check_place(self, one: OnnxPass) -> None:
        for slot in range(one.count):
            seq, begin = one.first + slot, int(self.batch.pos[one.rows[slot * one.length]])
            held = self._kv.lengths[seq]
            if begin != held or held + one.length > self.context:
                raise EngineError(
                    f"onnxruntime could not run a batch of {self.batch.size}: sequence {seq} holds "
                    f"{held} of {self.context} tokens, and {one.length} are to follow at {begin}"
                )

    def _run(self, one: OnnxPass) -> None:
        batch, at = self.batch, len(self._row_of)
        wanted = np.flatnonzero(batch.want[one.rows])
        past = batch.pos[one.rows[:: one.length]]
        total = past + one.length
        binding = self._binding(one.first, one.count)
        tokens = np.reshape(batch.token[one.rows].astype(np.int64), (one.count, one.length))
        binding.bind_cpu_input("input_ids", tokens)
        binding.bind_cpu_input("seqlens_k", (total - 1).astype(np.int32))
        binding.bind_cpu_input("total_sequence_length", np.array(total.max(), np.int32))
        binding.bind_cpu_input("rows", wanted)
        bind(binding.bind_output, "logits", self._logits[at : at + len(wanted)])
        self._session.run(binding)
        self._row_of.update({int(one.rows[place]): at + i for i, place in enumerate(wanted)})
        for slot, length in enumerate(total.tolist()):
            self._kv.lengths[one.first + slot] = length

    def _binding(self, first: int, count: int) -> Any:
        """Return a binding with the KV of `count` slots; every pass binds the rest."""
        binding = self._bindings.pop((first, count), None) or self._bound_kv(first, count)
        self._bindings[first, count] = binding
        if len(self._bindings) > _BINDINGS:
            del self._bindings[next(iter(self._bindings))]
        return binding

    def _bound_kv(self, first: int, count: int) -> Any:
        binding = self._session.binding()
        for index, buffer in enumerate(self._kv.buffers):
            name = f"{('key', 'value')[index % 2]}_{index // 2}"
            slots = buffer[first : first + count]
            bind(binding.bind_input, f"past_{name}", slots)
            bind(binding.bind_output, f"present_{name}", slots)
        return binding

    # --- sequences

    def rewind(self, seq: int, length: int) -> bool:
        self._kv.lengths[seq] = min(length, self._kv.lengths[seq])
        return True

    def copy(self, source: int, target: int, length: int) -> bool:
        self._kv.copy(source, target, min(length, self._kv.lengths[source]))
        return True

    def saved_bytes(self, seq: int) -> int:
        return self._kv.saved_bytes(seq)

    def save(self, seq: int) -> bytes:
        return self._kv.save(seq)

    def restore(self, seq: int, data: bytes | bytearray) -> None:
        self._kv.restore(seq, data)

    def set_threads(self, threads: int) -> None:
        """Use `threads` threads; another number makes the next pass wait for a new session."""
        self._threads = threads

    def close(self) -> None:
        """Free all its memory; may be called again."""
        self._bindings.clear()
        self._kv.close()
        self._logits = np.zeros((0, self.vocab), np.float32)
        self._session.close()


def _check(session: OnnxSession, card: OnnxCard, path: Path) -> None:
    """ModelFileError when the graph is not one of the card, or lacks what a pass is told."""
    nodes = {node.name: node for node in (*session.inputs, *session.outputs)}
    caches = [f"{kind}_{layer}" for layer in range(card.layers) for kind in ("key", "value")]
    wanted = {f"{side}_{name}" for side in ("past", "present") for name in caches}
    if strange := nodes.keys() ^ {*_INPUTS, "logits", *wanted}:
        raise ModelFileError(f"{path} is not what its card says: {min(strange)!r} is in one alone")
    kinds = {(nodes[name].kind, nodes[name].dims[1::2]) for name in wanted}
    if kinds != {("tensor(float)", (card.kv_heads, card.head_dim))}:
        raise ModelFileError(
            f"{path} is not what its card says: kv_heads or head_dim differ, or keys and values "
            "are no float32"
        )
    if nodes["logits"].dims[1:] != (card.vocab,):
        raise ModelFileError(f"{path} is not what its card says: vocab differs")


Ints = NDArray[np.signedinteger[Any]]


@dataclass(frozen=True)
class OnnxPass:
    """`length` new tokens each for the `count` sequences from `first` on.

    `rows` are those of the batch, all of one sequence before those of the next. Attention takes
    more than one new token behind a past from one sequence only, so one of the two is 1.
    """

    first: int
    count: int
    length: int
    rows: Ints


def passes(batch: Batch) -> Iterator[OnnxPass]:
    """Pieces of prompts one by one, then single tokens, those of neighbours together."""
    alone: list[tuple[int, int]] = []  # sequence and row
    seqs = batch.seq[: batch.size]
    changes = (np.flatnonzero(np.diff(seqs)) + 1).tolist()
    for begin, end in pairwise([0, *changes, len(seqs)] if len(seqs) else []):
        seq = int(seqs[begin])
        if end - begin == 1:
            alone.append((seq, begin))
        else:
            yield OnnxPass(seq, 1, end - begin, np.arange(begin, end))
    alone.sort()
    for group in _neighbours(alone):
        yield OnnxPass(group[0][0], len(group), 1, np.array([row for _, row in group]))


def _neighbours(alone: list[tuple[int, int]]) -> Iterator[list[tuple[int, int]]]:
    group: list[tuple[int, int]] = []
    for seq, row in alone:
        if group and seq != group[-1][0] + 1:
            yield group
            group = []
        group.append((seq, row))
    if group:
        yield group
