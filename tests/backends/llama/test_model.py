"""Weights go where they were told to, or nowhere."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import llama_cpp.llama_cpp as lib
import pytest

from edge_rt.backends.llama import model
from edge_rt.backends.llama.model import load_vocabulary, load_weights
from edge_rt.core.errors import ModelFileError
from edge_rt.core.reports.offload import OffloadDevice

ORIN = OffloadDevice("Orin", "CUDA", True, None, None, False)


@pytest.fixture
def devices(monkeypatch: pytest.MonkeyPatch) -> list[list[int] | None]:
    """Return which devices each load may use, None: all; nothing is loaded."""
    told: list[list[int] | None] = []

    def note(_path: bytes, params: Any) -> int:
        address, found = params.devices, list[int]()
        while address and (device := ctypes.c_void_p.from_address(address).value):
            found.append(device)
            address += ctypes.sizeof(ctypes.c_void_p)
        told.append(found if params.devices else None)
        return 1

    monkeypatch.setattr(lib, "llama_model_load_from_file", note)
    return told


def test_layers_for_a_gpu_that_is_not_there_are_refused(
    smollm2: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model, "gpu_devices", list[OffloadDevice])
    with pytest.raises(ModelFileError, match=r"`engine\.gpu_layers` is 9, and this llama\.cpp"):
        load_weights(smollm2, 9)
    lib.llama_model_free(load_weights(smollm2, 0))


def test_without_layers_there_no_gpu_is_used(devices: list[list[int] | None]) -> None:
    """llama.cpp has one multiply large batches all the same, whose answers are then others."""
    load_weights(Path("x.gguf"), 0)
    load_vocabulary(Path("x.gguf"))
    assert devices == [[], []]


def test_layers_go_to_all_gpus(
    devices: list[list[int] | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model, "gpu_devices", lambda: [ORIN])
    load_weights(Path("x.gguf"), 9)
    assert devices == [None]
