"""Backends of other packages, which entry points in `edge_rt.backends` name."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, cast

from edge_rt.backends.base import PromptVocabulary
from edge_rt.core.errors import EdgeError, ModelFileError
from edge_rt.core.plugins import plugins
from edge_rt.engine.protocol import ModelSpec
from edge_rt.engine.worker.model_registry import AnyBackend


class BackendPackage(Protocol):
    """What an entry point names: a module, say, with these functions.

    They raise EdgeError where a model cannot be loaded.
    """

    def make_backend(self, spec: ModelSpec, threads: int) -> AnyBackend:
        """Load the model of `spec.path`, of the kind `spec.kind`."""
        ...

    def open_vocabulary(self, path: Path) -> PromptVocabulary:
        """Open the vocabulary of a language model, without the model."""
        ...


def versions_of_packages() -> dict[str, str]:
    """Return the version of the package of each such backend."""
    points = plugins("edge_rt.backends").items()
    return {name: point.dist.version if point.dist else "" for name, point in points}


@contextmanager
def backend_package(backend: str) -> Generator[BackendPackage]:
    """Load the package of a backend; whatever it raises in the block becomes a ModelFileError."""
    try:
        yield cast(BackendPackage, plugins("edge_rt.backends")[backend].load())
    except (EdgeError, MemoryError, ModuleNotFoundError):
        raise
    except Exception as error:
        raise ModelFileError(f"the package of the backend {backend!r} failed: {error}") from error
