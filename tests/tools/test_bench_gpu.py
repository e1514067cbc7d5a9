from __future__ import annotations

import subprocess
import sys
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
    with pytest.raises(BenchError, match="no GPU with CUDA"):
        gpu.find(tmp_path)
    put(tmp_path, "dev/nvidia0")
    with pytest.raises(BenchError, match="nvcc is missing"):
        gpu.find(tmp_path, which=lambda _: None)


def test_a_jetson_s_gpu_is_compared_with_a_governed_clock_where_that_can_be_set(
    tmp_path: Path,
) -> None:
    put(tmp_path, "dev/nvhost-gpu", "usr/local/cuda/bin/nvcc")
    found = gpu.find(tmp_path, which=lambda _: None)
    assert list(gpu.ways(found)) == ["cpu", "gpu"]
    devices = [f"sys/class/devfreq/{name}" for name in ("17000000.gpu", "emc")]
    put(tmp_path, *(f"{device}/{file}" for device in devices for file in ("cur_freq", "max_freq")))
    found = gpu.find(tmp_path, which=lambda _: None)
    assert found.clock == tmp_path / "sys/class/devfreq/17000000.gpu/max_freq"
    assert gpu.ways(found)["governed"]["knobs"] == {"gpufreq": "governed"}
    assert "gpu_bytes" not in str(gpu.ways(found))


def test_memory_of_its_own_is_given_to_the_daemon() -> None:
    card = gpu.Gpu("a card", 1 << 30, None)
    assert gpu.ways(card) == {
        "cpu": {},
        "gpu": {"engine": {"gpu_layers": 999, "gpu_bytes": 1 << 30}},
    }


def test_the_report_compares_each_figure_with_the_cpu_s() -> None:
    bench = Bench(gpu.Gpu("a card", None, None), Path("python"), "model", 10)
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
    if any(Path("/", place).exists() for place in ("dev/nvidia0", "dev/nvhost-gpu", "dev/nvgpu")):
        pytest.skip("this machine has a GPU: run tools/bench gpu")
    words = [sys.executable, str(CHECKOUT / "tools/bench"), "gpu"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == CANNOT
    assert "no GPU with CUDA" in done.stderr
