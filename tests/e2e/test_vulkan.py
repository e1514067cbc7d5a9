"""A model on a Vulkan device, by the daemon: Debian's Mesa computes it with the CPU (llvmpipe)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from bootstrap.paths import CHECKOUT
from conformance import difference
from vulkan_environment import vulkan_environment

from edge_rt.backends.llama.backend import LlamaBackend

pytestmark = pytest.mark.vulkan

STORY = "Once upon a time there was a fox who"
TEXT = "The quick brown fox jumps over the lazy dog, and then it goes home to sleep. " * 4
LAYERS = 31  # of SmolLM2, the output included
ENGINE = {"threads": 1, "context": 512, "sequences": 2, "batch": 128}

# Prints the logits behind each token of a text as an array, read by a model with so many layers on
# the GPU, so many tokens at a time.
LOGITS = """
import sys
from pathlib import Path
from edge_rt.backends.llama.backend import LlamaBackend
path, layers, chunk, kv_type, *tokens = sys.argv[1:]
sizes = dict(context=256, sequences=1, batch=128, threads=1, outputs=len(tokens))
model = LlamaBackend(Path(path), **sizes, gpu_layers=int(layers), kv_type=kv_type)
for start in range(0, len(tokens), int(chunk)):
    part = [*map(int, tokens[start : start + int(chunk)])]
    model.batch.clear()
    model.batch.add(0, start, part, want=len(part))
    model.forward()
    for row in range(len(part)):
        sys.stdout.buffer.write(model.logits(row).tobytes())
