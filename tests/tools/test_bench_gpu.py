from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from benchlib import BenchError, gpu
from benchmarks.gpu import CANNOT, Bench
from bootstrap.paths import CHECKOUT


def put(root: Path, *places: str) -> None:
    for place in places:
        path = root / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("1\n")


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="no GPU: there is none of"):
        gpu.build(tmp_path)
    put(tmp_path, "dev/dri/renderD128")
    with pytest.raises(BenchError, match="glslc is missing"):
        gpu.build(tmp_path, which=lambda _: None)
    assert gpu.build(tmp_path, which=lambda name: name == "glslc") == "vulkan"
    put(tmp_path, "dev/nvidia0")
    with pytest.raises(BenchError, match="nvcc is missing"):
        gpu.build(tmp_path, which=lambda _: None)
    put(tmp_path, "usr/local/cuda/bin/nvcc")
    assert gpu.build(tmp_path, which=lambda _: None) == "cuda"


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


def test_without_a_gpu_the_program_says_so() -> None:
    places = ("dev/nvidia0", "dev/nvhost-gpu", "dev/nvgpu", "dev/dri/renderD128")
    if any(Path("/", place).exists() for place in places):
        pytest.skip("this machine has a GPU: run tools/bench gpu")
    words = [sys.executable, str(CHECKOUT / "tools/bench"), "gpu"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == CANNOT
    assert "no GPU: there is none of" in done.stderr
