"""The GPUs among the devices that ggml lists are found, each with memory of its own."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any, NamedTuple

from edge_rt.backends.llama.devices import gpu_devices
from edge_rt.core.reports.offload import OffloadDevice

CPU, OWN, SHARED, ACCELERATOR = range(4)  # enum ggml_backend_dev_type
GB = 1 << 30


class Listed(NamedTuple):
    """A device as ggml knows it; it is asked for its memory only where that is a number."""

    kind: int
    name: bytes
    backend: bytes
    memory: tuple[int, int] | None = None


class Ggml:
    """Has ggml's functions over a list of devices, whose addresses are their numbers from 1 on."""

    def __init__(self, *listed: Listed) -> None:
        def text(of: Callable[[Listed], bytes]) -> Any:
            return lambda device: of(listed[device - 1])

        self.ggml_backend_dev_count = self._function(lambda: len(listed))
        self.ggml_backend_dev_get = self._function(lambda number: number + 1)
        self.ggml_backend_dev_type = self._function(lambda device: listed[device - 1].kind)
        self.ggml_backend_dev_description = self._function(text(lambda one: one.name))
        self.ggml_backend_dev_backend_reg = self._function(lambda device: device)
        self.ggml_backend_reg_name = self._function(text(lambda one: one.backend))
        self.ggml_backend_dev_memory = self._function(self._memory)
        self._listed = listed

    def _memory(self, device: int, free: Any, total: Any) -> None:
        memory = self._listed[device - 1].memory
        assert memory is not None, "asking makes a context there"
        ctypes.cast(free, ctypes.POINTER(ctypes.c_size_t))[0] = memory[0]
        ctypes.cast(total, ctypes.POINTER(ctypes.c_size_t))[0] = memory[1]

    @staticmethod
    def _function(does: Callable[..., Any]) -> Any:
        def function(*given: Any) -> Any:
            return does(*given)

        return function


def test_a_card_has_memory_of_its_own() -> None:
    card = Listed(OWN, b"NVIDIA RTX A2000", b"CUDA", (5 * GB, 6 * GB))
    ggml = Ggml(Listed(CPU, b"A CPU", b"CPU"), card, Listed(ACCELERATOR, b"BLAS", b"BLAS"))
    found = [OffloadDevice("NVIDIA RTX A2000", "CUDA", False, 6 * GB, 5 * GB, False)]
    assert gpu_devices(ggml) == found


def test_a_board_s_gpu_shares_its_memory_and_is_not_asked() -> None:
    found = [OffloadDevice("Orin", "CUDA", True, None, None, False)]
    assert gpu_devices(Ggml(Listed(SHARED, b"Orin", b"CUDA"))) == found


def test_what_a_cpu_computes_is_told_apart_and_has_the_board_s_memory() -> None:
    lavapipe = Listed(OWN, b"llvmpipe (LLVM 19.1.7, 256 bits)", b"Vulkan", (GB, 2 * GB))
    [found] = gpu_devices(Ggml(lavapipe))
    assert (found.shared, found.simulated) == (True, True)
    assert (found.free_bytes, found.total_bytes) == (GB, 2 * GB)


def test_no_device_is_no_gpu() -> None:
    """RPC, which counts as a GPU for llama.cpp, has none before a board is named to it."""
    assert gpu_devices(Ggml(Listed(CPU, b"A CPU", b"CPU"))) == []
