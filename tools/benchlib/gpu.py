"""The GPU of this machine: by which llama.cpp it is found, and the energy that it has taken."""

from __future__ import annotations

import ctypes
import json
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from benchlib import BenchError
from edge_rt.board.readers.clocks import gpu_devices

_PROBE = """
import msgspec
from edge_rt.backends.llama import model  # which has llama.cpp load its libraries
from edge_rt.backends.llama.devices import gpu_devices
print(msgspec.json.encode(gpu_devices()).decode())
"""


@dataclass(frozen=True)
class Gpu:
    """What is there."""

    kind: str
    clock: Path | None  # the file of its highest clock, where this user may write it


def find(python: Path, root: Path = Path("/")) -> Gpu | None:
    """Return the first GPU that the llama.cpp of `python` finds; None where it finds none."""
    done = subprocess.run([python, "-c", _PROBE], capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchError(f"{python} cannot tell its GPUs: {done.stderr.strip()[-300:]}")
    for device in json.loads(done.stdout):
        simulated = ", simulated by the CPU" if device["simulated"] else ""
        return Gpu(f"{device['name']} by {device['backend']}{simulated}", _clock(root))
    return None


def energy_j() -> float | None:
    """Joules that the card has taken since its driver was loaded, by NVML; None without it."""
    taken = ctypes.c_ulonglong()
    with _nvml() as (library, device):
        if library is None or library.nvmlDeviceGetTotalEnergyConsumption(
            device, ctypes.byref(taken)
        ):
            return None
    return taken.value / 1000


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


def _clock(root: Path) -> Path | None:
    for device in gpu_devices(root / "sys"):
        path = device / "max_freq"
        with suppress(OSError), path.open("r+"):
            return path
    return None


def ways(gpu: Gpu) -> Mapping[str, Mapping[str, object]]:
    """Sections of the daemon's configuration by what is compared."""
    offloaded = {"engine": {"gpu_layers": 999}}
    found: dict[str, Mapping[str, object]] = {"cpu": {}, "gpu": offloaded}
    if gpu.clock is not None:
        found["governed"] = {**offloaded, "knobs": {"gpufreq": "governed"}}
    return found
