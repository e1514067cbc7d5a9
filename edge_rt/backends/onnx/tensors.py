"""Any model for onnxruntime: named tensors in, named tensors out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_rt.backends.base import LooseArray, Watched, unwatched
from edge_rt.backends.onnx.session import Node, OnnxSession, first_line
from edge_rt.core.errors import EdgeError, ModelFileError, RequestError

_TYPES = {
    "tensor(float)": "float32",
    "tensor(double)": "float64",
    "tensor(float16)": "float16",
    "tensor(bool)": "bool",
    **{
        f"tensor({sign}int{bits})": f"{sign}int{bits}"
        for sign in ("", "u")
        for bits in (8, 16, 32, 64)
    },
}
"""What onnxruntime calls the types that travel, and what numpy does."""


class OnnxTensors:
    """One model; see TensorBackend."""

    def __init__(self, path: Path, *, threads: int, providers: Sequence[str] = ()) -> None:
        """Load the model at `path`. ModelFileError when it cannot be, or takes or gives what
        cannot be sent, such as texts.
        """
        self._threads = threads
        self._session = OnnxSession(path, threads=threads, providers=providers)
        self._inputs = {node.name: _Input(node, path) for node in self._session.inputs}
        self._outputs = [node.name for node in self._session.outputs]
        for node in self._session.outputs:
            _dtype(node, path)

    def check(self, tensors: Mapping[str, LooseArray]) -> dict[str, NDArray[Any]]:
        if len(self._inputs) == 1 and list(tensors) == [""]:
            tensors = {next(iter(self._inputs)): tensors[""]}
        if "" in tensors:
            message = f"`input`: name the one that the array is for; {self._known()}."
            raise RequestError(message, param="input", code="missing_required_parameter")
        for name in tensors:
            if name not in self._inputs:
                raise _fault(name, f"the model has no such input, {self._known()}")
        for name in self._inputs:
            if name not in tensors:
                raise _fault(name, f"is missing; {self._known()}")
        fitted = {name: self._inputs[name].fit(tensors[name]) for name in self._inputs}
        _check_names([(self._inputs[name], array) for name, array in fitted.items()])
        return fitted

    def run(
        self, inputs: Mapping[str, NDArray[Any]], watched: Watched = unwatched
    ) -> dict[str, NDArray[Any]]:
        try:
            found = self._session.compute(
                self._outputs, inputs, threads=self._threads, watched=watched
            )
        except EdgeError:
            raise
        except Exception as error:  # its own classes, which have no base of theirs
            # Sizes that no declaration tells of, such as a sum that must fit, fail only here.
            raise RequestError(
                f"`inputs`: the model cannot run on these: {first_line(error)}",
                param="inputs",
                code="invalid_value",
            ) from error
        return {name: np.asarray(value) for name, value in zip(self._outputs, found, strict=True)}

    def set_threads(self, threads: int) -> None:
        self._threads = threads

    def close(self) -> None:
        """Free all its memory; may be called again."""
        self._session.close()

    def _known(self) -> str:
        return f"it takes {', '.join(map(str, self._inputs.values())) or 'none'}"


class _Input:
    """What the model says of one input."""

    def __init__(self, node: Node, path: Path) -> None:
        self.name, self.dims = node.name, node.dims
        self.dtype = _dtype(node, path)

    def __str__(self) -> str:
        sizes = ", ".join(str(dim) if isinstance(dim, int) else "any" for dim in self.dims)
        return f"{self.name} {self.dtype} ({sizes})"

    def fit(self, given: LooseArray) -> NDArray[Any]:
        """The array with the type of this input; RequestError when it has not its shape."""
        array = given.array
        known = [
            dim if isinstance(dim, int) else size
            for dim, size in zip(self.dims, array.shape, strict=False)
        ]
        if len(array.shape) != len(self.dims) or list(array.shape) != known:
            raise _fault(self.name, f"expected {self}, got the shape {_shape(array)}")
        if array.dtype == self.dtype:
            return array
        if given.loose:
            with np.errstate(all="ignore"):
                cast = array.astype(self.dtype)
            if self.dtype.kind == "f" or np.array_equal(cast.astype(array.dtype), array):
                return cast
        raise _fault(self.name, f"expected {self}, got {_kind(given)}")


def _dtype(node: Node, path: Path) -> np.dtype[Any]:
    dtype = _TYPES.get(node.kind)
    if dtype is None:
        raise ModelFileError(f"{path.name}: {node.name!r} is a {node.kind}, which cannot be sent")
    return np.dtype(dtype)


def _check_names(fitted: Sequence[tuple[_Input, NDArray[Any]]]) -> None:
    """Sizes of the same name are the same, as the model declares."""
    sizes: dict[str, tuple[int, str]] = {}
    for wanted, array in fitted:
        for dim, size in zip(wanted.dims, array.shape, strict=True):
            if not isinstance(dim, str):
                continue
            first, other = sizes.setdefault(dim, (size, wanted.name))
            if size != first:
                raise _fault(
                    wanted.name,
                    f"its size of {dim!r} is {size}, that of `inputs.{other}` is {first}",
                )


def _fault(name: str, what: str) -> RequestError:
    param = f"inputs.{name}"
    return RequestError(f"`{param}`: {what}.", param=param, code="invalid_value")


def _shape(array: NDArray[Any]) -> str:
    return f"({', '.join(map(str, array.shape))})"


def _kind(given: LooseArray) -> str:
    if not given.loose:
        return str(given.array.dtype)
    return "numbers that it cannot hold"
