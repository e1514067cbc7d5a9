"""What the sequences of a model, and the schedulers of other models, ask of its scheduler."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from edge_rt.backends.base import Backend
from edge_rt.core.errors import Unavailable
from edge_rt.engine.kv.checkpointer import Checkpointer
from edge_rt.engine.kv.prefixes import PrefixCache
from edge_rt.engine.kv.sequences import SequencePool

if TYPE_CHECKING:
    from edge_rt.decoding.constraints.grammars import Grammars
    from edge_rt.engine.generation.checker import Checkers
    from edge_rt.engine.generation.generation import Generation
    from edge_rt.engine.generation.model_sequence import ModelSequence


class Home(Protocol):
    """The scheduler of a model, as its sequences and other models' schedulers see it."""

    pool: SequencePool
    prefixes: PrefixCache
    checkpointer: Checkpointer

    @property
    def backend(self) -> Backend:
        """The model."""
        ...

    def queue(self, answer: Generation) -> None:
        """`answer` waits for a sequence."""
        ...

    def admitted(self, answer: Generation) -> None:
        """`answer` has taken its sequences."""
        ...

    def left(self, answer: Generation) -> None:
        """`answer` waits or runs no more."""
        ...

    @property
    def grammars(self) -> Grammars:
        """What compiles constraints for the model."""
        ...

    @property
    def checkers(self) -> Checkers:
        """The programs that judge texts for the model."""
        ...

    def awaits(self, sequence: ModelSequence) -> bool:
        """Whether a prompt that is being read will soon spare `sequence` much reading."""
        ...


def nobody(model: str) -> Home:
    """Raise Unavailable, since no model of that name is loaded."""
    raise Unavailable(f"the engine has not loaded {model}", retry_after_s=1.0, code="not_loaded")