"""


@pytest.fixture(scope="module")
def variables(cache: Path) -> dict[str, str]:
    return vulkan_environment(cache)


@pytest.fixture(scope="module")
def make_offloaded(make_daemon, variables):
    """Makes daemons whose engine finds the device."""
    with ExitStack() as stack:

        def make(**engine):
            daemon = make_daemon(environment=variables, engine=ENGINE | engine)
            stack.callback(daemon.close)
            return daemon

        yield make


@pytest.fixture(scope="module")
def offloaded(make_offloaded):
    return make_offloaded(gpu_layers=999)


@pytest.fixture(scope="module")
def tokens(smollm2: Path) -> list[int]:
    model = LlamaBackend(smollm2, context=64, sequences=1, batch=16, threads=1)
    found = model.tokenize(TEXT, special=False)[:48]
    model.close()
    return found


@pytest.fixture(scope="module")
def logits(smollm2: Path, tokens: list[int], variables):
    """Computes the logits of the text with so many layers on the device; None: without Vulkan."""

    def compute(layers: int | None, *, chunk: int = 16, kv_type: str = "f16"):
        words = [smollm2, layers or 0, chunk, kv_type, *tokens]
        done = subprocess.run(
            [sys.executable, "-c", LOGITS, *map(str, words)],
            env=os.environ | ({} if layers is None else variables),
            capture_output=True,
            check=True,
        )
        assert done.stderr == b""
        return np.frombuffer(done.stdout, np.float32).reshape(len(tokens), -1)

    return compute


@pytest.fixture(scope="module")
def reference(logits):
    return logits(None)


# --- the backend


@pytest.mark.parametrize("layers", [LAYERS, 12])
def test_logits_are_the_cpu_s_within_the_bound_of_other_backends(logits, reference, tokens, layers):
    found = logits(layers)
    apart = difference(tokens, reference, found)
    assert apart.kl_nats < 0.05
    assert apart.margin_nats < 0.5
    assert not np.array_equal(found, reference), "the device computed nothing"


def test_without_layers_there_not_one_bit_is_another(logits, tokens):
    """llama.cpp would have the device multiply what a pass of 32 tokens and more holds."""
    how = {"chunk": len(tokens), "kv_type": "q8_0/f16"}  # with which the CPU promises that
    assert np.array_equal(logits(0, **how), logits(None, **how))


# --- the daemon


def test_the_device_is_told(offloaded):
    [gpu] = offloaded.engine()["gpus"]
    assert gpu["name"].startswith("llvmpipe")
    assert (gpu["backend"], gpu["shared"], gpu["simulated"]) == ("Vulkan", True, True)
    assert 0 < gpu["free_bytes"] <= gpu["total_bytes"]
    told = json.loads(offloaded.run("doctor", "--json").stdout)["checks"]
    [found] = [finding for finding in told if finding["id"] == "gpu"]
    assert found["level"] == "ok"
    assert found["what"].startswith(f"{gpu['name']} by Vulkan")
    assert "simulated" in found["what"]


def test_all_layers_answer_and_their_passes_are_the_gpu_s(offloaded, daemon):
    before = offloaded.quiet()
    text = offloaded.complete(STORY, max_tokens=12)
    assert text == daemon.complete(STORY, max_tokens=12)
    after = offloaded.quiet()
    spent = {name: after[name] - (before[name] or 0.0) for name in ("gpu_s", "native_s")}
    assert spent["gpu_s"] > 0.0
    assert spent["gpu_s"] == pytest.approx(spent["native_s"])
    [resident] = offloaded.status()["residents"]
    assert (resident["gpu_layers"], resident["gpu_simulated"]) == (999, True)
    assert 0 < resident["gpu_bytes"] <= resident["size_bytes"]


def test_some_layers_and_what_they_take(make_offloaded, offloaded, daemon):
    offloaded.complete(STORY, max_tokens=1)
    [whole] = offloaded.status()["residents"]
    some = make_offloaded(gpu_layers=12)
    try:
        assert some.complete(STORY, max_tokens=12) == daemon.complete(STORY, max_tokens=12)
        [resident] = some.status()["residents"]
        assert resident["gpu_bytes"] == pytest.approx(whole["gpu_bytes"] * 12 / LAYERS, rel=1e-3)
        assert some.quiet()["gpu_s"] > 0.0
    finally:
        some.close()


def test_a_model_that_the_device_cannot_hold_is_computed_by_the_cpu(make_offloaded, daemon):
    small = make_offloaded(gpu_layers=[999, 0], gpu_bytes=1 << 20)
    try:
        text = small.complete(STORY, max_tokens=12)
        assert text == daemon.complete(STORY, max_tokens=12)
        [resident] = small.status()["residents"]
        assert (resident["gpu_layers"], resident["gpu_bytes"]) == (0, 0)
        assert small.quiet()["gpu_s"] is None
    finally:
        small.close()


def test_an_answer_goes_on_when_the_engine_is_killed(offloaded, tools):
    asked = {"max_tokens": 16, "ignore_eos": True}
    whole, heard = offloaded.complete(STORY, **asked), list[str]()
    restarts = offloaded.engine()["restarts"]
    with offloaded.stream(prompt=STORY, temperature=0, **asked) as events:
        for text in tools.texts(events):
            heard.append(text)
            if len(heard) == 4:
                offloaded.kill_engine()
    assert "".join(heard) == whole
    assert offloaded.engine()["restarts"] == restarts + 1
    [resident] = offloaded.status()["residents"]
    assert resident["gpu_layers"] == 999


def test_the_daemon_stops_without_a_crash(make_offloaded):
    """What a driver does at the end of its process, too, ends within the grace."""
    daemon = make_offloaded(gpu_layers=999)
    daemon.complete(STORY, max_tokens=2)
    assert daemon.terminate() == 0
    assert "signal" not in daemon.log.read_text()


# --- the benchmark


def test_the_benchmark_takes_the_gpu_that_the_wheel_has(variables, cache, tmp_path):
    words = ["gpu", "--rounds", "1", "--tokens", "8", "--wait", "0", "--json", tmp_path / "gpu"]
    done = subprocess.run(
        [sys.executable, CHECKOUT / "tools/bench", *words],
        env=os.environ | variables | {"EDGE_RT_CACHE": str(cache)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "gpu").read_text())
    assert report["machine"]["gpu"].startswith("llvmpipe")
    assert "simulated" in report["machine"]["gpu"]
    assert report["values"]["gpu_decode_tokens_per_s"] > 0.0
