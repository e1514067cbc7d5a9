"""Images through mtmd, on models and projectors of random weights."""

from __future__ import annotations

import ctypes
import tracemalloc
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import llama_cpp.llama_cpp as lib
import llama_cpp.mtmd_cpp as mtmd
import numpy as np
import pytest
from numpy.typing import NDArray
from tiny_projector import MODELS, write_projector, write_seeing, write_seeing_states

from edge_rt.backends.llama.eyes import SeeingBackend
from edge_rt.backends.llama.memory import LlamaSequences
from edge_rt.core.errors import EngineError, ModelFileError
from edge_rt.core.images import Image

BEFORE, BEHIND = "<|im_start|>hello ", " hello world<|im_end|>"


def picture(width: int = 56, height: int = 40, seed: int = 3) -> Image:
    random = np.random.default_rng(seed)
    pixels = random.integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.of(width, height, pixels.tobytes())


@pytest.fixture(params=list(MODELS))
def files(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, Path]:
    return write_seeing(tmp_path, request.param)


@pytest.fixture
def sees(files: tuple[Path, Path]) -> Iterator[SeeingBackend]:
    backend = opened(*files)
    yield backend
    backend.close()


def opened(model: Path, projector: Path) -> SeeingBackend:
    sizes = {"context": 1024, "sequences": 3, "batch": 64}
    return SeeingBackend(model, projector, threads=1, outputs=4, kv_type="f16", **sizes)


def prompt(backend: SeeingBackend, *images: Image) -> list[int]:
    tokens = backend.tokenize(BEFORE, special=True)
    for image in images:
        tokens += backend.image_tokens(image.reference)
    return tokens + backend.tokenize(BEHIND, special=True, begins=False)


def read(
    backend: SeeingBackend, seq: int, tokens: Sequence[int], images: Sequence[Image], start: int = 0
) -> NDArray[np.float32]:
    """Read the tokens from `start` on; the logits of the last."""
    at = start
    while at < len(tokens):
        if tokens[at] < 0:
            at += backend.look(seq, at, tokens[at], images)
            continue
        end = next((i for i in range(at, len(tokens)) if tokens[i] < 0), len(tokens))
        end = min(end, at + backend.batch.capacity)
        backend.batch.clear()
        row = backend.batch.add(seq, at, tokens[at:end], want=1)
        backend.forward()
        at = end
    return backend.logits(row).copy()


def by_mtmd(model: Path, projector: Path, image: Image) -> NDArray[np.float32]:
    """The last logits of the same prompt, by mtmd's own functions alone."""
    native = lib.llama_model_load_from_file(str(model).encode(), lib.llama_model_default_params())
    params = lib.llama_context_default_params()
    params.n_ctx, params.n_batch, params.n_ubatch = 1024, 64, 64
    params.n_threads = params.n_threads_batch = 1
    params.flash_attn_type = 1
    context = lib.llama_init_from_model(native, params)
    how = mtmd.mtmd_context_params_default()
    how.use_gpu, how.n_threads, how.warmup = False, 1, False
    eyes = mtmd.mtmd_init_from_file(str(projector).encode(), native, how)
    size = image.reference.width, image.reference.height
    data = (ctypes.c_uint8 * len(image.pixels)).from_buffer_copy(image.pixels)
    bitmap, chunks = mtmd.mtmd_bitmap_init(*size, data), mtmd.mtmd_input_chunks_init()
    words = f"{BEFORE}{mtmd.mtmd_default_marker().decode()}{BEHIND}".encode()
    text = mtmd.mtmd_input_text(words, len(words), add_special=True, parse_special=True)
    bitmaps: Any = (ctypes.c_void_p * 1)(bitmap)
    assert mtmd.mtmd_tokenize(eyes, chunks, ctypes.byref(text), bitmaps, 1) == 0
    after = lib.llama_pos()
    way = context, chunks, 0, 0, 64, True, ctypes.byref(after)
    assert mtmd.mtmd_helper_eval_chunks(eyes, *way) == 0
    vocab = lib.llama_vocab_n_tokens(lib.llama_model_get_vocab(native))
    logits: Any = np.ctypeslib.as_array(lib.llama_get_logits_ith(context, -1), (vocab,)).copy()
    mtmd.mtmd_input_chunks_free(chunks)
    mtmd.mtmd_bitmap_free(bitmap)
    mtmd.mtmd_free(eyes)
    lib.llama_free(context)
    lib.llama_model_free(native)
    return logits


def test_logits_are_those_of_mtmd(sees: SeeingBackend, files: tuple[Path, Path]) -> None:
    image = picture()
    ours = read(sees, 0, prompt(sees, image), [image])
    assert np.array_equal(ours, by_mtmd(*files, image))
    other = picture(seed=4)
    assert not np.array_equal(ours, read(sees, 1, prompt(sees, other), [other]))


