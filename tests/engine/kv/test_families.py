"""Models of each kind of memory, of random weights: what is read again, and what becomes of it."""

from __future__ import annotations

import math
import os
import select
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from conformance import NEAR_TIE, ROUNDING, Logits, difference, feed
from family_gguf import FAMILIES, write_family
from heard import Heard, Listener

from edge_rt.backends.base import HeadsGuess, State
from edge_rt.backends.llama.backend import LlamaBackend
from edge_rt.core.decoding import Mode, Sampling
from edge_rt.engine.kv import checkpoints as spare
from edge_rt.engine.kv.checkpoints import Checkpoints, Keyed
from edge_rt.engine.kv.prefix_disk import PrefixDisk
from edge_rt.engine.kv.prefixes import PrefixTarget, kept_as
from edge_rt.engine.protocol import Generate, KeepPrefixes, ModelOrigin, ModelSpec
from edge_rt.engine.scheduler.runner import EngineCounters
from edge_rt.engine.scheduler.scheduler import Scheduler

pytestmark = pytest.mark.slow  # ten real models, if small ones

CONTEXT, SEQUENCES, BATCH = 3072, 3, 128
# Sums in another order round keys otherwise; what was read wrong comes to nats.
CLOSE_NATS = 0.01
KEY = b"k" * 32
KINDS = ["qwen3moe", "gemma3", "mamba2", "qwen35"]  # plain, a window, recurrent, hybrid


class Front(Listener):
    """One scheduler on a model."""

    def __init__(
        self,
        backend: LlamaBackend,
        checkpoints: Checkpoints | None = None,
        kept: PrefixTarget | None = None,
    ) -> None:
        super().__init__()
        self.backend, self.read = backend, 0
        spec = ModelSpec("llama.cpp", "", CONTEXT, SEQUENCES, BATCH, BATCH)
        keyed = None if checkpoints is None else Keyed(checkpoints, KEY)
        self.scheduler = Scheduler(
            backend, spec, self.hear, EngineCounters(), self.clock, kept=kept, keyed=keyed
        )

    def step(self) -> None:
        self.scheduler.step()
        self.read += self.backend.batch.size

    def submit(self, id: int, prompt: list[int], **fields: Any) -> Heard:
        usual = {"special": False, "sampling": Sampling(temperature=0.0), "ignore_eos": True}
        self.scheduler.submit(Generate(id, "m", prompt, **{**usual, **fields}))
        return self.heard[id]

    def ask(
        self, id: int, prompt: list[int], disk: PrefixDisk | None = None, **fields: Any
    ) -> Heard:
        """Return what is heard until the end, and count only what is `read` for it."""
        heard, self.read = self.submit(id, prompt, **fields), 0
        while self.scheduler.running + self.scheduler.waiting:
            if disk is not None:
                if not self.scheduler.able:
                    select.select(disk.filenos(), [], [], 60)
                disk.settle()
            self.step()
        return heard


