"""Real models by turns: what each has read is as good as if it had read it in one go."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conformance import NEAR_TIE, difference
from duo import SPECULATIVE, SWITCH, Duo, Script

from edge_rt.backends.base import Backend
from edge_rt.backends.llama.backend import LlamaBackend
from edge_rt.backends.onnx.backend import OnnxBackend
from edge_rt.core.decoding import Gating, Mode, Sampling
from edge_rt.decoding.distribution import Logits, LogitsView
from edge_rt.decoding.gate import GateVerdict, Look, Writer
from edge_rt.engine.protocol import Generate

CONTEXT, SPARE = 256, 3  # the last sequence is for reading anew
Q4_0 = 2  # enum llama_ftype
QWEN = "qwen2.5-coder-1.5b-instruct/qwen2.5-coder-1.5b-instruct-q4_k_m.gguf"
PROMPT = "<|im_start|>user\nName five fruits, one on each line.<|im_end|>\n<|im_start|>assistant\n"
STORY = "Once upon a time there was a fox who lived in a"
SCRIPT = [
    *[GateVerdict(True, "small")] * 4,
    GateVerdict(False, "large"),
    *[GateVerdict(True, "large")] * 2,
    GateVerdict(True, "small"),
    GateVerdict(True, "small"),
    GateVerdict(True, "large"),
    GateVerdict(True, "small"),
]


@pytest.fixture(scope="module")
def coarser(smollm2: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the same model in another format: one that is often of another mind."""
    made = tmp_path_factory.mktemp("coarser") / "model.gguf"
    words = [sys.executable, "-m", "edge_rt.backends.quantize", smollm2, made, Q4_0, 2]
    subprocess.run([*map(str, words)], check=True, stdout=subprocess.DEVNULL)
    return made


def load(kind: Callable[..., Any], path: Path) -> Any:
    return kind(path, context=CONTEXT, sequences=SPARE + 1, batch=128, threads=1, outputs=16)


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


@pytest.fixture(scope="module")
def onnx(smollm2_onnx: Path) -> Iterator[OnnxBackend]:
    model = load(OnnxBackend, smollm2_onnx)
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


class Recorder(Script):
    """Keeps what it is shown, with what was written by then."""

    def __init__(self) -> None:
        super().__init__(SCRIPT)
        self.seen: list[tuple[Writer, int, Logits]] = []

    def looks(self, writer: Writer) -> Look:
        def look(view: LogitsView) -> float:
            self.seen.append((writer, len(self.took_by), view._logits.copy()))
            return 0.0

        return look


def ask(prompt: str, mode: Mode | None = None, **more: Any) -> Generate:
    fields = {"sampling": Sampling(temperature=0.0), "max_tokens": 60, **more}
    return Generate(1, "toy", prompt, True, ignore_eos=True, mode=mode, **fields)


def after_turns(
    duo: RealDuo, monkeypatch: pytest.MonkeyPatch
) -> list[tuple[Writer, Logits, Logits]]:
    """Return who was at turn, what it said, and what it says where it reads all in one go."""
    gate = Recorder()
    monkeypatch.setattr("edge_rt.engine.generation.modes.make_gate", lambda *_: gate)
    heard = duo.submit(ask(PROMPT, SWITCH, sampling=Sampling(seed=3)))
    duo.settle()
    vocab = duo.backends["toy"].vocab
    told = [token % vocab for token in heard.tokens[0]]
    prompt = duo.backends["toy"].tokenize(PROMPT, special=True)
    found: list[tuple[Writer, Logits, Logits]] = []
    for writer, written, logits in gate.seen[::3]:  # each takes a prompt's time
        backend = duo.backends["toy" if writer == "large" else "small"]
        text = [*prompt, *told[:written]]
        backend.rewind(SPARE, 0)
        backend.batch.clear()
        row = backend.batch.add(SPARE, 0, text, want=1)
        backend.forward()
        found.append((writer, logits, backend.logits(row).copy()))
    assert heard.finished[0].made.switches > 20
    assert min(heard.finished[0].made.small, heard.finished[0].made.large) > 15
    return found


# --- turns


@pytest.mark.slow
def test_after_any_turns_each_model_says_what_it_would_after_one_reading(
    large: LlamaBackend, monkeypatch: pytest.MonkeyPatch, smollm2: Path
) -> None:
    twin = load(LlamaBackend, smollm2)
    found = after_turns(RealDuo(large, twin), monkeypatch)
    twin.close()
    assert max(np.abs(logits - anew).max() for _, logits, anew in found) == 0.0


@pytest.mark.slow
def test_models_of_two_libraries_take_turns(
    large: LlamaBackend, onnx: OnnxBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert large.fingerprint == onnx.fingerprint
    found = after_turns(RealDuo(onnx, large), monkeypatch)
    for writer in ("large", "small"):
        said, anew = (
            np.stack([row[which] for row in found if row[0] == writer]) for which in (1, 2)
        )
        if writer == "small":  # llama.cpp
            assert np.array_equal(said, anew)
        else:  # onnxruntime's kernels for one row and for many differ
            apart = difference([0] * len(said), anew, said)
            assert apart.kl_nats < 0.01
            assert apart.margin_nats < NEAR_TIE
            assert np.abs(said - anew).max() < 2.0


@pytest.mark.parametrize("sampling", [Sampling(temperature=0.0), Sampling(seed=4)])
@pytest.mark.parametrize("name", ["never", "always"])
def test_a_gate_that_never_switches_leaves_one_model_alone(
    large: LlamaBackend, small: LlamaBackend, name: str, sampling: Sampling
) -> None:
    duo = RealDuo(large, small)
    mode = Mode("switch", "small", gating=Gating(name))
    heard = duo.submit(ask(PROMPT, mode, sampling=sampling))
    duo.settle()
    alone = RealDuo(large, small)
    scheduler = alone.scheduler("small" if name == "never" else "toy")
    scheduler.submit(ask(PROMPT, sampling=sampling))
    alone.settle()
    assert heard.texts[0] == alone.heard[1].texts[0]
    assert [t % large.vocab for t in heard.tokens[0]] == alone.heard[1].tokens[0]


# --- drafts


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


# --- other vocabularies


@pytest.mark.qwen
def test_models_of_other_vocabularies_write_one_answer(
    small: LlamaBackend, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = load(LlamaBackend, cache / "store" / QWEN)
    assert other.fingerprint != small.fingerprint
    gate = Recorder()
    monkeypatch.setattr("edge_rt.engine.generation.modes.make_gate", lambda *_: gate)
    duo = RealDuo(other, small)
    heard = duo.submit(ask(PROMPT, SWITCH, max_tokens=80))
    duo.settle()
    made = heard.finished[0].made
    assert made.switches >= 4
    assert min(made.small, made.large) > 5
    assert heard.texts[0] == gate.pieces.decode(errors="replace")
    assert "\ufffd" not in heard.texts[0]
    for backend, answer in ((other, 0), (small, 1)):
        # What either read of the answer is spelt as the client saw it.
        held = duo.scheduler("small" if answer else "toy").pool._all
        longest = max((s.tokens for s in held), key=len)
        prompt = backend.tokenize(PROMPT, special=True)
        spelt = b"".join(map(backend.piece, longest[len(prompt) :])).decode(errors="ignore")
        assert len(spelt) > 20
        assert heard.texts[0].startswith(spelt)
    other.close()
