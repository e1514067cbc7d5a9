"""What every backend promises, on a real model by each of them and on one of random weights."""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Iterator
from functools import partial

import numpy as np
import psutil
import pytest
from conformance import ROUNDING, Implementation, Logits, difference, feed
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from tiny_gguf import Tiny, byte_level, write_tiny
from tiny_onnx import write_model

from edge_rt.backends.base import Backend
from edge_rt.backends.llama.backend import LlamaBackend
from edge_rt.backends.onnx.backend import OnnxBackend
from edge_rt.core.errors import EngineError

TEXT = "The quick brown fox jumps over the lazy dog, and then it goes home to sleep. " * 4
OTHERS = ["Once upon a time there was", "def main():\n    return", "1 2 3 4 5 6 7 8 9 10 11 12"]
CONTEXT, SEQUENCES, BATCH = 256, 4, 128  # llama.cpp rounds other contexts up
OUTPUTS = 9  # rows of a pass whose logits may be wanted
LONGEST = 90  # tokens of the text
CHAT = ("<|im_start|>user\nHi<|im_end|>", b"user\nHi")
# SmolLM2's types, so that the same kernels run: keys in Q8_0 need heads of a multiple of 32, and on
# aarch64 embeddings in Q8_0 whose rows are no multiple of 4 would go through another one.
TINY = Tiny(embedding=64, heads=4, head_dim=32, feed_forward=128, context=CONTEXT)
MERGES = ("h e", "l l", "Ġ w", "he ll", "t h")  # 264 tokens

REAL = [pytest.param(name, marks=pytest.mark.heavy) for name in ("llama.cpp", "onnx")]
NOISE = 4e6  # bytes that come and go by themselves


