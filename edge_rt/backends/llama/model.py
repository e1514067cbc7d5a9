"""llama.cpp's objects: its log and threads, GGUF files, contexts, batches and vocabularies."""

from __future__ import annotations

import ctypes
import os
from collections import deque
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import Any

import llama_cpp.llama_cpp as lib
import numpy as np
from numpy.typing import NDArray

from edge_rt.backends.base import Batch, InfillMarks, going_on
from edge_rt.backends.llama.devices import LIBRARIES, gpu_devices, native
from edge_rt.core.errors import ModelFileError

_ERROR = 4  # enum ggml_log_level
_SOFT = 1  # omp_pause_soft: settings stay
_NO_DEVICES = (ctypes.c_void_p * 1)(None)


def _drop(_level: int, _text: bytes, _user: object) -> None:
    pass


SILENT = lib.llama_log_callback(_drop)  # must outlive every call that llama.cpp may make


lib.llama_log_set(SILENT, ctypes.c_void_p())  # else it says on stderr what it loads
# Wheels that `tools/wheels` makes have the CPU code for each processor, and GPU code, in libraries
# of their own (GGML_BACKEND_DL). A llama.cpp that was compiled for this machine has them built in.
if any(LIBRARIES.glob("libggml-cpu-*.so")):
    native().ggml_backend_load_all_from_path(os.fsencode(LIBRARIES))


class Complaints:
    """The last error lines that llama.cpp wrote."""

    def __init__(self) -> None:
        self._lines: deque[str] = deque(maxlen=4)

    def note(self, level: int, text: bytes, _user: object) -> None:
        """Keep `text` when it is an error: the log callback of llama.cpp."""
        line = text.decode(errors="replace").strip()
        if level == _ERROR and line:
            self._lines.append(line)

    def summary(self) -> str:
        """Return the lines in one, the first cause first."""
        return "; ".join(self._lines) or "it gave no reason"


@contextmanager
def capture() -> Generator[Complaints]:
    """Collect llama.cpp's errors while the block runs; outside of any, the log is dropped."""
    complaints = Complaints()
    callback = lib.llama_log_callback(complaints.note)
    lib.llama_log_set(callback, ctypes.c_void_p())
    try:
        yield complaints
    finally:
        lib.llama_log_set(SILENT, ctypes.c_void_p())


def park_threads() -> None:
    """End the OpenMP threads of the calling thread; the next pass makes new ones.

    After a pass libgomp's threads spin for more work before they sleep, 300,000 rounds each: up to
    10 ms of a whole core, which a rest of that length exists to save. Making them anew takes a
    tenth of a millisecond. Threads that wait for work count too: once there are more than cores,
    all of them sleep at every step, and two compute at a fifth of their speed. It is
    omp_pause_resource_all of OpenMP 5.0; where libgomp is not loaded nothing happens. To be called
    in the thread that runs the passes, and in one that has loaded a model.
    """
    try:
        pause = ctypes.CDLL("libgomp.so.1", mode=os.RTLD_NOLOAD).omp_pause_resource_all
    except (OSError, AttributeError):
        return
    pause(_SOFT)


class NativeBatch:
    """llama_batch over the arrays of a Batch: filling one fills the other, nothing is copied."""

    def __init__(self, batch: Batch) -> None:
        self._batch = batch
        self._one: NDArray[np.int32] = np.ones(batch.capacity, np.int32)  # sequences a token
        size = batch.seq.itemsize
        base = batch.seq.ctypes.data
        self._seq_pointers: NDArray[np.uintp] = np.arange(
            base, base + size * batch.capacity, size, dtype=np.uintp
        )
        self._struct = lib.llama_batch(
            n_tokens=0,
            token=_pointer(batch.token, lib.llama_token),
            embd=None,
            pos=_pointer(batch.pos, lib.llama_pos),
            n_seq_id=_pointer(self._one, ctypes.c_int32),
            seq_id=_pointer(self._seq_pointers, ctypes.POINTER(lib.llama_seq_id)),
            logits=_pointer(batch.want, ctypes.c_int8),
        )

    def filled(self) -> lib.llama_batch:
        """Return the structure, with the rows that there are now."""
        self._struct.n_tokens = self._batch.size
        return self._struct


