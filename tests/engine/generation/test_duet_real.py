"""Real models together: what a small one drafts changes nothing in the large one's answers."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from duo import SPECULATIVE, Duo

from edge_rt.backends.base import Backend
from edge_rt.backends.llama.backend import LlamaBackend
from edge_rt.core.decoding import Mode, Sampling
from edge_rt.engine.protocol import Generate

CONTEXT = 256
Q4_0 = 2  # enum llama_ftype
PROMPT = "<|im_start|>user\nName five fruits, one on each line.<|im_end|>\n<|im_start|>assistant\n"
STORY = "Once upon a time there was a fox who lived in a"


@pytest.fixture(scope="module")
def coarser(smollm2: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the same model in another format: one that is often of another mind."""
    made = tmp_path_factory.mktemp("coarser") / "model.gguf"
    words = [sys.executable, "-m", "edge_rt.backends.quantize", smollm2, made, Q4_0, 2]
    subprocess.run([*map(str, words)], check=True, stdout=subprocess.DEVNULL)
    return made


def load(kind: Callable[..., Any], path: Path) -> Any:
    return kind(path, context=CONTEXT, sequences=3, batch=128, threads=1, outputs=16)


@pytest.fixture(scope="module")
def large(smollm2: Path) -> Iterator[LlamaBackend]:
    model = load(LlamaBackend, smollm2)
    yield model
    model.close()


@pytest.fixture(scope="module")
def small(coarser: Path) -> Iterator[LlamaBackend]:
    model = load(LlamaBackend, coarser)
    yield model
    model.close()


class RealDuo(Duo):
    """Two real models, for which the toys' checks do not hold; they outlive it."""

    def __init__(self, large: Backend, small: Backend) -> None:
        super().__init__(large, small)
        for backend in (large, small):
            for sequence in range(backend.sequences):
                backend.rewind(sequence, 0)

    def check(self) -> None:
        for answer in self.answers():
            for sequence in answer.sequences:
                whole = [*sequence.text, *sequence.draft]
                assert sequence.held.tokens == whole[: len(sequence.held.tokens)]


def ask(prompt: str, mode: Mode | None = None, **more: Any) -> Generate:
    fields = {"sampling": Sampling(temperature=0.0), "max_tokens": 60, **more}
    return Generate(1, "toy", prompt, True, ignore_eos=True, mode=mode, **fields)


@pytest.mark.parametrize("prompt", [PROMPT, STORY])
@pytest.mark.parametrize("sampling", [Sampling(temperature=0.0), Sampling(seed=9)])
@pytest.mark.parametrize("mode", [SPECULATIVE, Mode("lookup")])
def test_drafted_answers_are_the_large_models_own(
    large: LlamaBackend,
    small: LlamaBackend,
    monkeypatch: pytest.MonkeyPatch,
    prompt: str,
    sampling: Sampling,
    mode: Mode,
) -> None:
    duo = RealDuo(large, small)
    forward = large.forward

    def slow() -> None:  # so that drafts pay
        forward()
        duo.now += 0.05

    monkeypatch.setattr(large, "forward", slow)
    heard = duo.submit(ask(prompt, mode, sampling=sampling, max_tokens=100))
    duo.settle()
    assert heard.finished[0].made.accepted > 5 or mode.name == "lookup"
    alone = RealDuo(large, small)
    expected = alone.submit(ask(prompt, sampling=sampling, max_tokens=100))
    alone.settle()
    assert heard.tokens[0] == expected.tokens[0]
    assert heard.texts[0] == expected.texts[0]