@pytest.fixture(scope="module", params=["llama.cpp, tiny", "onnx, tiny", *REAL])
def implementation(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Implementation:
    name: str = request.param
    if name == "llama.cpp, tiny":
        path = tmp_path_factory.mktemp("tiny") / "tiny.gguf"
        write_tiny(path, TINY, byte_level("qwen2", MERGES), "Q4_1", table="Q8_0")
        return Implementation(name, partial(LlamaBackend, path), exact=True, control=CHAT)
    if name == "llama.cpp":
        path = request.getfixturevalue("smollm2")
        return Implementation(name, partial(LlamaBackend, path), exact=True, control=CHAT)
    if name == "onnx":
        path = request.getfixturevalue("smollm2_onnx")
        return Implementation(name, partial(OnnxBackend, path), exact=False, control=CHAT)
    path = write_model(tmp_path_factory.mktemp("tiny")) / "model.onnx"
    control = ("<user>hi<end>", b"hi")
    return Implementation(name, partial(OnnxBackend, path), exact=False, control=control)


@pytest.fixture(scope="module")
def model(implementation: Implementation) -> Iterator[Backend]:
    """Loaded once for all tests."""
    model = load(implementation)
    yield model
    model.close()


def load(implementation: Implementation) -> Backend:
    sizes = {"context": CONTEXT, "sequences": SEQUENCES, "batch": BATCH, "outputs": OUTPUTS}
    return implementation.load(**sizes, threads=1)


@pytest.fixture
def backend(model: Backend) -> Backend:
    """The model with nothing in its sequences and one thread."""
    for sequence in range(model.sequences):
        assert model.rewind(sequence, 0)
    model.set_threads(1)
    return model


@pytest.fixture(scope="module")
def tokens(model: Backend) -> list[int]:
    return model.tokenize(TEXT, special=False)[:LONGEST]  # more than 64, up to which kernels tile


@pytest.fixture(scope="module")
def alone(model: Backend, tokens: list[int]) -> Logits:
    """The logits behind `tokens`, read in one pass with nothing else."""
    model.rewind(0, 0)
    return feed(model, 0, 0, tokens)


@pytest.fixture
def same(implementation: Implementation):
    """Return whether logits are as equal as the backend promises when passes were others."""

    def check(found: Logits, expected: Logits) -> bool:
        if implementation.exact:
            return np.allclose(found, expected, rtol=0.0, atol=ROUNDING)
        apart = difference([0, 0], np.stack([expected] * 2), np.stack([found] * 2))
        return apart.kl_nats < 0.05 and apart.margin_nats < 0.5

    return check


# --- passes


def test_shapes(backend: Backend, alone: Logits) -> None:
    assert backend.sequences == SEQUENCES
    assert backend.outputs == OUTPUTS
    assert backend.batch.capacity == BATCH
    assert 0 < backend.context <= CONTEXT
    assert alone.shape == (backend.vocab,)
    assert alone.dtype == np.float32
    assert np.isfinite(alone).all()


@pytest.mark.parametrize("chunks", [[1, 30], [16], [7, 64], [1] * 12])
def test_how_a_prompt_was_cut_does_not_matter(
    backend: Backend, tokens: list[int], alone: Logits, chunks: list[int], same
) -> None:
    start = 0
    for size in chunks:
        feed(backend, 1, start, tokens[start : start + size])
        start += size
    assert same(feed(backend, 1, start, tokens[start:]), alone)


def test_a_piece_of_which_no_logits_are_wanted(
    backend: Backend, tokens: list[int], alone: Logits, same
) -> None:
    backend.batch.clear()
    backend.batch.add(3, 0, tokens[:50], want=0)
    backend.forward()
    assert same(feed(backend, 3, 50, tokens[50:]), alone)


def test_what_else_is_in_the_batch_does_not_matter(
    backend: Backend, tokens: list[int], alone: Logits, same
) -> None:
    others = [backend.tokenize(text, special=False) for text in OTHERS]
    half = len(tokens) // 2
    backend.batch.clear()
    backend.batch.add(2, 0, tokens[:half], want=1)
    backend.batch.add(0, 0, others[0], want=1)
    backend.forward()
    backend.batch.clear()
    backend.batch.add(0, len(others[0]), others[1][:1], want=1)
    backend.batch.add(1, 0, others[2], want=0)
    row = backend.batch.add(2, half, tokens[half:], want=1)
    backend.batch.add(3, 0, others[1], want=1)
    backend.forward()
    assert same(backend.logits(row), alone)


def test_streams_of_unequal_lengths_side_by_side(backend: Backend, tokens: list[int], same) -> None:
    starts = [tokens[:20], tokens[3:40], tokens[5:9], tokens[:64]]
    apart = []
    for start in starts:
        feed(backend, 0, 0, start)
        apart.append([feed(backend, 0, len(start) + i, [100 + i]) for i in range(3)])
        backend.rewind(0, 0)
    for sequence, start in enumerate(starts):
        feed(backend, sequence, 0, start)
    for i in range(3):
        backend.batch.clear()
        rows = [
            backend.batch.add(sequence, len(start) + i, [100 + i], want=1)
            for sequence, start in enumerate(starts)
        ]
        backend.forward()
        for sequence, row in enumerate(rows):
            assert same(backend.logits(row), apart[sequence][i])


def test_streams_with_a_slot_between_them(backend: Backend, tokens: list[int], same) -> None:
    expected = {}
    for sequence, length in ((0, 30), (1, 12), (3, 50)):
        feed(backend, sequence, 0, tokens[:length])
        expected[sequence] = feed(backend, sequence, length, tokens[length : length + 1])
        backend.rewind(sequence, length)
    backend.batch.clear()
    rows = {
        sequence: backend.batch.add(sequence, length, tokens[length : length + 1], want=1)
        for sequence, length in ((3, 50), (0, 30), (1, 12))
    }
    backend.forward()
    for sequence, row in rows.items():
        assert same(backend.logits(row), expected[sequence])


def test_first_tokens_beside_a_stream(backend: Backend, tokens: list[int], same) -> None:
    first = feed(backend, 0, 0, tokens[:1])
    feed(backend, 1, 0, tokens[:40])
    later = feed(backend, 1, 40, tokens[40:41])
    backend.rewind(0, 0)
    backend.rewind(1, 40)
    backend.batch.clear()
    rows = [
        backend.batch.add(0, 0, tokens[:1], want=1),
        backend.batch.add(1, 40, tokens[40:41], want=1),
    ]
    backend.forward()
    assert same(backend.logits(rows[0]), first)
    assert same(backend.logits(rows[1]), later)


def one_by_one(backend: Backend, seq: int, start: int, tokens: list[int]) -> list[Logits]:
    return [feed(backend, seq, start + i, [token]) for i, token in enumerate(tokens)]


def test_several_rows_of_a_pass_are_as_good_as_passes_of_their_own(
    backend: Backend, tokens: list[int], same
) -> None:
    feed(backend, 1, 0, tokens[:40])
    expected = one_by_one(backend, 1, 40, tokens[40:46])
    backend.rewind(1, 40)
    backend.batch.clear()
    last = backend.batch.add(1, 40, tokens[40:46], want=4)
    backend.forward()
    for place, row in enumerate(range(last - 3, last + 1), 2):
        assert same(backend.logits(row), expected[place])


def test_rows_of_several_sequences_are_wanted_at_once(
    backend: Backend, tokens: list[int], same
) -> None:
    starts, wanted = [30, 12, 50], [4, 1, 4]
    expected = []
    for sequence, (start, count) in enumerate(zip(starts, wanted, strict=True)):
        feed(backend, sequence, 0, tokens[:start])
        expected.append(one_by_one(backend, sequence, start, tokens[start : start + count]))
        backend.rewind(sequence, start)
    backend.batch.clear()
    lasts = [
        backend.batch.add(sequence, start, tokens[start : start + count], want=count)
        for sequence, (start, count) in enumerate(zip(starts, wanted, strict=True))
    ]
    backend.forward()
    for last, logits in zip(lasts, expected, strict=True):
        for place, one in enumerate(logits):
            assert same(backend.logits(last - len(logits) + 1 + place), one)


@pytest.mark.parametrize("kept", [0, 1, 3, 5])
def test_what_is_not_kept_of_a_draft_leaves_no_trace(
    backend: Backend, tokens: list[int], same, kept: int
) -> None:
    feed(backend, 2, 0, tokens[:40])
    expected = one_by_one(backend, 2, 40, tokens[40:50])
    backend.rewind(2, 40)
    others = backend.tokenize(OTHERS[1], special=False)
    draft = [*tokens[41 : 41 + kept], *others][:6]
    backend.batch.clear()
    backend.batch.add(2, 40, [tokens[40], *draft], want=7)
    backend.forward()
    assert backend.rewind(2, 41 + kept)
    found = one_by_one(backend, 2, 41 + kept, tokens[41 + kept : 50])
    assert all(same(a, b) for a, b in zip(found, expected[1 + kept :], strict=True))


def test_the_number_of_threads_does_not_matter(
    backend: Backend, tokens: list[int], alone: Logits, same
) -> None:
    feed(backend, 0, 0, tokens[:40])
    backend.set_threads(2)
    assert same(feed(backend, 0, 40, tokens[40:]), alone)
    backend.set_threads(1)
    backend.rewind(0, 40)
    assert same(feed(backend, 0, 40, tokens[40:]), alone)


def test_the_same_passes_give_the_same_bits(backend: Backend, tokens: list[int]) -> None:
    def twice() -> list[Logits]:
        backend.rewind(2, 0)
        return [feed(backend, 2, 0, tokens[:50]), feed(backend, 2, 50, tokens[50:])]

    first, second = twice(), twice()
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def test_a_sequence_can_be_filled_to_its_context(backend: Backend, tokens: list[int]) -> None:
    text = (tokens * 9)[: backend.context]
    for sequence in (0, 3):  # each has memory of its own
        for start in range(0, backend.context, BATCH):
            feed(backend, sequence, start, text[start : start + BATCH])
    with pytest.raises(EngineError, match="batch of 1"):
        feed(backend, 0, backend.context, [5])


def test_a_gap_is_refused(backend: Backend, tokens: list[int]) -> None:
    feed(backend, 0, 0, tokens[:5])
    with pytest.raises(EngineError, match="batch of 2"):
        feed(backend, 0, 9, tokens[9:11])


# --- sequences; the passes are the same ones, so the bits are too


@pytest.mark.parametrize("kept", [1, 17, 64])
def test_after_going_back_it_is_as_if_the_rest_had_never_been(
    backend: Backend, tokens: list[int], kept: int
) -> None:
    feed(backend, 3, 0, tokens[:kept])
    expected = feed(backend, 3, kept, tokens[kept:])
    assert backend.rewind(3, kept)
    feed(backend, 3, kept, backend.tokenize(OTHERS[0], special=False))
    assert backend.rewind(3, kept)
    assert np.array_equal(feed(backend, 3, kept, tokens[kept:]), expected)


@pytest.mark.parametrize("length", [1, 20, 70])
def test_a_copy_is_as_good_as_the_original(
    backend: Backend, tokens: list[int], length: int
) -> None:
    feed(backend, 0, 0, tokens[:length])
    expected = feed(backend, 0, length, tokens[length:])
    backend.rewind(0, length)
    feed(backend, 2, 0, backend.tokenize(OTHERS[2], special=False))  # what a copy replaces
    assert backend.copy(0, 2, length)
    assert np.array_equal(feed(backend, 2, length, tokens[length:]), expected)
    assert np.array_equal(feed(backend, 0, length, tokens[length:]), expected)


def test_a_copy_may_be_shorter(backend: Backend, tokens: list[int]) -> None:
    feed(backend, 0, 0, tokens[:30])
    expected = feed(backend, 0, 30, tokens[30:])
    assert backend.copy(0, 1, 50)
    assert backend.copy(1, 2, 30)
    assert np.array_equal(feed(backend, 2, 30, tokens[30:]), expected)


def test_copies_of_copies_in_one_go(
    backend: Backend, tokens: list[int], alone: Logits, same
) -> None:
    feed(backend, 0, 0, tokens[:70])
    assert backend.copy(0, 1, 60)
    assert backend.copy(1, 2, 50)
    assert backend.rewind(0, 0)
    assert backend.copy(2, 0, 40)
    for sequence, length in ((0, 40), (1, 60), (2, 50)):
        assert same(feed(backend, sequence, length, tokens[length:]), alone)


def test_what_was_saved_goes_on_elsewhere(
    implementation: Implementation, backend: Backend, tokens: list[int]
) -> None:
    feed(backend, 1, 0, tokens[:40])
    size, data = backend.saved_bytes(1), bytes(backend.save(1))
    assert size == len(data)
    expected = feed(backend, 1, 40, tokens[40:])
    feed(backend, 2, 0, tokens[:7])  # what it replaces
    backend.restore(2, data)
    assert np.array_equal(feed(backend, 2, 40, tokens[40:]), expected)
    other = load(implementation)
    other.restore(3, data)
    assert np.array_equal(feed(other, 3, 40, tokens[40:]), expected)
    other.close()


def test_copies_and_what_is_saved_and_restored_between_passes(
    backend: Backend, tokens: list[int]
) -> None:
    feed(backend, 0, 0, tokens[:60])
    assert backend.copy(0, 1, 40)
    data = bytes(backend.save(1))
    expected = feed(backend, 1, 40, tokens[40:])
    feed(backend, 3, 0, backend.tokenize(OTHERS[2], special=False))
    assert backend.copy(0, 2, 40)
    assert backend.rewind(0, 0)
    backend.restore(0, data)  # what a copy was made of that may not be made yet
    assert backend.copy(3, 1, 5)
    backend.restore(1, data)  # and what one was made to
    for sequence in (0, 1, 2):
        assert np.array_equal(feed(backend, sequence, 40, tokens[40:]), expected)


def test_damaged_data_leave_an_empty_sequence(backend: Backend, tokens: list[int]) -> None:
    expected = feed(backend, 1, 0, tokens[:40])
    data = bytes(backend.save(1))
    for damaged in (b"", data[:-1], data + b"\0", data[:99], b"not at all" * 99, bytes(len(data))):
        with pytest.raises(EngineError, match="not of this model"):
            backend.restore(1, damaged)
        assert np.array_equal(feed(backend, 1, 0, tokens[:40]), expected)


# --- text


@pytest.fixture(scope="module")
def letters(model: Backend) -> frozenset[int]:
    """The bytes that the vocabulary has; some lack what no text that they saw had."""
    pieces = map(model.piece, range(model.vocab))
    return frozenset(piece[0] for piece in pieces if len(piece) == 1)


@example("naïve 日本語 🙂🙃")
@example("\0x")
@given(st.text())
@pytest.mark.parametrize("special", [False, True])
def test_any_text_survives(
    model: Backend, letters: frozenset[int], special: bool, text: str
) -> None:
    assume(letters.issuperset(text.encode()))
    tokens = model.tokenize(text, special=special)
    assert b"".join(map(model.piece, tokens)).decode() == text
    assert all(0 <= token < model.vocab for token in tokens)


@settings(max_examples=20)
@given(st.text(min_size=1, max_size=40), st.integers(100, 1000))
def test_long_text_survives(model: Backend, letters: frozenset[int], text: str, times: int) -> None:
    assume(letters.issuperset(text.encode()))
    tokens = model.tokenize(text * times, special=False)
    assert b"".join(map(model.piece, tokens)).decode() == text * times


def test_few_bytes_are_missing(letters: frozenset[int]) -> None:
    # Of those that UTF-8 has: ASCII, those that go on, and the first ones of longer characters.
    assert len({*range(0x80, 0xC0), *range(0xC2, 0xF5), *range(0x80)} - letters) <= 8


def test_control_tokens_are_tokens_only_where_asked_for(
    implementation: Implementation, model: Backend
) -> None:
    text, left = implementation.control
    as_text = model.tokenize(text, special=False)
    assert b"".join(map(model.piece, as_text)).decode() == text
    as_tokens = model.tokenize(text, special=True)
    assert len(as_tokens) < len(as_text)
    assert b"".join(map(model.piece, as_tokens)) == left
    assert model.piece(as_tokens[0]) == model.piece(as_tokens[-1]) == b""
    assert model.ends(as_tokens[-1])
    assert not any(map(model.ends, [*as_text, *as_tokens[:-1]]))


def test_no_piece_is_longer_than_said(model: Backend) -> None:
    assert max(len(model.piece(token)) for token in range(model.vocab)) <= model.longest_piece


# --- memory


def test_closing_frees_the_memory(implementation: Implementation, tokens: list[int]) -> None:
    def rss() -> int:
        gc.collect()
        ctypes.CDLL(None).malloc_trim(0)  # else malloc keeps what small models gave back
        return psutil.Process().memory_info().rss

    load(implementation).close()  # what the library keeps for good
    before = rss()
    models: list[Backend] = []
    while len(models) < 2 or rss() - before < 3 * NOISE:
        models.append(load(implementation))
        for sequence in range(SEQUENCES):
            feed(models[-1], sequence, 0, tokens)
    loaded = rss() - before
    for each in [*models, *models]:  # a closed one may be closed again
        each.close()
    assert rss() - before < max(loaded / 3, NOISE)
