"""What a model adds to an empty engine is what was counted, for layers as of real models."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from family_gguf import write_family

from edge_rt.config.schema import Engine
from edge_rt.models.catalogue import load_catalogue
from edge_rt.models.loading import mark_bytes
from edge_rt.models.store.store import Store
from edge_rt.routing.loading import load_config_of, wanted

pytestmark = [pytest.mark.slow, pytest.mark.heavy]  # up to 1.5 GB

SHARE, CLOSE = 0.05, 16e6  # of all, or so many bytes
PASS = """
import sys
from pathlib import Path
import psutil
from edge_rt.backends.llama.backend import LlamaBackend

def held():
    return psutil.Process().memory_info().rss

context, sequences, batch, outputs = map(int, sys.argv[2:6])
before = held()
sizes = {"context": context, "sequences": sequences, "batch": batch, "outputs": outputs}
model = LlamaBackend(Path(sys.argv[1]), **sizes, threads=1, kv_type=sys.argv[6])
model.batch.add(0, 0, [1] * batch, want=1)
model.forward()
print(held() - before)
"""
GEMMA3 = {"attention__key_length": 256, "attention__value_length": 256}
REAL: dict[str, tuple[str, dict[str, Any]]] = {
    "Gemma 3 1B": (
        "gemma3",
        {
            **GEMMA3,
            "block_count": 26,
            "attention__head_count": 4,
            "attention__sliding_window": 512,
        },
    ),
    "Gemma 3 4B": (
        "gemma3",
        {
            **GEMMA3,
            "block_count": 34,
            "attention__head_count": 8,
            "attention__head_count_kv": 4,
            "attention__sliding_window": 1024,
        },
    ),
    "Gemma 4 E2B": (
        "gemma4",
        {
            "block_count": 35,
            "attention__head_count": 8,
            "attention__key_length": 512,
            "attention__value_length": 512,
            "attention__key_length_swa": 256,
            "attention__value_length_swa": 256,
            "attention__sliding_window": 512,
            "attention__shared_kv_layers": 20,
            "attention__sliding_window_pattern": [layer % 5 != 4 for layer in range(35)],
            "rope__dimension_count": 512,
            "rope__dimension_count_swa": 256,
        },
    ),
    "Qwen3.5 0.8B": (
        "qwen35",
        {
            "block_count": 24,
            "attention__head_count": 8,
            "attention__head_count_kv": 2,
            "attention__key_length": 256,
            "attention__value_length": 256,
            "ssm__inner_size": 2048,
            "ssm__state_size": 128,
            "ssm__time_step_rank": 16,
            "ssm__group_count": 16,
        },
    ),
}


@pytest.mark.parametrize(
    ("model", "context"),
    [
        ("Gemma 3 1B", 2048),
        ("Gemma 3 4B", 8192),
        ("Gemma 4 E2B", 2048),
        ("Gemma 4 E2B", 8192),
        ("Qwen3.5 0.8B", 2048),
        ("Qwen3.5 0.8B", 8192),
        ("Qwen3.5 0.8B", 32768),
    ],
)
def test_what_a_model_adds(tmp_path: Path, model: str, context: int) -> None:
    family, keys = REAL[model]
    file = write_family(tmp_path / "model.gguf", family, context_length=65536, **keys)
    store, engine = Store(tmp_path / "models", load_catalogue()), Engine(context=context)
    entry = store.add(file, "model", move=True)
    asked = wanted(entry, entry.path, engine)
    counted = asked.need_bytes - mark_bytes(entry, engine, load_config_of(asked.spec))
    sizes = [context, engine.sequences, engine.batch, asked.spec.outputs, asked.spec.kv_type]
    words = [sys.executable, "-c", PASS, entry.path, *sizes]
    run = subprocess.run([*map(str, words)], check=True, capture_output=True, text=True)
    added = int(run.stdout)
    assert abs(counted - added) < max(SHARE * added, CLOSE), (counted, added)
