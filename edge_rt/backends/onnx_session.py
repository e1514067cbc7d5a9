"""Sessions of onnxruntime: threads, spinning and execution providers, the same for every use."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edge_rt.errors import ModelFileError

PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "xnnpack": "XnnpackExecutionProvider",
    "qnn": "QNNExecutionProvider",
}
"""What a configuration calls an execution provider, and what onnxruntime does."""

_QUIET = 4  # fatal errors only: what goes wrong is raised, and need not be logged as well


def version() -> str:
    """The version of onnxruntime; ModelFileError when it is not installed."""
    return str(_onnxruntime().__version__)


def open_session(
    path: Path, threads: int, providers: Sequence[str] = ("cpu",), *, spinning: bool = False
) -> Any:
    """The InferenceSession of the model at `path`.

    `providers` are keys of PROVIDERS, the preferred first; what they cannot run, the CPU does.
    With `spinning`, idle threads wait for work without sleeping: faster on a quiet machine, at the
    cost of whatever else wants its cores. ModelFileError for a provider that this onnxruntime
    was built without and for a file that it cannot load.
    """
    runtime = _onnxruntime()
    wanted = _full_names(providers, runtime.get_available_providers())
    try:
        return runtime.InferenceSession(
            str(path), _options(runtime, threads, spinning), providers=wanted
        )
    except Exception as error:  # its own classes, which have no common base of theirs
        raise ModelFileError(f"onnxruntime cannot load {path.name}: {_reason(error)}") from error


def _options(runtime: Any, threads: int, spinning: bool) -> Any:
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _QUIET
    for kind in ("intra", "inter"):
        options.add_session_config_entry(f"session.{kind}_op.allow_spinning", str(int(spinning)))
    return options


def _full_names(providers: Sequence[str], available: Sequence[str]) -> list[str]:
    names = list(dict.fromkeys([*providers, "cpu"]))
    for name in names:
        if name not in PROVIDERS:
            raise ModelFileError(
                f"there is no execution provider {name!r}: use {', '.join(PROVIDERS)}"
            )
        if PROVIDERS[name] not in available:
            here = ", ".join(short for short, full in PROVIDERS.items() if full in available)
            raise ModelFileError(
                f"this onnxruntime was built without the execution provider {name!r} "
                f"({PROVIDERS[name]}): it has {here}"
            )
    return [PROVIDERS[name] for name in names]


def _onnxruntime() -> Any:
    try:
        import onnxruntime  # pyright: ignore[reportMissingTypeStubs]
    except ImportError as error:
        raise ModelFileError(
            "ONNX models need onnxruntime, which is not installed: pip install 'edge_rt[onnx]'"
        ) from error
    return onnxruntime


def _reason(error: Exception) -> str:
    """Its first line, without the number that onnxruntime puts before it."""
    first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return first.rpartition(" : ")[2] if first.startswith("[ONNXRuntimeError]") else first
