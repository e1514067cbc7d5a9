"""Load models and count tokens beside the decode loop, by the backend that a model names."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

import msgspec

from edge_rt.backends.base import PromptVocabulary
from edge_rt.core.clock import Aside
from edge_rt.core.errors import EdgeError, ModelFileError, RequestError
from edge_rt.core.events import Tokenized
from edge_rt.core.plugins import BUILDS
from edge_rt.engine.protocol import ModelSpec, Tokenize
from edge_rt.engine.scheduler.inputs import text_tokens
from edge_rt.engine.worker.model_registry import AnyBackend

if TYPE_CHECKING:
    from edge_rt.backends.llama.model import SharedWeights

KEPT = 3  # vocabularies, some ten megabytes each

OpenVocabulary = Callable[[str, str], PromptVocabulary]
"""From the backend's name and the file's path; raises EdgeError."""

log = logging.getLogger(__name__)


def no_vocabulary(backend: str, path: str) -> PromptVocabulary:
    """Raise ModelFileError: this engine counts tokens for loaded models only."""
    raise ModelFileError(f"this engine has no vocabulary for {backend!r}")


class Vocabularies:
    """Opens the vocabularies of files and keeps those used last; for one thread."""

    def __init__(self, open_vocabulary: OpenVocabulary) -> None:
        self._open = open_vocabulary
        self._kept: dict[tuple[str, str], PromptVocabulary] = {}  # the one used last is last

    def answer(self, asked: Tokenize) -> Tokenized:
        """Return the answer to `asked`; never raises."""
        try:
            vocabulary = self._vocabulary(asked.backend, asked.path)
            tokens = _tokens(asked, vocabulary)
            pieces = [written(vocabulary, token) for token in tokens] if asked.pieces else []
            return Tokenized(asked.nonce, tokens, pieces)
        except Exception as error:
            return Tokenized(asked.nonce, None, message=_reason(error))

    def _vocabulary(self, backend: str, path: str) -> PromptVocabulary:
        key = backend, path
        found = self._kept.pop(key, None) or self._open(backend, path)
        self._kept[key] = found
        if len(self._kept) > KEPT:
            self._kept.pop(next(iter(self._kept))).close()
        return found


def _reason(error: Exception) -> str:
    """Return what the front is told; a bug or a broken install is among what it must hear of."""
    return str(error) if isinstance(error, EdgeError) else f"{type(error).__name__}: {error}"


def _tokens(asked: Tokenize, vocabulary: PromptVocabulary) -> list[int]:
    """Return a text's tokens, or those given; raise RequestError for an unknown token."""
    if not isinstance(asked.text, str):
        for token in asked.text:
            if token >= vocabulary.vocab:
                message = f"token {token} is not one of the model's {vocabulary.vocab}"
                raise RequestError(message, param="tokens")
        return asked.text
    tokens = text_tokens(asked.text, asked.special, vocabulary)
    if asked.begins:
        return tokens
    first = vocabulary.tokenize("", special=False)
    text = b"".join(written(vocabulary, token) for token in first)
    spelt = asked.special and asked.text.encode().startswith(text)
    unwanted = not spelt and tokens[: len(first)] == first
    return tokens[len(first) :] if unwanted else tokens


def written(vocabulary: PromptVocabulary, token: int) -> bytes:
    """Return the bytes of a token, a control token's as prompts have it."""
    return vocabulary.piece(token) or vocabulary.mark(token)


def make_backend(spec: ModelSpec, threads: int, weights: SharedWeights | None = None) -> AnyBackend:
    """Return the backend that `spec` names, loaded. Raises EdgeError when it cannot be.

    Models of llama.cpp share `weights` of the same file.
    """
    with _installed(spec.backend):
        if spec.backend == "llama.cpp":
            return _llama(spec, threads, weights)
        if spec.backend == "onnx":
            return _onnx(spec, threads)
    raise _unknown(spec.backend, spec.kind)


def make_without_gpu(
    spec: ModelSpec, threads: int, weights: SharedWeights | None = None
) -> AnyBackend:
    """Return the backend with all layers on the CPU."""
    if spec.gpu_layers:
        log.warning("the GPU is simulated: the CPU computes what is to lie there of %s", spec.path)
    return make_backend(msgspec.structs.replace(spec, gpu_layers=0), threads, weights)


def open_vocabulary(backend: str, path: str) -> PromptVocabulary:
    """Return the vocabulary of a file for that backend. Raises EdgeError when it cannot be had."""
    if Path(path).is_fifo():  # a native library would wait for the writer of a FIFO
        raise ModelFileError(f"{path}: not a regular file")
    with _installed(backend):
        if backend == "llama.cpp":
            from edge_rt.backends.llama.model import LlamaVocabulary

            return LlamaVocabulary(Path(path))
        if backend == "onnx":
            from edge_rt.backends.onnx.vocabulary import OnnxVocabulary

            return OnnxVocabulary(Path(path))
    raise _unknown(backend)


