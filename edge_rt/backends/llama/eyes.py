"""Images for models of llama.cpp, through the projector beside the model and mtmd.

Of each image a sequence holds a run of tokens below 0 that follow from the hash of its pixels. So
whatever compares tokens tells images apart, and knows one again.
"""

from __future__ import annotations

import ctypes
import hashlib
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import llama_cpp.llama_cpp as lib
import llama_cpp.mtmd_cpp
import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from edge_rt.backends.base import Marks
from edge_rt.backends.llama.backend import LlamaBackend
from edge_rt.backends.llama.model import SILENT, Complaints, capture
from edge_rt.core.errors import EngineError, ModelFileError, RequestError
from edge_rt.core.images import CHANNELS, MOST_PIXELS, Image, ImageReference

mtmd: Any = llama_cpp.mtmd_cpp  # its types say what ctypes stores, not what it takes
_SIZES = 64  # of images whose layouts are remembered
_PROBE = 64  # pixels each way of an image that every model can see
_NUMBER = "<u4"  # of those behind a saved state: pairs, and last how many


class _Part(NamedTuple):
    """A part of an image as the model reads it: control tokens, as text, or `tokens` of it."""

    text: list[int]
    tokens: int = 0
    positions: int = 0  # that these take; fewer where positions have several axes


class _SeeingMarks:
    """Marks of a model whose images may take fewer positions, which `marks` count, than tokens."""

    def __init__(self, marks: Marks, skips: Callable[[int], Sequence[tuple[int, int]]]) -> None:
        """`skips` are those of a sequence of the backend."""
        self._marks, self._skips = marks, skips

    def reach(self, seq: int, length: int) -> int:
        skips = self._skips(seq)
        position = length - sum(spared for end, spared in skips if end <= length)
        tokens = reached = self._marks.reach(seq, position)
        before = 0
        for end, spared in skips:
            before += spared
            if reached >= end - before:
                tokens = reached + before
        return tokens

    def put(self, seq: int, *, passing: bool = False) -> None:
        self._marks.put(seq, passing=passing)


