"""The GPU of this machine: which one it is, and the energy that it has taken."""

from __future__ import annotations

import ctypes
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bootstrap.llama_wheel import NVCC

from benchlib import BenchError
from edge_rt.board.readers.clocks import gpu_devices

_JETSON = ("dev/nvhost-gpu", "dev/nvgpu", "dev/nvhost-ctrl-gpu")
_CARD = "dev/nvidia0"


@dataclass(frozen=True)
class Gpu:
    """What is there. `bytes` is memory of its own, None where it shares the board's."""

    kind: str
    bytes: int | None
    clock: Path | None  # the file of its highest clock, where this user may write it


def find(root: Path = Path("/"), which: Callable[[str], object] = shutil.which) -> Gpu:
    """The GPU below `root`; raises BenchError with what is missing to measure one."""
    jetson = any((root / place).exists() for place in _JETSON)
    if not jetson and not (root / _CARD).exists():
        looked = ", ".join(f"/{place}" for place in (*_JETSON, _CARD))
        raise BenchError(f"This machine has no GPU with CUDA: there is none of {looked}.")
    if not which("nvcc") and not (root / NVCC.relative_to("/")).exists():
        raise BenchError(
            "nvcc is missing, to build llama.cpp for the GPU: install the CUDA toolkit."
        )
    return Gpu("a Jetson's", None, _clock(root)) if jetson else Gpu("a card", _memory(), None)


def energy_j() -> float | None:
    """Joules that the card has taken since its driver was loaded, by NVML; None without it."""
    taken = ctypes.c_ulonglong()
    with _nvml() as (library, device):
        if library is None or library.nvmlDeviceGetTotalEnergyConsumption(
            device, ctypes.byref(taken)
        ):
            return None
    return taken.value / 1000


class _Memory(ctypes.Structure):
    _fields_ = [(name, ctypes.c_ulonglong) for name in ("total", "free", "used")]


class _nvml:  # noqa: N801
    """NVML and its first card, or (None, None); ended with the block."""

    def __enter__(self) -> tuple[ctypes.CDLL | None, ctypes.c_void_p | None]:
        self._library, device = None, ctypes.c_void_p()
        with suppress(OSError):
            library = ctypes.CDLL("libnvidia-ml.so.1")
            if library.nvmlInit_v2() == 0:
                self._library = library
                if library.nvmlDeviceGetHandleByIndex_v2(0, ctypes.byref(device)) == 0:
                    return library, device
        return None, None

    def __exit__(self, *_: object) -> None:
        if self._library is not None:
            self._library.nvmlShutdown()


def _memory() -> int | None:
    """Half of the card's memory that is free: what models may take."""
    memory = _Memory()
    with _nvml() as (library, device):
        if library is None or library.nvmlDeviceGetMemoryInfo(device, ctypes.byref(memory)):
            return None
    return memory.free // 2


def _clock(root: Path) -> Path | None:
    for device in gpu_devices(root / "sys"):
        path = device / "max_freq"
        with suppress(OSError), path.open("r+"):
            return path
    return None


def ways(gpu: Gpu) -> Mapping[str, Mapping[str, object]]:
    """Sections of the daemon's configuration by what is compared."""
    own = {"gpu_bytes": gpu.bytes} if gpu.bytes else {}
    offloaded = {"engine": {"gpu_layers": 999, **own}}
    found: dict[str, Mapping[str, object]] = {"cpu": {}, "gpu": offloaded}
    if gpu.clock is not None:
        found["governed"] = {**offloaded, "knobs": {"gpufreq": "governed"}}
    return found