def versions() -> dict[str, str]:
    """Return the version of each backend that is installed.

    onnxruntime is not imported for it, which would take memory from engines that never need it.
    """
    from edge_rt.backends.llama.backend import VERSION

    found = {"llama.cpp": VERSION}
    for build in BUILDS["onnx"]:
        with suppress(PackageNotFoundError):
            found["onnx"] = version(build)
    return found


def _llama(spec: ModelSpec, threads: int, weights: SharedWeights | None) -> AnyBackend:
    path, sizes = Path(spec.path), _sizes(spec, threads)
    if spec.kind == "embedding":
        from edge_rt.backends.llama.embedding import LlamaEmbedding

        return LlamaEmbedding(path, **sizes, gpu_layers=spec.gpu_layers)
    if spec.kind != "language":
        raise _unknown(spec.backend, spec.kind)
    from edge_rt.backends.llama.backend import LlamaBackend

    make = LlamaBackend
    if spec.projector is not None:
        from edge_rt.backends.llama.eyes import SeeingBackend  # brings a library of some megabytes

        make = partial(SeeingBackend, projector=Path(spec.projector), use_gpu=spec.gpu_share >= 1.0)
    return make(
        path,
        **sizes,
        sequences=spec.sequences,
        outputs=spec.outputs,
        gpu_layers=spec.gpu_layers,
        flash_attention=spec.flash_attention,
        kv_type=spec.kv_type,
        adapters=spec.adapters,
        weights=weights,
    )


def _onnx(spec: ModelSpec, threads: int) -> AnyBackend:
    from edge_rt.backends.onnx.backend import OnnxBackend
    from edge_rt.backends.onnx.tasks import OnnxEmbedding

    path, sizes, providers = Path(spec.path), _sizes(spec, threads), spec.providers
    if spec.kind == "embedding":
        return OnnxEmbedding(path, **sizes, pooling=spec.pooling, providers=providers)
    return OnnxBackend(
        path, **sizes, sequences=spec.sequences, outputs=spec.outputs, providers=providers
    )


class _Sizes(TypedDict):
    """What all models of text are told."""

    context: int
    batch: int
    threads: int


def _sizes(spec: ModelSpec, threads: int) -> _Sizes:
    batch = max(spec.batch, spec.sequences)  # a pass holds a token of each sequence at least
    return {"context": spec.context, "batch": batch, "threads": threads}


@contextmanager
def _installed(backend: str) -> Generator[None]:
    """Say what to install when a library of `backend` is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise ModelFileError(
            f"{backend} models need {error.name}, which is not installed: pip install {error.name}"
        ) from error


def _unknown(backend: str, kind: str = "language") -> ModelFileError:
    return ModelFileError(f"this engine has no backend called {backend!r} for {kind} models")


@dataclass(frozen=True)
class LoadOutcome:
    """What became of one load: the backend, or why there is none."""

    spec: ModelSpec
    result: AnyBackend | str
    load_s: float


Done = tuple[str, LoadOutcome] | Tokenized
"""A model and what became of its load, or the answer of a vocabulary."""


class Loader:
    """Does one thing after the other in a thread; readable (select) when one has finished."""

    def __init__(
        self,
        make_backend: Callable[[ModelSpec, int], AnyBackend],
        open_vocabulary: OpenVocabulary = no_vocabulary,
    ) -> None:
        self._make_backend = make_backend
        self._vocabularies = Vocabularies(open_vocabulary)
        self._aside = Aside[Done]("loader")

    def fileno(self) -> int:
        return self._aside.fileno()

    def start(self, model: str, spec: ModelSpec, threads: int) -> None:
        """Load `spec` as `model` once earlier loads are done."""
        self._aside.do(lambda: (model, self._load(spec, threads)))

    def ask(self, asked: Tokenize) -> None:
        """Tell of tokens once earlier loads and questions are done."""
        self._aside.do(lambda: self._vocabularies.answer(asked))

    def finished(self) -> Iterator[Done]:
        """Yield what finished since the last call."""
        return self._aside.finished()

    def close(self) -> None:
        """Close the descriptor."""
        self._aside.close()

    def _load(self, spec: ModelSpec, threads: int) -> LoadOutcome:
        begin = time.monotonic()
        try:
            result: AnyBackend | str = self._make_backend(spec, threads)
        except Exception as error:
            result = _reason(error)
        return LoadOutcome(spec, result, time.monotonic() - begin)
