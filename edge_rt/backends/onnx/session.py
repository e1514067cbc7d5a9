"""An onnxruntime session that can be replaced between two passes.

onnxruntime fixes the number of threads when a session is made, so another number means another
session, whose weights are mapped and packed again: a few passes' worth of time. Two sessions at
once would hold the packed weights twice.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime  # pyright: ignore[reportMissingTypeStubs]
from numpy.typing import NDArray

from edge_rt.core.errors import EngineError, ModelFileError

runtime: Any = onnxruntime  # it has no types
VERSION: str = runtime.__version__
_SUFFIX = "ExecutionProvider"
_CPU = f"CPU{_SUFFIX}"
_FATAL = 4  # what goes wrong is raised, and need not be logged as well


def provider_names(wanted: Sequence[str]) -> list[str]:
    """Return onnxruntime's names for `wanted`, as "cpu", "CUDA" or "TensorrtExecutionProvider".

    What they cannot run falls to the CPU. ModelFileError names what this build has not.
    """
    there = {_short(name): name for name in runtime.get_available_providers()}
    absent = [name for name in wanted if _short(name) not in there]
    if absent:
        raise ModelFileError(
            f"onnxruntime {VERSION} was built without the execution provider "
            f"{' and '.join(absent)}: it has {', '.join(there)}. "
            "Choose among them or install a build for this board"
        )
    return list(dict.fromkeys([*(there[_short(name)] for name in wanted), _CPU]))


def _short(name: str) -> str:
    return name.lower().removesuffix(_SUFFIX.lower())


@dataclass(frozen=True)
class Node:
    """An input or output as the graph declares it; a dimension that is no number has any size."""

    name: str
    kind: str  # onnxruntime's word for the type, such as "tensor(float)"
    dims: tuple[int | str | None, ...]


def _node(value: Any) -> Node:
    return Node(value.name, value.type, tuple(value.shape))


class OnnxSession:
    """The model at `path` on `providers` with some number of threads."""

    def __init__(self, path: Path, *, threads: int, providers: Sequence[str] = ()) -> None:
        """Open the model.

        `providers` are in order of preference; see `provider_names`. Raises ModelFileError with
        onnxruntime's own words.
        """
        self._path = path
        self._providers = provider_names(providers)
        self.threads = threads
        self._session: Any = self._made()  # None: closed, or could not be made again

    @property
    def inputs(self) -> list[Node]:
        """What a pass takes."""
        return [_node(value) for value in self._session.get_inputs()]

    @property
    def outputs(self) -> list[Node]:
        """What comes of it."""
        return [_node(value) for value in self._session.get_outputs()]

    def stale(self, threads: int) -> bool:
        """Return whether another session is needed to compute with `threads` threads."""
        return self._session is None or threads != self.threads

    def renew(self, threads: int) -> None:
        """Replace the session and give back the memory that the old one held.

        Bindings of the old one are of no use and must be gone. EngineError when it cannot be made.
        """
        self.close()
        self.threads = threads
        try:
            self._session = self._made()
        except ModelFileError as error:  # it had been loaded before
            raise EngineError(str(error)) from error

    def binding(self) -> Any:
        """Return a new IOBinding; see `bind`."""
        return self._session.io_binding()

    def run(self, binding: Any) -> None:
        """Do one pass; raises EngineError with onnxruntime's own words."""
        try:
            self._session.run_with_iobinding(binding)
        except Exception as error:  # its own classes, which have no base of theirs
            raise EngineError(
                f"onnxruntime could not run the model: {first_line(error)}"
            ) from error

    def compute(
        self, outputs: Sequence[str], inputs: Mapping[str, NDArray[Any]], *, threads: int
    ) -> list[NDArray[Any]]:
        """Return the outputs of those names for inputs by name; raises onnxruntime's own errors.

        EngineError where the session cannot be made again for another number of threads.
        """
        if self.stale(threads):
            self.renew(threads)
        options = runtime.RunOptions()
        options.log_severity_level = _FATAL
        found: list[NDArray[Any]] = self._session.run(list(outputs), dict(inputs), options)
        return found

    def close(self) -> None:
        """Free the session. A closed one may be closed again."""
        self._session = None
        _give_back()

    def _made(self) -> Any:
        try:
            made = runtime.InferenceSession(
                str(self._path),
                self._options(),
                providers=self._providers,
                enable_fallback=0,  # an absent device must not become the CPU in silence
            )
        except Exception as error:  # its own classes, which have no base of theirs
            raise ModelFileError(
                f"onnxruntime cannot load {self._path.name}: {first_line(error)}"
            ) from error
        started = made.get_providers()
        failed = [_short(name) for name in self._providers if name not in started]
        if failed:
            raise ModelFileError(
                f"onnxruntime could not start the execution provider {' and '.join(failed)}: "
                "are the libraries that it needs installed?"
            )
        _give_back()  # what optimising the graph took may be as much as the graph
        return made

    def _options(self) -> Any:
        options = runtime.SessionOptions()
        options.intra_op_num_threads = self.threads
        options.inter_op_num_threads = 1
        options.enable_mem_pattern = False  # it keeps a plan for every shape that it ever saw
        options.log_severity_level = _FATAL
        # Threads wait awake for the next step within a pass, never between passes: on two quiet
        # cores half as fast again when decoding, beside a busy one a quarter slower, and other
        # libraries in the process notice nothing.
        options.add_session_config_entry("session.intra_op.allow_spinning", "1")
        options.add_session_config_entry("session.force_spinning_stop", "1")
        return options


def bind(method: Callable[..., object], name: str, numbers: NDArray[np.float32]) -> None:
    """Bind numbers that lie together in memory by `bind_input` or `bind_output`."""
    method(name, "cpu", 0, np.float32, list(numbers.shape), numbers.ctypes.data)


def first_line(error: Exception) -> str:
    """Return what onnxruntime says, without the prefix of its errors and the call stack."""
    line = str(error).strip().partition("\n")[0] or type(error).__name__
    return line.rpartition(" : ")[2] if line.startswith("[ONNXRuntimeError]") else line


def _give_back() -> None:
    """Return memory that the C library holds free to the system, where it can (glibc)."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
