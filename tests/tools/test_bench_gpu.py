from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from benchlib import gpu
from benchmarks.gpu import CANNOT, Bench, command
from click.testing import CliRunner


def put(root: Path, *places: str) -> None:
    for place in places:
        path = root / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("1\n")


@pytest.fixture
def python(tmp_path: Path, script: Callable[[Path, str], Path]) -> Callable[..., Path]:
    """Makes a Python whose llama.cpp finds such devices."""

    def make(*devices: Mapping[str, object]) -> Path:
        return script(tmp_path / "python", f"#!/bin/sh\necho '{json.dumps(devices)}'\n")

    return make


def test_a_gpu_is_named_and_what_simulates_it(tmp_path: Path, python: Callable[..., Path]) -> None:
    orin = {"name": "Orin", "backend": "CUDA", "simulated": False}
    lavapipe = {"name": "llvmpipe", "backend": "Vulkan", "simulated": True}
    assert gpu.find(python(), tmp_path) is None
    assert gpu.find(python(orin), tmp_path) == gpu.Gpu("Orin by CUDA", None)
    simulated = gpu.Gpu("llvmpipe by Vulkan, simulated by the CPU", None)
    assert gpu.find(python(lavapipe), tmp_path) == simulated


def test_a_jetson_s_gpu_is_compared_with_a_governed_clock_where_that_can_be_set(
    tmp_path: Path, python: Callable[..., Path]
) -> None:
    orin = python({"name": "Orin", "backend": "CUDA", "simulated": False})
    found = gpu.find(orin, tmp_path)
    assert found is not None
    assert list(gpu.ways(found)) == ["cpu", "gpu"]
    devices = [f"sys/class/devfreq/{name}" for name in ("17000000.gpu", "emc")]
    put(tmp_path, *(f"{device}/{file}" for device in devices for file in ("cur_freq", "max_freq")))
    found = gpu.find(orin, tmp_path)
    assert found is not None
    assert found.clock == tmp_path / "sys/class/devfreq/17000000.gpu/max_freq"
    assert gpu.ways(found)["governed"]["knobs"] == {"gpufreq": "governed"}


def test_the_report_compares_each_figure_with_the_cpu_s() -> None:
    bench = Bench(gpu.Gpu("a card", None), Path("python"), "model", 10)
    cost = {"prompt_tokens": 100, "prefill_s": 2.0, "decode_s": 5.0, "energy_j": 4.0}
    bench.note("cpu", cost)
    bench.note("gpu", cost | {"prefill_s": 0.5, "decode_s": 1.0, "energy_j": None})
    values = bench.report().values
    assert values["cpu_decode_tokens_per_s"] == 2.0
    assert values["cpu_energy_j_per_token"] == 0.4
    assert values["gpu_decode_tokens_per_s_vs_cpu"] == 5.0
    assert values["gpu_prefill_tokens_per_s_vs_cpu"] == 4.0
    assert "gpu_energy_j_per_token" not in values


def test_without_a_gpu_the_program_says_how_to_have_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "find", lambda python: None)
    done = CliRunner().invoke(command, [])
    assert done.exit_code == CANNOT
    assert "CMAKE_ARGS" in done.output