class SeeingBackend(LlamaBackend):
    """A GGUF model with its projector; see Backend.

    Engines count the tokens of a sequence. Where an image takes fewer positions than tokens, those
    behind it are moved here: `_skips` has for each sequence the tokens up to the end of such an
    image, and the positions that it spared.
    """

    def __init__(
        self, path: Path, projector: Path, *, threads: int, use_gpu: bool = False, **sizes: Any
    ) -> None:
        """Load both; ModelFileError, with mtmd's own words, where they do not go together.

        `use_gpu` puts the projector there. Its threads stay as many as they are now.
        """
        self._eyes: Any = None
        super().__init__(path, threads=threads, **sizes)
        self._skips: list[list[tuple[int, int]]] = [[] for _ in range(self.sequences)]
        self._eyes = self._opened(projector, threads, use_gpu=use_gpu)
        self._layout = lru_cache(_SIZES)(self._measured)
        try:
            self._layout(_PROBE, _PROBE)
        except (ModelFileError, RequestError) as error:
            self.close()
            raise ModelFileError(f"{projector.name}: {error}") from error

    @property
    @override
    def marks(self) -> Marks | None:
        marks = super().marks
        return None if marks is None else _SeeingMarks(marks, lambda seq: self._skips[seq])

    def image_tokens(self, reference: ImageReference) -> list[int]:
        """Return the tokens of an image, with the control tokens that the model has around it."""
        tokens: list[int] = []
        for place, chunk in enumerate(self._layout(reference.width, reference.height)):
            tokens += chunk.text or _ids(reference.sha256, place, chunk.tokens)
        return tokens

    def look(self, seq: int, start: int, token: int, images: Sequence[Image]) -> int:
        """Read an image of a request at place `start` of `seq`; return how many tokens it has.

        `token` is the first of its run, and `images` are those of the request.
        """
        image, place, part = self._meant(token, images)
        reference, after = image.reference, lib.llama_pos()
        begin, batch = self._position(seq, start), self.batch.capacity
        with self._chunks(reference.width, reference.height, image.pixels) as natives:
            how = natives[place], begin, seq, batch, False, ctypes.byref(after)
            status = mtmd.mtmd_helper_eval_chunk_single(self._eyes, self._context, *how)
        if status != 0:
            raise EngineError(f"llama.cpp could not read an image of {part.tokens} ({status})")
        lib.llama_synchronize(self._context)
        self._copied = False
        if part.tokens > part.positions:
            self._skips[seq].append((start + part.tokens, part.tokens - part.positions))
        return part.tokens

    @override
    def forward(self) -> None:
        if any(self._skips):
            batch = self.batch
            for row, seq in enumerate(batch.seq[: batch.size]):
                batch.pos[row] = self._position(seq, batch.pos[row])
        super().forward()

    @override
    def rewind(self, seq: int, length: int) -> bool:
        position = self._position(seq, length)
        kept = super().rewind(seq, position)
        left = (skip for skip in self._skips[seq] if skip[0] <= length)
        self._skips[seq] = [*left] if kept else []
        return kept

    @override
    def copy(self, source: int, target: int, length: int) -> bool:
        self._skips[target] = [*self._skips[source]]
        copied = False
        try:
            copied = super().copy(source, target, length)
        finally:
            if not copied:
                self._skips[target] = []
        return copied

    @override
    def saved_bytes(self, seq: int) -> int:
        return super().saved_bytes(seq) + len(self._trailer(seq))

    @override
    def save(self, seq: int) -> bytearray:
        data = super().save(seq)
        data += self._trailer(seq)  # a sum would be a second copy
        return data

    @override
    def restore(self, seq: int, data: bytes | bytearray | memoryview) -> None:
        count = int.from_bytes(data[-4:], "little")
        end = max(0, len(data) - 4 * (2 * count + 1))
        self._skips[seq] = []
        super().restore(seq, memoryview(data)[:end])
        numbers: list[int] = np.frombuffer(data[end:-4], _NUMBER).tolist()
        self._skips[seq] = [*zip(numbers[::2], numbers[1::2], strict=True)]

    @override
    def close(self) -> None:
        if self._eyes is not None:
            mtmd.mtmd_free(self._eyes)
            self._eyes = None
        super().close()

    @override
    def _held(self, seq: int) -> int:
        ends = [end for end, _ in self._skips[seq]]  # llama.cpp gives all of an image the first
        return max(super()._held(seq), self._position(seq, max(ends, default=0)))

    @override
    def _settle(self) -> None:
        kept, self._skips = self._skips, [[] for _ in self._skips]  # it counts positions
        try:
            super()._settle()
        finally:
            self._skips = kept

    def _opened(self, projector: Path, threads: int, *, use_gpu: bool) -> Any:
        params = mtmd.mtmd_context_params_default()
        params.use_gpu, params.n_threads = use_gpu, threads
        params.print_timings = params.warmup = False
        with _heard() as complaints:
            eyes = mtmd.mtmd_init_from_file(str(projector).encode(), self._model, params)
        if eyes and mtmd.mtmd_support_vision(eyes):
            return eyes
        if eyes:
            mtmd.mtmd_free(eyes)
        self.close()
        why = "it sees no images" if eyes else complaints.summary()
        raise ModelFileError(f"llama.cpp cannot use the projector {projector.name}: {why}")

    def _meant(self, token: int, images: Sequence[Image]) -> tuple[Image, int, _Part]:
        """Return the image whose run begins with `token`, and the part of it that the run is."""
        for image in images:
            reference = image.reference
            for place, chunk in enumerate(self._layout(reference.width, reference.height)):
                if chunk.tokens and _ids(reference.sha256, place, 1) == [token]:
                    return image, place, chunk
        raise EngineError("the pixels of an image of the prompt are missing")

    def _measured(self, width: int, height: int) -> list[_Part]:
        """Return the parts that an image of that size has, whatever it shows."""
        if not 0 < width * height <= MOST_PIXELS:
            raise _unseen(width, height)
        with self._chunks(width, height, bytes(CHANNELS * width * height)) as natives:
            parts = [_part(native) for native in natives]
        if any(token < 0 for part in parts for token in part.text):
            raise ModelFileError("the model lacks control tokens that its projector needs")
        return parts

    @contextmanager
    def _chunks(self, width: int, height: int, pixels: bytes) -> Generator[list[Any]]:
        """Have mtmd cut an image into parts, while the block runs."""
        data = (ctypes.c_uint8 * len(pixels)).from_buffer_copy(pixels)
        bitmap, chunks = mtmd.mtmd_bitmap_init(width, height, data), mtmd.mtmd_input_chunks_init()
        assert chunks is not None
        try:
            marker = mtmd.mtmd_default_marker()
            text = mtmd.mtmd_input_text(marker, len(marker), add_special=False, parse_special=True)
            bitmaps = (ctypes.c_void_p * 1)(bitmap)
            status = mtmd.mtmd_tokenize(self._eyes, chunks, ctypes.byref(text), bitmaps, 1)
            if status != 0:
                raise _unseen(width, height)
            size = mtmd.mtmd_input_chunks_size(chunks)
            yield [mtmd.mtmd_input_chunks_get(chunks, place) for place in range(size)]
        finally:
            mtmd.mtmd_input_chunks_free(chunks)
            if bitmap is not None:
                mtmd.mtmd_bitmap_free(bitmap)

    def _position(self, seq: int, length: int) -> int:
        """Return the position of the token behind the first `length` of a sequence."""
        return length - sum(spared for end, spared in self._skips[seq] if end <= length)

    def _trailer(self, seq: int) -> bytes:
        pairs = [number for skip in self._skips[seq] for number in skip]
        return np.array([*pairs, len(self._skips[seq])], _NUMBER).tobytes()


def _unseen(width: int, height: int) -> RequestError:
    message = f"an image of {width} x {height} pixels is none that this model can see"
    return RequestError(message, param="prompt", code="invalid_image")


def _part(native: Any) -> _Part:
    count = mtmd.mtmd_input_chunk_get_n_tokens(native)
    if mtmd.mtmd_input_chunk_get_type(native) != mtmd.MTMD_INPUT_CHUNK_TYPE_TEXT:
        return _Part([], count, mtmd.mtmd_input_chunk_get_n_pos(native))
    tokens: Any = mtmd.mtmd_input_chunk_get_tokens_text(native, ctypes.byref(ctypes.c_size_t()))
    return _Part(tokens[:count])


def _ids(sha256: str, place: int, count: int) -> list[int]:
    """Return tokens below 0 for part `place` of an image; fewer are the first of more."""
    digest = hashlib.shake_128(f"{sha256} {place}".encode()).digest(4 * count)
    numbers: NDArray[np.int32] = np.frombuffer(digest, "<i4")
    return (numbers | np.int32(-(2**31))).tolist()


@contextmanager
def _heard() -> Generator[Complaints]:
    """Collect the errors of mtmd and llama.cpp while the block runs."""
    with capture() as complaints:
        callback = lib.llama_log_callback(complaints.note)
        mtmd.mtmd_log_set(callback, ctypes.c_void_p())
        try:
            yield complaints
        finally:
            mtmd.mtmd_log_set(SILENT, ctypes.c_void_p())


mtmd.mtmd_log_set(SILENT, ctypes.c_void_p())  # else it says on stderr what it does
mtmd.mtmd_helper_log_set(SILENT, ctypes.c_void_p())
