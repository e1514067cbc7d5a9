"""The GPUs that llama.cpp finds, by functions of ggml that its Python package has no names for."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from pathlib import Path
from typing import Any

import llama_cpp.llama_cpp as lib

from edge_rt.core.reports.offload import OffloadDevice

LIBRARIES = Path(lib.__file__).parent / "lib"
_OWN, _SHARED = 1, 2  # enum ggml_backend_dev_type: a GPU with memory of its own, or the board's
_BY_CPU = ("llvmpipe", "SwiftShader")  # how those are called that a CPU computes


def native() -> Any:
    """Return libllama; in it symbols of libggml are found, too, which it is linked against."""
    return ctypes.CDLL(str(LIBRARIES / "libllama.so"))


def gpu_devices(ggml: Any = None) -> list[OffloadDevice]:
    """Return those that layers may be put on; `ggml` has ggml's functions, None: llama.cpp's.

    Memory that a GPU shares with the board is not asked for, which would make a context there.
    """
    ggml = ggml or native()
    get = _typed(ggml.ggml_backend_dev_get, ctypes.c_void_p, ctypes.c_size_t)
    count = _typed(ggml.ggml_backend_dev_count, ctypes.c_size_t)()
    kind = _typed(ggml.ggml_backend_dev_type, ctypes.c_int, ctypes.c_void_p)
    devices = [get(number) for number in range(count)]
    return [_gpu(ggml, one, kind(one)) for one in devices if kind(one) in (_OWN, _SHARED)]


def _gpu(ggml: Any, device: int, kind: int) -> OffloadDevice:
    registry = _typed(ggml.ggml_backend_dev_backend_reg, ctypes.c_void_p, ctypes.c_void_p)
    text = ctypes.c_char_p, ctypes.c_void_p
    name = _typed(ggml.ggml_backend_dev_description, *text)(device).decode(errors="replace")
    backend = _typed(ggml.ggml_backend_reg_name, *text)(registry(device)).decode()
    simulated = name.startswith(_BY_CPU)
    free, total = _memory(ggml, device) if kind == _OWN else (None, None)
    return OffloadDevice(name, backend, kind == _SHARED or simulated, total, free, simulated)


def _memory(ggml: Any, device: int) -> tuple[int, int]:
    """Return the bytes of memory that are free and those of all."""
    free, total = ctypes.c_size_t(), ctypes.c_size_t()
    size = ctypes.POINTER(ctypes.c_size_t)
    ask = _typed(ggml.ggml_backend_dev_memory, None, ctypes.c_void_p, size, size)
    ask(device, ctypes.byref(free), ctypes.byref(total))
    return free.value, total.value


def _typed(function: Any, result: Any, *arguments: Any) -> Callable[..., Any]:
    function.restype, function.argtypes = result, arguments
    return function