def _pointer(array: NDArray[Any], kind: Any) -> Any:
    untyped: Any = ctypes  # its stubs cannot say what this makes
    return untyped.cast(array.ctypes.data, untyped.POINTER(kind))


def load(path: Path, params: Any) -> Any:
    """Return the file as a llama_model.

    ModelFileError, with llama.cpp's own words, says why not.
    """
    with capture() as complaints:
        model = lib.llama_model_load_from_file(str(path).encode(), params)
    park_threads()  # those of a thread that only loads would slow down those that compute
    if not model:
        raise ModelFileError(f"llama.cpp cannot load {path.name}: {complaints.summary()}")
    return model


def load_vocabulary(path: Path) -> Any:
    """Return the file without its weights; see `load`."""
    params = _on_the_cpu()
    params.vocab_only = True
    return load(path, params)


def load_weights(path: Path, gpu_layers: int) -> Any:
    """Return the file with its weights, of so many layers on a GPU; see `load`.

    Without a GPU llama.cpp would leave them on the CPU and say nothing: that is a ModelFileError.
    """
    if not gpu_layers:
        return load(path, _on_the_cpu())
    if not gpu_devices():
        raise ModelFileError(
            f"`engine.gpu_layers` is {gpu_layers}, and this llama.cpp finds no GPU: have it built "
            "for yours (CMAKE_ARGS of tools/run), let its user open it (groups video, render), and "
            "the service (`edge-rt doctor` checks DeviceAllow= of its unit), or set it to 0. The "
            "boards of `engine.rpc` are found while they answer"
        )
    params = lib.llama_model_default_params()
    params.n_gpu_layers, params.load_mtp = gpu_layers, True
    return load(path, params)


def _on_the_cpu() -> Any:
    """Return parameters with which no GPU is used.

    Without layers there, llama.cpp still has a GPU compute what large batches multiply.
    """
    params: Any = lib.llama_model_default_params()
    params.devices, params.load_mtp = ctypes.addressof(_NO_DEVICES), True
    return params


class LlamaVocabulary:
    """Reads a model's vocabulary; see PromptVocabulary for the methods' contract."""

    def __init__(self, path: Path, model: Any = None) -> None:
        """For the file at `path`; `model`, a llama_model, spares loading it again.

        ModelFileError, with llama.cpp's own words, when it cannot be loaded.
        """
        self._model: Any = model or load_vocabulary(path)
        self._vocab: Any = lib.llama_model_get_vocab(self._model)
        self.vocab: int = lib.llama_vocab_n_tokens(self._vocab)
        self._pieces: dict[int, bytes] = {}

    def tokenize(self, text: str, *, special: bool, begins: bool = True) -> list[int]:
        vocab = self._vocab
        if not begins:
            return going_on(lambda part: cut(vocab, part.encode(), special, False), text)
        wants_bos = bool(lib.llama_vocab_get_add_bos(vocab))
        tokens = cut(vocab, text.encode(), special, wants_bos)
        bos = lib.llama_vocab_bos(vocab)
        if wants_bos and tokens[:2] == [bos, bos]:
            return tokens[1:]  # the template had written it out already
        return tokens

    def piece(self, token: int) -> bytes:
        known = self._pieces.get(token)
        if known is None:
            known = self._pieces[token] = _written(self._vocab, token, control=False)
        return known

    def mark(self, token: int) -> bytes:
        return _written(self._vocab, token, control=True)

    def close(self) -> None:
        """Free all its memory; may be called again."""
        if self._model is not None:
            lib.llama_model_free(self._model)
            self._model = None


