"""The backends of this engine, by the name and the kind of model in a spec."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from edge_rt.backends.base import Vocabulary
from edge_rt.engine.protocol import ModelSpec
from edge_rt.engine.roster import AnyBackend
from edge_rt.errors import ModelFileError


def make_backend(spec: ModelSpec, threads: int) -> AnyBackend:
    """The backend that `spec` names, loaded. Raises EdgeError when it cannot be."""
    return _maker(spec)(spec, threads)


def open_vocabulary(backend: str, path: str) -> Vocabulary:
    """The vocabulary of a file for that backend. Raises EdgeError when it cannot be had."""
    if backend != "llama.cpp":
        raise _unknown(backend)
    from edge_rt.backends.llama_vocabulary import LlamaVocabulary

    return LlamaVocabulary(Path(path))


def _maker(spec: ModelSpec) -> Callable[[ModelSpec, int], AnyBackend]:
    found = {
        ("llama.cpp", "language"): _llama,
        ("llama.cpp", "embedding"): _llama_embedding,
        ("onnx", "embedding"): _onnx_embedding,
        ("onnx", "tensors"): _onnx_tensors,
    }.get((spec.backend, spec.kind))
    if found is None:
        raise _unknown(spec.backend, spec.kind)
    return found


def _llama(spec: ModelSpec, threads: int) -> AnyBackend:
    from edge_rt.backends.llama import LlamaBackend

    return LlamaBackend(
        Path(spec.path),
        context=spec.context,
        sequences=spec.sequences,
        batch=max(spec.batch, spec.sequences),
        threads=threads,
        gpu_layers=spec.gpu_layers,
        flash_attention=spec.flash_attention,
    )


def _llama_embedding(spec: ModelSpec, threads: int) -> AnyBackend:
    from edge_rt.backends.llama_embedding import LlamaEmbedding

    return LlamaEmbedding(
        Path(spec.path),
        context=spec.context,
        batch=spec.batch,
        threads=threads,
        gpu_layers=spec.gpu_layers,
    )


def _onnx_embedding(spec: ModelSpec, threads: int) -> AnyBackend:
    from edge_rt.backends.onnx_embedding import OnnxEmbedding

    return OnnxEmbedding(
        Path(spec.path),
        context=spec.context,
        batch=spec.batch,
        threads=threads,
        pooling=spec.pooling,
    )


def _onnx_tensors(spec: ModelSpec, threads: int) -> AnyBackend:
    from edge_rt.backends.onnx_tensors import OnnxTensors

    return OnnxTensors(Path(spec.path), threads=threads)


def _unknown(backend: str, kind: str = "language") -> ModelFileError:
    return ModelFileError(f"this engine has no backend called {backend!r} for {kind} models")
