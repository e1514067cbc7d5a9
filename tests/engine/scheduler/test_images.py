"""Prompts with images: who looks when, what is not looked at twice, and how such requests fail."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from heard import Heard, Listener
from msgspec.structs import replace
from tiny_projector import write_seeing

from edge_rt.backends.llama.eyes import SeeingBackend
from edge_rt.core.decoding import Mode, Sampling
from edge_rt.core.errors import EngineError, RequestError
from edge_rt.core.images import Image, ImageReference
from edge_rt.engine.kv.checkpoints import Checkpoints, Keyed
from edge_rt.engine.protocol import Generate, ModelSpec
from edge_rt.engine.scheduler.runner import EngineCounters
from edge_rt.engine.scheduler.scheduler import Scheduler

CHUNK = 32
DRAWN, GREEDY = Sampling(temperature=1.0, seed=1), Sampling(temperature=0.0, seed=1)
MOST_STEPS = 2000


def picture(seed: int) -> Image:
    random = np.random.default_rng(seed)
    return Image.of(48, 40, random.integers(0, 256, 48 * 40 * 3, dtype=np.uint8).tobytes())


ONE, TWO = picture(1), picture(2)
# Fewer tokens than 16 in common are not worth copying, and the images of these models have few.
LONG = "so many words that it is worth it"
WHAT = f"{LONG} {ONE.reference} what is it?<|im_end|>"
WHERE = f"{LONG} {ONE.reference} where was it?<|im_end|>"
BOTH = f"{ONE.reference} and {TWO.reference}, {LONG}<|im_end|>"


class Seeing(Listener):
    """A scheduler on a model with eyes, which counts its looks."""

    def __init__(self, files: tuple[Path, Path], keyed: Keyed | None = None) -> None:
        super().__init__()
        self.backend = SeeingBackend(
            *files, threads=1, context=512, sequences=3, batch=64, outputs=8, kv_type="f16"
        )
        spec = ModelSpec("llama.cpp", "", 512, 3, 64, CHUNK)
        self.tally = EngineCounters()
        told = self.hear, self.tally, self.clock
        self.scheduler = Scheduler(self.backend, spec, *told, keyed=keyed)
        self.looks: list[int] = []
        look = self.backend.look

        def counted(seq: int, start: int, token: int, images: Any) -> int:
            count = look(seq, start, token, images)
            self.looks.append(count)
            return count

        self.backend.look = counted

    def submit(self, id: int, prompt: str, *images: Image, **fields: Any) -> Heard:
        request = Generate(id, "m", prompt, True, DRAWN, 6, ignore_eos=True)
        self.scheduler.submit(replace(request, images=[*images], **fields))
        return self.heard[id]

    @property
    def busy(self) -> bool:
        return self.scheduler.running + self.scheduler.waiting > 0

    def settle(self) -> None:
        for _ in range(MOST_STEPS):
            if not self.busy:
                return
            self.scheduler.step()
        raise AssertionError("the scheduler does not come to an end")


Open = Callable[..., Seeing]


@pytest.fixture(params=["idefics3", "gemma3", "qwen2vl_merger"])
def open_engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    files = write_seeing(tmp_path, request.param)
    opened: list[Seeing] = []

    def make(keyed: Keyed | None = None) -> Seeing:
        opened.append(Seeing(files, keyed))
        return opened[-1]

    yield make
    for one in opened:
        one.backend.close()


def test_a_second_question_about_an_image_does_not_look_again(open_engine: Open) -> None:
    engine = open_engine()
    first = engine.submit(1, WHAT, ONE)
    engine.settle()
    looks = len(engine.looks)
    second = engine.submit(2, WHERE, ONE)
    engine.settle()
    assert looks == len(engine.looks) > 0
    assert second.started[0].cached_tokens > sum(engine.looks)
    fresh = open_engine()
    alone = fresh.submit(1, WHERE, ONE)
    fresh.settle()
    assert alone.outcome() == second.outcome()
    assert first.outcome() != second.outcome()


def test_another_image_is_looked_at(open_engine: Open) -> None:
    engine = open_engine()
    engine.submit(1, WHAT, ONE)
    engine.settle()
    looks, read = len(engine.looks), engine.tally.read
    other = engine.submit(2, WHAT.replace(str(ONE.reference), str(TWO.reference)), TWO)
    engine.settle()
    assert len(engine.looks) == 2 * looks
    assert other.started[0].cached_tokens < other.started[0].prompt_tokens - sum(engine.looks) // 2
    assert engine.tally.read - read == (
        other.started[0].prompt_tokens - other.started[0].cached_tokens
    )


def test_several_answers_look_once(open_engine: Open) -> None:
    engine = open_engine()
    answers = engine.submit(1, BOTH, ONE, TWO, n=3, sampling=GREEDY)
    engine.settle()
    assert sorted(answers.finished) == [0, 1, 2]
    both = len(engine.looks)
    engine = open_engine()
    alone = engine.submit(1, BOTH, ONE, TWO, sampling=GREEDY)
    engine.settle()
    assert len(engine.looks) == both
    assert [answers.outcome(index) for index in range(3)] == [alone.outcome()] * 3


def test_streams_go_on_beside_a_look(open_engine: Open) -> None:
    engine = open_engine()
    stream = engine.submit(1, "hello", max_tokens=400)
    while not stream.tokens[0]:
        engine.scheduler.step()
    engine.scheduler._outbox._pause_s = 0.0
    engine.submit(2, BOTH, ONE, TWO)
    while not engine.heard[2].tokens[0]:
        before, looks = len(stream.tokens[0]), len(engine.looks)
        engine.scheduler.step()
        engine.scheduler.flush()
        assert len(stream.tokens[0]) == before + 1
        assert len(engine.looks) <= looks + 1
    assert engine.looks


def test_a_look_is_booked_on_its_request(open_engine: Open) -> None:
    engine = open_engine()
    spent: dict[int, float] = {}

    def worked(work: Any) -> None:
        for share in work.shares:
            spent[share.id] = spent.get(share.id, 0.0) + share.prefill_s

    engine.worked = worked
    engine.submit(1, WHAT, ONE)
    while not engine.looks:
        engine.scheduler.step()
    engine.scheduler.flush()
    assert spent[1] > 0.0
    assert engine.tally.read >= sum(engine.looks)


def test_an_answer_goes_on_in_another_engine(open_engine: Open) -> None:
    fd = Checkpoints.shared(1 << 22)
    engine = open_engine(Keyed(Checkpoints(fd), b"k" * 32))
    request = {"max_tokens": 60}
    lost = engine.submit(1, WHAT, ONE, **request)
    while len(lost.tokens[0]) < 40:
        engine.scheduler.step()
        engine.scheduler.flush()
    told = lost.so_far()
    again = open_engine(Keyed(Checkpoints(fd), b"k" * 32))
    rest = again.submit(1, WHAT, ONE, **request, **told)
    again.settle()
    assert not again.looks  # what the first engine saw was kept
    whole = open_engine()
    alone = whole.submit(1, WHAT, ONE, **request)
    whole.settle()
    assert told["resume"][0] + rest.tokens[0] == alone.tokens[0]


def test_lookup_drafts_no_image(open_engine: Open) -> None:
    prompt = f"ab {ONE.reference} cd ab {ONE.reference} cd ab cd ab"
    engine = open_engine()
    plain = engine.submit(1, prompt, ONE, max_tokens=40)
    engine.settle()
    drafted = engine.submit(2, prompt, ONE, max_tokens=40, mode=Mode("lookup"))
    engine.settle()
    assert not drafted.failed
    assert drafted.tokens[0] == plain.tokens[0]


def test_a_look_that_fails_costs_its_request_alone(open_engine: Open) -> None:
    engine = open_engine()
    other = engine.submit(1, "hello", max_tokens=20)

    def broken(seq: int, start: int, token: int, images: Any) -> int:
        raise EngineError("it cannot see")

    engine.backend.look = broken
    asked = engine.submit(2, WHAT, ONE)
    engine.settle()
    assert [failed.message for failed in asked.failed] == ["it cannot see"]
    assert len(other.tokens[0]) == 20
    assert other.finished[0].reason == "length"


@pytest.mark.parametrize(
    ("prompt", "images", "fields", "param", "said"),
    [
        (WHAT, [], {}, "prompt", "does not have"),
        (WHAT, [TWO], {}, "prompt", "does not have"),
        (WHAT, [ONE], {"mode": Mode("speculative", "small")}, "edge.mode", "two models"),
        (f"{ImageReference('0' * 64, 9999, 9999)} x", [], {}, "prompt", "does not have"),
    ],
)
def test_what_cannot_be_seen_fails_by_name(
    tmp_path: Path, prompt: str, images: list[Image], fields: Any, param: str, said: str
) -> None:
    engine = Seeing(write_seeing(tmp_path, "gemma3"))
    (failed,) = engine.submit(1, prompt, *images, **fields).failed
    assert failed.param == param
    assert said in failed.message
    engine.backend.close()


def test_a_model_without_eyes_refuses_references(front: Any) -> None:
    failed = front.submit(1, f"a{ONE.reference}b", images=[ONE]).failed
    assert [one.code for one in failed] == ["unsupported_content"]


def test_counting_needs_no_pixels(tmp_path: Path) -> None:
    engine = Seeing(write_seeing(tmp_path, "gemma3"))
    tokens, cached = engine.scheduler.tokenize(WHAT, special=True)
    heard = engine.submit(1, WHAT, ONE)
    engine.settle()
    assert (len(tokens), cached) == (heard.started[0].prompt_tokens, 0)
    assert engine.scheduler.tokenize(WHAT, special=True)[1] == len(tokens) - 1
    engine.backend.close()


@pytest.mark.parametrize(("count", "tokens", "said"), [(65, 1, "more than 64"), (60, 300, "least")])
def test_references_that_a_text_spells_out_hold_up_nobody(
    tmp_path: Path, count: int, tokens: int, said: str
) -> None:
    engine = Seeing(write_seeing(tmp_path, "gemma3"))
    measured: list[ImageReference] = []

    def image_tokens(reference: ImageReference) -> list[int]:
        measured.append(reference)
        return [-1] * tokens

    engine.backend.image_tokens = image_tokens
    references = (ImageReference("0" * 64, 2000, 2000 + n) for n in range(count))
    with pytest.raises(RequestError, match=said):
        engine.scheduler.tokenize("".join(map(str, references)), special=True)
    assert len(measured) <= 2
    engine.backend.close()
