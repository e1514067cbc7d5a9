"""The real library on a real model: exact whatever else happens, and no crash on bad files."""

from __future__ import annotations

import gc
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import numpy as np
import psutil
import pytest
from numpy.typing import NDArray

from edge_rt.backends.llama import LlamaBackend
from edge_rt.errors import EngineError, ModelFileError

PROMPT = "The quick brown fox jumps over the lazy dog, and then it goes home to sleep a while. "
OTHERS = ["Once upon a time there was", "def main():\n    return", "1 2 3 4 5 6 7 8 9 10 11 12"]
Logits = NDArray[np.float32]


@pytest.fixture(scope="module")
def model(smollm2: Path) -> Generator[LlamaBackend]:
    """SmolLM2, loaded once for all tests."""
    model = LlamaBackend(smollm2, context=512, sequences=4, batch=256, threads=1)
    yield model
    model.close()


@pytest.fixture
def llama(model: LlamaBackend) -> LlamaBackend:
    """The model with nothing in its sequences and one thread."""
    for sequence in range(model.sequences):
        assert model.rewind(sequence, 0)
    model.set_threads(1)
    return model


@pytest.fixture(scope="module")
def tokens(model: LlamaBackend) -> list[int]:
    return model.tokenize(PROMPT * 4, special=False)  # more than 64: large batches sum otherwise


@pytest.fixture(scope="module")
def alone(model: LlamaBackend, tokens: list[int]) -> Logits:
    """The logits behind `tokens`, read in one pass with nothing else."""
    model.rewind(0, 0)
    return feed(model, 0, 0, tokens)


def feed(llama: LlamaBackend, sequence: int, start: int, tokens: list[int]) -> Logits:
    """Read `tokens` in one pass; a copy of the last one's logits."""
    llama.batch.clear()
    row = llama.batch.add(sequence, start, tokens, want_last=True)
    llama.forward()
    return llama.logits(row).copy()


def test_shapes(llama: LlamaBackend, alone: Logits) -> None:
    assert (llama.context, llama.sequences, llama.batch.capacity) == (512, 4, 256)
    assert alone.shape == (llama.vocab,)
    assert alone.dtype == np.float32
    assert np.isfinite(alone).all()


@pytest.mark.parametrize("chunks", [[1, 30], [16], [7, 64], [1] * 12])
def test_how_a_prompt_was_cut_does_not_matter(
    llama: LlamaBackend, tokens: list[int], alone: Logits, chunks: list[int]
) -> None:
    start = 0
    for size in chunks:
        feed(llama, 1, start, tokens[start : start + size])
        start += size
    assert np.array_equal(feed(llama, 1, start, tokens[start:]), alone)


def test_what_else_is_in_the_batch_does_not_matter(
    llama: LlamaBackend, tokens: list[int], alone: Logits
) -> None:
    others = [llama.tokenize(text, special=False) for text in OTHERS]
    half = len(tokens) // 2
    llama.batch.clear()
    llama.batch.add(2, 0, tokens[:half], want_last=True)
    llama.batch.add(0, 0, others[0], want_last=True)
    llama.forward()
    llama.batch.clear()
    llama.batch.add(0, len(others[0]), others[1], want_last=True)
    llama.batch.add(1, 0, others[2], want_last=False)
    row = llama.batch.add(2, half, tokens[half:], want_last=True)
    llama.batch.add(3, 0, others[1], want_last=True)
    llama.forward()
    assert np.array_equal(llama.logits(row), alone)


def test_streams_side_by_side_are_as_exact_as_alone(llama: LlamaBackend, tokens: list[int]) -> None:
    starts = [tokens[:20], tokens[3:40], tokens[5:9], tokens[:64]]
    apart = []
    for start in starts:
        feed(llama, 0, 0, start)
        apart.append([feed(llama, 0, len(start) + i, [100 + i]) for i in range(3)])
        llama.rewind(0, 0)
    for sequence, start in enumerate(starts):
        feed(llama, sequence, 0, start)
    for i in range(3):
        llama.batch.clear()
        rows = [
            llama.batch.add(sequence, len(start) + i, [100 + i], want_last=True)
            for sequence, start in enumerate(starts)
        ]
        llama.forward()
        for sequence, row in enumerate(rows):
            assert np.array_equal(llama.logits(row), apart[sequence][i])


def test_the_number_of_threads_does_not_matter(
    llama: LlamaBackend, tokens: list[int], alone: Logits
) -> None:
    llama.set_threads(2)
    assert np.array_equal(feed(llama, 0, 0, tokens), alone)


@pytest.mark.parametrize("kept", [1, 17, 64])
def test_after_going_back_it_is_as_if_the_rest_had_never_been(
    llama: LlamaBackend, tokens: list[int], alone: Logits, kept: int
) -> None:
    feed(llama, 3, 0, tokens[:kept] + llama.tokenize(OTHERS[0] * 5, special=False))
    assert llama.rewind(3, kept)
    assert np.array_equal(feed(llama, 3, kept, tokens[kept:]), alone)


@pytest.mark.parametrize("length", [1, 20, 70])
def test_a_copy_is_as_good_as_the_original(
    llama: LlamaBackend, tokens: list[int], alone: Logits, length: int
) -> None:
    feed(llama, 0, 0, tokens[:70])
    feed(llama, 2, 0, llama.tokenize(OTHERS[2] * 9, special=False))  # what a copy replaces
    assert llama.copy(0, 2, length)
    assert np.array_equal(feed(llama, 2, length, tokens[length:]), alone)
    assert np.array_equal(feed(llama, 0, 70, tokens[70:]), alone)  # the original is untouched