@pytest.fixture(scope="module", params=FAMILIES)
def file(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    family: str = request.param
    return write_family(tmp_path_factory.mktemp(family) / f"{family}.gguf", family)


@contextmanager
def loaded(file: Path, **sizes: Any) -> Iterator[LlamaBackend]:
    usual = {"context": CONTEXT, "sequences": SEQUENCES, "batch": BATCH, "threads": 1}
    backend = LlamaBackend(file, **{**usual, "outputs": 16, **sizes})
    yield backend
    backend.close()


@pytest.fixture(scope="module")
def backend(file: Path) -> Iterator[LlamaBackend]:
    with loaded(file) as backend:
        yield backend


@pytest.fixture
def front(backend: LlamaBackend) -> Front:
    for sequence in range(SEQUENCES):
        assert backend.rewind(sequence, 0)
    return Front(backend)


@contextmanager
def straight_evaluation(file: Path) -> Iterator[Callable[[list[int], int], Logits]]:
    """Give the logits behind each of the last tokens of a text, by llama.cpp in one go."""
    with loaded(file, sequences=1) as model:

        def run(text: list[int], last: int) -> Logits:
            model.rewind(0, 0)
            begin = len(text) - last
            for start in range(0, begin, BATCH):
                feed(model, 0, start, text[start : min(begin, start + BATCH)])
            return np.stack([feed(model, 0, begin + at, [text[begin + at]]) for at in range(last)])

        yield run


@pytest.fixture(scope="module")
def straight(file: Path) -> Iterator[Callable[[list[int], int], Logits]]:
    with straight_evaluation(file) as run:
        yield run


def text(count: int, seed: int = 1) -> list[int]:
    random = Random(seed)
    return [random.randrange(250) for _ in range(count)]


def is_likely(prompt: list[int], answer: list[int], straight: Callable[..., Logits]) -> bool:
    """Return whether each token of an answer is the most likely one, or as likely as that."""
    logits = straight([*prompt, *answer[:-1]], len(answer))
    chosen = logits[np.arange(len(answer)), answer]
    return bool((logits.max(1) - chosen).max() < NEAR_TIE)


def test_a_second_turn_reads_only_what_is_new(front: Front, file: Path, straight) -> None:
    prompt = text(1800 if file.stem in KINDS else 600)
    first = front.ask(1, prompt, max_tokens=200).tokens[0]
    turn = [*prompt, *first, *text(150, 2)]
    second = front.ask(2, turn, max_tokens=30).tokens[0]
    assert front.read <= 1.1 * (len(turn) - len(prompt) - len(first) + len(second))
    assert is_likely(turn, second, straight)


def test_a_second_turn_without_the_thoughts_of_the_first(front: Front, straight) -> None:
    prompt, begins = text(600), text(5, 3)  # as templates begin an answer
    first = front.ask(1, [*prompt, *begins], max_tokens=300).tokens[0]
    turn = [*prompt, *first[220:], *text(100, 2), *begins]
    second = front.ask(2, turn, max_tokens=30).tokens[0]
    assert front.read <= 1.1 * (len(turn) - len(prompt) + len(second))
    assert is_likely(turn, second, straight)


def test_prompts_that_begin_alike_are_read_from_where_they_part(front: Front, straight) -> None:
    system = text(900)
    for id in range(3):
        question = [*system, *text(60, 10 + id)]
        answer = front.ask(id, question, max_tokens=20).tokens[0]
    assert front.read <= 1.1 * (60 + 20)
    assert is_likely(question, answer, straight)


def test_answers_to_one_prompt_read_it_once(front: Front, straight) -> None:
    prompt = text(700)
    heard = front.ask(1, prompt, max_tokens=20, n=3)
    assert front.read <= 1.1 * len(prompt) + 3 * 20
    assert all(is_likely(prompt, heard.tokens[index], straight) for index in range(3))


def test_logits_are_those_of_a_straight_evaluation(backend: LlamaBackend, straight) -> None:
    tokens = text(420)
    for sequence in range(SEQUENCES):
        backend.rewind(sequence, 0)
    feed(backend, 0, 0, tokens[:100])
    mark(backend, 0)
    feed(backend, 0, 100, tokens[100:200])
    for start in (200, 300):
        feed(backend, 0, start, text(100, 5))
    assert backend.copy(0, 2, 100)  # what came behind is forgotten
    data = bytes(backend.save(2))
    assert backend.rewind(0, 100)
    backend.restore(1, data)
    for sequence in range(SEQUENCES):
        for start in (100, 200, 300):
            feed(backend, sequence, start, tokens[start : start + 100])
        found = [feed(backend, sequence, 400 + at, [tokens[400 + at]]) for at in range(20)]
        assert difference(tokens[400:], straight(tokens, 20), np.stack(found)).kl_nats < CLOSE_NATS


def mark(backend: LlamaBackend, sequence: int) -> None:
    if backend.marks is not None:
        backend.marks.put(sequence)


def test_drafts_change_nothing(front: Front, straight, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge_rt.engine.generation.modes.exact_rows", lambda *_: 9)
    prompt = text(320)
    whole = front.ask(1, prompt, max_tokens=80).tokens[0]

    class Rehearsed:
        """Drafts the answer that it knows, and every other time a wrong end of it."""

        matched = 9

        def __init__(self) -> None:
            self.written, self.drafts = -len(prompt), 0

        def feed(self, tokens: list[int]) -> None:
            self.written += len(tokens)

        def draft(self, most: int) -> list[int]:
            self.drafts += 1
            right = whole[self.written : self.written + most]
            return right if self.drafts % 2 else [*right[:-1], (right[-1] + 1) % 250]

    monkeypatch.setattr("edge_rt.engine.generation.drafting.Lookup", Rehearsed)
    heard = front.ask(2, prompt, max_tokens=80, mode=Mode("lookup"))
    made = heard.finished[0].made
    assert made is not None
    assert min(made.accepted, made.rejected) > 0
    assert is_likely(prompt, heard.tokens[0], straight)


@pytest.mark.parametrize("family", ["qwen35", "qwen35moe", "qwen3next"])
def test_guesses_of_heads_change_nothing(
    family: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Heads of random weights are never right, so here every other guess is put right."""
    path, prompt = tmp_path / "model.gguf", text(320)
    file = write_family(path, family, block_count=5, nextn_predict_layers=1)
    with loaded(file) as backend:
        front = Front(backend)
        whole = front.ask(1, prompt, max_tokens=80).tokens[0]
        assert backend.heads is not None
        guess, read = backend.heads.guess, list[int]()

        def rehearsed(
            seq: int, start: int, tokens: list[int], states: list[State]
        ) -> HeadsGuess | None:
            ahead = guess(seq, start, tokens, states)
            assert ahead is not None
            read.append(len(tokens))
            right = whole[start + len(tokens) - len(prompt)]
            logits = np.zeros_like(ahead.logits)
            logits[right if len(read) % 3 else (right + 1) % 250] = 20.0
            return HeadsGuess(logits, ahead.state)

        monkeypatch.setattr(backend.heads, "guess", rehearsed)
        heard = front.ask(2, prompt, max_tokens=80, mode=Mode("lookup"))
    made = heard.finished[0].made
    assert made is not None
    assert min(made.accepted, made.rejected) > 0
    assert max(read) > 1
    assert heard.tokens[0] == whole


@pytest.mark.parametrize("family", KINDS)
def test_an_answer_goes_on_after_a_kill_at_any_point(
    family: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_family(tmp_path / "model.gguf", family)
    monkeypatch.setattr(spare, "BURST_S", math.inf)
    prompt, random = text(300), Random(4)
    with loaded(file) as backend:
        whole = Front(backend).ask(1, prompt, max_tokens=120).tokens[0]
    same, read = 0, 0
    for _ in range(20):
        memory, count = Checkpoints.shared(1 << 24), random.randrange(1, 120)
        with loaded(file) as backend:
            front = Front(backend, Checkpoints(memory))
            heard = front.submit(1, prompt, max_tokens=120)
            while len(heard.tokens[0]) < count:
                front.step()
            told = list(heard.tokens[0])
        with loaded(file) as backend:
            front = Front(backend, Checkpoints(memory))
            rest = front.ask(1, prompt, max_tokens=120, resume={0: told}).tokens[0]
        same += [*told, *rest] == whole
        if [*told, *rest] != whole:
            with straight_evaluation(file) as straight:
                assert is_likely(prompt, [*told, *rest], straight)
        read = max(read, front.read - len(rest))
        os.close(memory)
    assert same >= (19 if ROUNDING == 0.0 else 0)
    assert read <= 32 + 16  # more is in the checkpoint


@pytest.mark.parametrize("family", KINDS)
def test_a_beginning_comes_back_from_the_disk(family: str, tmp_path: Path) -> None:
    file, system = write_family(tmp_path / "model.gguf", family), text(500)
    origin = ModelOrigin("m", "a" * 64)
    spec = ModelSpec("llama.cpp", "", CONTEXT, SEQUENCES, origin=origin)
    keep = KeepPrefixes(str(tmp_path / "kept"), 1 << 26, 1 << 26, per_client=False)
    prompts = [[*system, *text(40, seed)] for seed in range(3)]
    for life in (prompts[:2], prompts[2:]):  # learnt by the first engine
        disk = PrefixDisk(keep)
        with loaded(file) as backend:
            front = Front(backend, kept=kept_as(spec, KEY, disk))
            disk.finish(60)
            for id, prompt in enumerate(life):
                heard = front.ask(id, prompt, disk, max_tokens=20, client="me")
        disk.finish(60)
        disk.close()
    assert heard.started[0].restored_tokens == len(system)
    assert front.read <= 40 + 20
    with straight_evaluation(file) as straight:
        assert is_likely(prompts[-1], heard.tokens[0], straight)