class SharedWeights:
    """The weights of each file once, for all contexts on it; for any thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._loaded: dict[object, tuple[Any, int]] = {}  # by file: a llama_model, and its users

    def take(self, path: Path, gpu_layers: int) -> tuple[object, Any]:
        """Return a key to `give` back, and the model; see `load_weights`."""
        with suppress(OSError), self._lock:
            status = path.stat()
            key = path, gpu_layers, status.st_ino, status.st_mtime_ns
            model, users = self._loaded.get(key) or (load_weights(path, gpu_layers), 0)
            self._loaded[key] = model, users + 1
            return key, model
        return None, load_weights(path, gpu_layers)  # which says what is wrong with the file

    def give(self, key: object, model: Any) -> None:
        """Free a model with its last user."""
        with self._lock:
            _, users = self._loaded.pop(key, (model, 1))
            if users > 1:
                self._loaded[key] = model, users - 1
            else:
                lib.llama_model_free(model)


class LlamaContext(LlamaVocabulary):
    """A model with its weights, and a context for its passes; see BaseBackend."""

    def __init__(self, path: Path, gpu_layers: int, weights: SharedWeights | None = None) -> None:
        """Load `path`; see `load_weights`. A subclass has to `_begin` the context.

        `weights` are those of other contexts, too.
        """
        self._weights = weights or SharedWeights()
        self._key, model = self._weights.take(path, gpu_layers)
        super().__init__(path, model)
        self._adapters: list[Any] = []
        self._context: Any = None
        self._memory: Any = None

    def _begin(self, params: Any) -> None:
        """Make the context. ModelFileError frees the model where there can be none."""
        with capture() as complaints:
            self._context = lib.llama_init_from_model(self._model, params)
        if not self._context:
            self.close()
            raise ModelFileError(f"llama.cpp cannot make a context: {complaints.summary()}")
        self._memory = lib.llama_get_memory(self._context)

    def _adapt(self, adapters: Sequence[tuple[str, float]]) -> None:
        """Have passes use these files of LoRA; ModelFileError frees the model where one is none."""
        for path, _ in adapters:
            with capture() as complaints:
                found = lib.llama_adapter_lora_init(self._model, path.encode())
            if not found:
                self.close()
                why = f"cannot use the adapter {Path(path).name}: {complaints.summary()}"
                raise ModelFileError(f"llama.cpp {why}")
            self._adapters.append(found)
        if adapters:
            count = len(adapters)
            pointers = (lib.llama_adapter_lora_p_ctypes * count)(*self._adapters)
            scales = (ctypes.c_float * count)(*(scale for _, scale in adapters))
            untyped: Any = lib  # its stubs cannot say what this takes
            untyped.llama_set_adapters_lora(self._context, pointers, count, scales)

    def set_threads(self, threads: int) -> None:
        lib.llama_set_n_threads(self._context, threads, threads)

    def close(self) -> None:
        """Free all its memory; may be called again."""
        if self._context:
            lib.llama_free(self._context)
            self._context = None
        while self._adapters:
            lib.llama_adapter_lora_free(self._adapters.pop())
        if self._model is not None:
            self._weights.give(self._key, self._model)
            self._model = None


def _written(vocab: Any, token: int, *, control: bool) -> bytes:
    """Return the bytes of a token; without `control` those of control tokens are none."""
    room = 64
    while True:
        buffer = (ctypes.c_char * room)()
        count = lib.llama_token_to_piece(vocab, token, buffer, room, 0, control)
        if count >= 0:
            return buffer.raw[:count]
        room = -count


def infill_marks(vocab: Any) -> InfillMarks | None:
    """Return the infill tokens of the metadata, or those llama.cpp knows; None: none."""
    known = lib.llama_vocab_fim_pre, lib.llama_vocab_fim_suf, lib.llama_vocab_fim_mid
    tokens: list[Any] = [find(vocab) for find in known]
    return InfillMarks(*tokens) if min(tokens) >= 0 else None


def cut(vocab: Any, data: bytes, special: bool, add_special: bool) -> list[int]:
    """Token ids as llama_tokenize gives them."""
    room = len(data) + 8
    while True:
        buffer = (lib.llama_token * room)()
        count = lib.llama_tokenize(vocab, data, len(data), buffer, room, add_special, special)
        if count >= 0:
            return buffer[:count]
        room = -count