def test_copies_of_copies_in_one_go(llama: LlamaBackend, tokens: list[int], alone: Logits) -> None:
    feed(llama, 0, 0, tokens[:70])
    assert llama.copy(0, 1, 60)
    assert llama.copy(1, 2, 50)
    assert llama.rewind(0, 0)
    assert llama.copy(2, 0, 40)
    assert np.array_equal(feed(llama, 0, 40, tokens[40:]), alone)
    assert np.array_equal(feed(llama, 1, 60, tokens[60:]), alone)
    assert np.array_equal(feed(llama, 2, 50, tokens[50:]), alone)


def test_a_sequence_can_be_filled_to_its_context(llama: LlamaBackend, tokens: list[int]) -> None:
    for sequence in (0, 3):  # each has cells of its own
        for start in range(0, llama.context, 256):
            feed(llama, sequence, start, (tokens * 9)[:256])
    with pytest.raises(EngineError, match="batch of 1"):
        feed(llama, 0, llama.context, [5])


# --- text


@pytest.mark.parametrize(
    "text",
    [
        "Hello, world",
        " leading",
        "naïve café",
        "日本語のテキスト",
        "🙂🙃 mixed",
        "a\tb\n\n c",
        "\0x",
    ],
)
@pytest.mark.parametrize("special", [False, True])
def test_text_survives_tokens(llama: LlamaBackend, text: str, special: bool) -> None:
    tokens = llama.tokenize(text, special=special)
    assert b"".join(map(llama.piece, tokens)).decode() == text
    assert all(0 <= token < llama.vocab for token in tokens)


def test_control_tokens_are_tokens_only_where_asked_for(llama: LlamaBackend) -> None:
    text = "<|im_start|>user\nHi<|im_end|>"
    as_text = llama.tokenize(text, special=False)
    assert b"".join(map(llama.piece, as_text)).decode() == text
    as_tokens = llama.tokenize(text, special=True)
    assert len(as_tokens) < len(as_text)
    assert b"".join(map(llama.piece, as_tokens)) == b"user\nHi"
    assert llama.piece(as_tokens[0]) == llama.piece(as_tokens[-1]) == b""
    assert llama.ends(as_tokens[-1])
    assert not llama.ends(as_tokens[0])
    assert not llama.ends(as_text[0])


def test_this_model_wants_no_beginning_of_sequence(llama: LlamaBackend) -> None:
    assert llama.tokenize("", special=True) == []
    (one,) = llama.tokenize("Hello", special=True)
    assert llama.piece(one) == b"Hello"


def test_long_text(llama: LlamaBackend) -> None:
    text = "日本語 and more, " * 2000
    tokens = llama.tokenize(text, special=False)
    assert b"".join(map(llama.piece, tokens)).decode() == text


def test_no_piece_is_longer_than_said(llama: LlamaBackend) -> None:
    assert max(len(llama.piece(token)) for token in range(llama.vocab)) <= llama.longest_piece


# --- files


def test_a_truncated_file_is_refused_with_the_reason(smollm2: Path, tmp_path: Path) -> None:
    path = tmp_path / "short.gguf"
    with smollm2.open("rb") as whole:
        path.write_bytes(whole.read(20_000_000))
    with pytest.raises(ModelFileError, match=r"short\.gguf: .*(not within|bounds|read)"):
        load(path)


@pytest.mark.parametrize("content", [b"", b"GGUF", b"not a model at all" * 99, b"GGUF\3" * 99])
def test_garbage_is_refused_with_the_reason(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "garbage.gguf"
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match=r"garbage\.gguf: \w+"):
        load(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"none\.gguf"):
        load(tmp_path / "none.gguf")


def test_a_refused_file_leaves_loaded_models_alone(
    llama: LlamaBackend, tokens: list[int], alone: Logits, tmp_path: Path
) -> None:
    test_garbage_is_refused_with_the_reason(tmp_path, b"GGUF")
    assert np.array_equal(feed(llama, 0, 0, tokens), alone)


def test_the_context_is_the_one_asked_for(smollm2: Path) -> None:
    model = LlamaBackend(smollm2, context=100, sequences=1, batch=32, threads=1)
    assert model.context == 100
    model.close()


def load(path: Path) -> LlamaBackend:
    return LlamaBackend(path, context=256, sequences=1, batch=32, threads=1)


def test_closing_frees_the_memory(smollm2: Path) -> None:
    def rss() -> int:
        gc.collect()
        return psutil.Process().memory_info().rss

    before = rss()
    model = LlamaBackend(smollm2, context=2048, sequences=8, batch=256, threads=1)
    feed(model, 0, 0, model.tokenize(PROMPT * 4, special=False))
    loaded = rss()
    model.close()
    model.close()
    assert loaded - before > 100e6
    assert rss() - before < (loaded - before) / 3


def test_loading_writes_nothing(smollm2: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from edge_rt.backends.llama import LlamaBackend;"
        "LlamaBackend(Path(sys.argv[1]), context=64, sequences=1, batch=16, threads=1).close()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(smollm2)], capture_output=True, check=True
    )
    assert (done.stdout, done.stderr) == (b"", b"")
