"""An onnxruntime session for models that keep nothing from pass to pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from edge_rt.backends.onnx_session import OnnxSession


@dataclass(frozen=True)
class Node:
    """An input or output as the graph declares it; a dimension that is no number has any size."""

    name: str
    kind: str  # onnxruntime's word for the type, such as "tensor(float)"
    dims: tuple[int | str | None, ...]


class PlainSession(OnnxSession):
    """See OnnxSession."""

    @property
    def inputs(self) -> list[Node]:
        """What a run takes."""
        return [_node(value) for value in self._session.get_inputs()]

    @property
    def outputs(self) -> list[Node]:
        """What comes of it."""
        return [_node(value) for value in self._session.get_outputs()]

    def compute(
        self, outputs: Sequence[str], inputs: Mapping[str, NDArray[Any]], *, threads: int
    ) -> list[NDArray[Any]]:
        """The outputs of those names for inputs by name; raises onnxruntime's own errors.

        EngineError where the session cannot be made again for another number of threads.
        """
        self.use(threads)
        found: list[NDArray[Any]] = self._session.run(list(outputs), dict(inputs))
        return found


def _node(value: Any) -> Node:
    return Node(value.name, value.type, tuple(value.shape))
