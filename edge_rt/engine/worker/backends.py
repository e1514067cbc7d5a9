"""The backends of this engine, by the name and the kind of model in a spec."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TypedDict

import msgspec

from edge_rt.backends.base import PromptVocabulary
from edge_rt.engine.builds import BUILDS
from edge_rt.engine.protocol import ModelSpec
from edge_rt.engine.worker.memory import own_bytes
from edge_rt.engine.worker.model_registry import AnyBackend
from edge_rt.errors import ModelFileError

log = logging.getLogger(__name__)


def make_backend(spec: ModelSpec, threads: int) -> AnyBackend:
    """The backend that `spec` names, loaded. Raises EdgeError when it cannot be."""
    with _installed(spec.backend):
        return _maker(spec)(spec, threads)


def make_without_gpu(spec: ModelSpec, threads: int) -> AnyBackend:
    """The same with all layers on the CPU."""
    if spec.gpu_layers:
        log.warning("the GPU is simulated: the CPU computes what is to lie there of %s", spec.path)
    return make_backend(msgspec.structs.replace(spec, gpu_layers=0), threads)


def open_vocabulary(backend: str, path: str) -> PromptVocabulary:
    """The vocabulary of a file for that backend. Raises EdgeError when it cannot be had."""
    if Path(path).is_fifo():  # a native library would wait for the writer of a FIFO
        raise ModelFileError(f"{path}: not a regular file")
    with _installed(backend):
        if backend == "llama.cpp":
            from edge_rt.backends.llama.vocabulary import LlamaVocabulary

            return LlamaVocabulary(Path(path))
        if backend == "onnx":
            from edge_rt.backends.onnx.vocabulary import OnnxVocabulary

            return OnnxVocabulary(Path(path))
    raise _unknown(backend)


def versions() -> dict[str, str]:
    """The version of each backend that is installed.

    onnxruntime is not imported for it, which would take memory from engines that never need it.
    """
    from edge_rt.backends.llama.backend import VERSION

    found = {"llama.cpp": VERSION}
    for build in BUILDS["onnx"]:
        with suppress(PackageNotFoundError):
            found["onnx"] = version(build)
    return found


def _maker(spec: ModelSpec) -> Callable[[ModelSpec, int], AnyBackend]:
    found = {
        ("llama.cpp", "language"): _llama,
        ("llama.cpp", "embedding"): _llama_embedding,
        ("onnx", "language"): _onnx,
        ("onnx", "embedding"): _onnx_embedding,
        ("onnx", "tensors"): _onnx_tensors,
    }.get((spec.backend, spec.kind))
    if found is None:
        raise _unknown(spec.backend, spec.kind)
    return found


def _llama(spec: ModelSpec, threads: int) -> AnyBackend:
    from edge_rt.backends.llama.backend import LlamaBackend

    return LlamaBackend(
        Path(spec.path),
        **_sizes(spec, threads),
        sequences=spec.sequences,
        outputs=spec.outputs,
        gpu_layers=spec.gpu_layers,
        flash_attention=spec.flash_attention,
        kv_type=spec.kv_type,
    )


def _llama_embedding(spec: ModelSpec, threads: int) -> AnyBackend:
    from edge_rt.backends.llama.embedding import LlamaEmbedding

    return LlamaEmbedding(Path(spec.path), **_sizes(spec, threads), gpu_layers=spec.gpu_layers)


def _onnx(spec: ModelSpec, threads: int) -> AnyBackend:
    from edge_rt.backends.onnx.backend import OnnxBackend

    return OnnxBackend(
        Path(spec.path),
        **_sizes(spec, threads),
        sequences=spec.sequences,
        outputs=spec.outputs,
        providers=spec.providers,
        held=own_bytes,
    )


def _onnx_embedding(spec: ModelSpec, threads: int) -> AnyBackend:
    from edge_rt.backends.onnx.embedding import OnnxEmbedding

    return OnnxEmbedding(
        Path(spec.path),
        **_sizes(spec, threads),
        pooling=spec.pooling,
        providers=spec.providers,
    )


def _onnx_tensors(spec: ModelSpec, threads: int) -> AnyBackend:
    from edge_rt.backends.onnx.tensors import OnnxTensors

    return OnnxTensors(Path(spec.path), threads=threads, providers=spec.providers)


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