def test_a_sequence_with_images_is_rewound_copied_and_restored(sees: SeeingBackend) -> None:
    images = [picture(), picture(seed=4)]
    tokens = prompt(sees, *images)
    whole = read(sees, 0, tokens, images)
    end = max(i for i, token in enumerate(tokens) if token < 0) + 1
    assert sees.copy(0, 1, end)
    assert np.array_equal(read(sees, 1, tokens, images, start=end), whole)
    saved = sees.save(0)
    assert len(saved) == sees.saved_bytes(0)
    sees.restore(2, saved)
    assert sees.rewind(2, end)
    assert np.array_equal(read(sees, 2, tokens, images, start=end), whole)
    first = next(i for i, token in enumerate(tokens) if token < 0)
    assert sees.rewind(0, first)
    assert np.array_equal(read(sees, 0, tokens, images, start=first), whole)


def test_a_mark_behind_an_image_is_behind_all_of_it(tmp_path: Path) -> None:
    """llama.cpp itself gives all tokens of an image the position of the first."""
    backend, image = opened(*write_seeing_states(tmp_path)), picture(width=64, height=64)
    tokens = prompt(backend, image)
    begin = next(i for i, token in enumerate(tokens) if token < 0)
    read(backend, 0, tokens[:begin], [])
    end = begin + backend.look(0, begin, tokens[begin], [image])
    assert backend.marks is not None
    assert backend.marks.reach(0, end) == end  # without a mark, too
    backend.marks.put(0)
    whole = read(backend, 0, tokens, [image], start=end)
    assert backend.marks.reach(0, end) == backend.marks.reach(0, len(tokens) - 1) == end
    assert backend.copy(0, 1, end)
    assert np.array_equal(read(backend, 1, tokens, [image], start=end), whole)
    backend.close()


def test_what_is_saved_and_restored_is_there_once(tmp_path: Path) -> None:
    sees, image = opened(*write_seeing(tmp_path, "qwen2vl_merger")), picture()
    read(sees, 0, prompt(sees, image), [image])
    size = sees.saved_bytes(0)
    tracemalloc.start()
    try:
        saved = sees.save(0)
        assert len(saved) == size
        assert tracemalloc.get_traced_memory()[1] < 1.5 * size
        sees.restore(1, saved)
        assert tracemalloc.get_traced_memory()[1] < 1.5 * size
    finally:
        tracemalloc.stop()
    sees.close()


@pytest.mark.parametrize("fails", [True, False])
def test_a_sequence_that_could_not_be_copied_begins_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    def copy(self: object, source: int, target: int, length: int) -> bool:
        if fails:
            raise EngineError("it cannot")
        return False

    sees, image = opened(*write_seeing(tmp_path, "qwen2vl_merger")), picture()
    tokens = prompt(sees, image)
    expected = read(sees, 0, tokens, [image])
    monkeypatch.setattr(LlamaSequences, "copy", copy)
    with pytest.raises(EngineError) if fails else nullcontext():
        assert not sees.copy(0, 1, len(tokens))
    assert np.array_equal(read(sees, 1, tokens, [image]), expected)
    sees.close()


def test_what_was_saved_and_is_cut_short_is_refused(sees: SeeingBackend) -> None:
    image = picture()
    read(sees, 0, prompt(sees, image), [image])
    saved = sees.save(0)
    with pytest.raises(EngineError):
        sees.restore(1, saved[: len(saved) // 2])


def test_tokens_tell_images_apart(sees: SeeingBackend) -> None:
    one, same, other = picture(), picture(), picture(seed=4)
    tokens = sees.image_tokens(one.reference)
    assert tokens == sees.image_tokens(same.reference)
    runs = [{t for t in sees.image_tokens(i.reference) if t < 0} for i in (one, other)]
    assert all(runs)
    assert not runs[0] & runs[1]
    with pytest.raises(EngineError, match="missing"):
        sees.look(0, 0, next(t for t in tokens if t < 0), [other])


def test_a_projector_of_another_model_is_refused(tmp_path: Path) -> None:
    model, _ = write_seeing(tmp_path, "gemma3")
    with pytest.raises(ModelFileError, match=r"wide\.gguf"):
        opened(model, write_projector(tmp_path / "wide.gguf", "gemma3", embedding=128))
    with pytest.raises(ModelFileError, match="lacks control tokens"):
        opened(model, write_projector(tmp_path / "others.gguf", "idefics3"))
    (tmp_path / "none.gguf").write_bytes(b"GGUF")
    with pytest.raises(ModelFileError, match=r"none\.gguf"):
        opened(model, tmp_path / "none.gguf")
