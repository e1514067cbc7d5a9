"""Loading models, and counting tokens without one, beside the decode loop."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from edge_rt.engine.protocol import Count, Counted, ModelSpec
from edge_rt.engine.worker.aside import Aside
from edge_rt.engine.worker.counting import OpenVocabulary, Vocabularies, no_vocabulary
from edge_rt.engine.worker.model_registry import AnyBackend
from edge_rt.errors import EdgeError


@dataclass(frozen=True)
class Outcome:
    """What became of one load: the backend, or why there is none."""

    spec: ModelSpec
    result: AnyBackend | str
    load_s: float


Done = tuple[str, Outcome] | Counted
"""A model and what became of its load, or the answer to a count."""


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
        """See Aside."""
        return self._aside.fileno()

    def start(self, model: str, spec: ModelSpec, threads: int) -> None:
        """Load `spec` as `model` once earlier loads are done."""
        self._aside.do(lambda: (model, self._load(spec, threads)))

    def count(self, asked: Count) -> None:
        """Count for a model that is not loaded once earlier loads and counts are done."""
        self._aside.do(lambda: self._vocabularies.count(asked))

    def finished(self) -> Iterator[Done]:
        """What finished since the last call."""
        return self._aside.finished()

    def _load(self, spec: ModelSpec, threads: int) -> Outcome:
        begin = time.monotonic()
        try:
            result: AnyBackend | str = self._make_backend(spec, threads)
        except EdgeError as error:
            result = str(error)
        except Exception as error:  # a bug or a broken install: the front must hear of it too
            result = f"{type(error).__name__}: {error}"
        return Outcome(spec, result, time.monotonic() - begin)
