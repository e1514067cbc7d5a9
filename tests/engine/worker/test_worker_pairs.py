"""Two models that answer together, through the decode loop and its limits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

import msgspec
import pytest
from worker_stage import Stage

from edge_rt.core.decoding import Gating, Mode, Sampling
from edge_rt.core.events import Finished
from edge_rt.engine.protocol import Failed, Generate, Ping, Pong, SetLimits, StepOutput, UnloadModel

PROMPT = [8 + i * 7 % 25 for i in range(30)]
SPECULATIVE = Mode("speculative", "small")
SHARED = Mode("switch", "small", gating=Gating(share=0.4))


@pytest.fixture
def pair(stage: Callable[..., Stage]) -> Stage:
    on = stage(0.01, 0.001)
    on.add("small", quirk=1)
    return on


def tokens(on: Stage) -> dict[int, list[int]]:
    told: dict[int, list[int]] = defaultdict(list)
    for step in on.all(StepOutput):
        for delta in step.deltas:
            told[delta.id] += delta.tokens
    return told


@pytest.mark.parametrize(
    "limits",
    [
        SetLimits(1),
        SetLimits(2, duty=0.3),
        SetLimits(1, prefill_chunk=3),
    ],
)
def test_whatever_the_limits_an_answer_is_the_same(
    pair: Stage, new_request: Callable, reference: Callable, limits: SetLimits
) -> None:
    fields = {"max_tokens": 25, "sampling": Sampling(seed=7)}
    asked: list[Generate] = [
        new_request(id, [id + 4, *PROMPT], mode=mode, **fields)
        for id, mode in enumerate([SPECULATIVE, None, Mode("lookup"), SPECULATIVE, SHARED], 1)
    ]
    pair.run((0.0, limits), *((0.0, one) for one in asked), (60.0, Ping(1)))
    assert pair.all(Failed) == []
    told = tokens(pair)
    for request in asked[:4]:
        assert told[request.id] == reference(request, 0)[1]
    ends = {end.id: end for end in pair.all(Finished)}
    made = ends[5].made
    assert made.small + made.large == 25
    assert made.switches > 5
    assert ends[2].made is None
    [pong] = pair.all(Pong)
    assert (pong.running, pong.waiting, pong.drawn) == (0, 0, 125)


def test_a_model_that_goes_takes_what_it_was_to_answer_with_it(
    pair: Stage, endless: Callable
) -> None:
    pair.run(
        (0.0, endless(1, PROMPT, mode=SHARED)),
        (0.0, endless(2, PROMPT)),
        (1.0, UnloadModel("small")),
        (1.5, Ping(1)),
        (1.6, endless(3, PROMPT, mode=SPECULATIVE)),
    )
    first, later, _ = pair.all(Failed)  # the last one by the end of all
    assert (first.id, first.message) == (1, "small was unloaded")
    assert (later.id, later.code) == (3, "not_loaded")
    assert pair.all(Pong)[0].running == 1


def test_all_that_passes_took_is_told_as_somebodys(pair: Stage, new_request: Callable) -> None:
    pair.run((0.0, new_request(1, PROMPT, max_tokens=40, mode=SHARED)), (9.0, Ping(1)))
    told = sum(s.prefill_s + s.decode_s for work in pair.spans() for s in work.shares)
    assert told == pytest.approx(pair.computed(0.0, 9.0))


def test_what_one_model_draws_does_not_wait_for_the_pass_of_another(
    pair: Stage, endless: Callable
) -> None:
    untold: list[int] = []
    forward = pair.models["small"].forward

    def noted() -> None:
        pair._hear()
        untold.append(len(pair.models["toy"].passes) - len(tokens(pair)[1]))
        forward()

    pair.models["small"].forward = noted
    other = msgspec.structs.replace(endless(2, [6]), model="small")
    pair.run((0.0, endless(1, [5])), (0.0, other), (1.0, Ping(1)))
    assert len(untold) > 20
    assert max(untold) == 0
