"""Whatever arrives and leaves, every answer is what the model alone would have given."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_rt.core.decoding import Sampling
from edge_rt.core.events import Started
from edge_rt.engine.kv import checkpointer
from edge_rt.engine.kv import checkpoints as spare
from edge_rt.engine.kv.checkpoints import Checkpoints, Keyed
from edge_rt.engine.protocol import Generate

SYSTEM = [7 + i * 5 % 18 for i in range(40)]  # a prompt's beginning that many requests share


@dataclass(frozen=True)
class Submit:
    """A request arrives."""

    changes: dict


@dataclass(frozen=True)
class Cancel:
    """The client of the request with this number, modulo how many there are, goes away."""

    which: int


@dataclass(frozen=True)
class Steps:
    """The decode loop goes round."""

    count: int


tokens = st.lists(st.integers(2, 20), min_size=1, max_size=50)
prompts = st.one_of(
    tokens,
    st.builds(lambda cut, tail: SYSTEM[:cut] + tail, st.integers(0, 40), tokens),
)
samplings = st.builds(
    Sampling,
    temperature=st.sampled_from([0.0, 0.7, 1.3]),
    top_k=st.sampled_from([0, 5]),
    repeat_penalty=st.sampled_from([1.0, 1.2]),
    presence_penalty=st.sampled_from([0.0, 0.5]),
    seed=st.integers(0, 2**63),
    top_logprobs=st.sampled_from([None, 0, 2]),
)
stops = st.lists(st.sampled_from(["a", "ab", "bc", "abca", "é", "z.", "\ufffd", " a"]), max_size=3)
submits = st.fixed_dictionaries(
    {
        "prompt": prompts,
        "sampling": samplings,
        "max_tokens": st.one_of(st.none(), st.integers(1, 20)),
        "n": st.integers(1, 3),
        "stop": stops,
        "ignore_eos": st.booleans(),
        "user": st.sampled_from([None, "a", "b"]),
    }
)
actions = st.one_of(
    st.builds(Submit, submits),
    st.builds(Cancel, st.integers(0, 20)),
    st.builds(Steps, st.integers(1, 12)),
)
shapes = st.fixed_dictionaries(
    {"sequences": st.integers(1, 4), "batch": st.integers(4, 40), "recurrent": st.booleans()}
)


@settings(max_examples=3 * settings().max_examples)
@given(script=st.lists(actions, max_size=14), shape=shapes, chunk=st.integers(1, 24))
def test_every_answer_is_the_models_own(
    toy: Callable,
    new_front: Callable,
    new_request: Callable[..., Generate],
    reference: Callable,
    script: list,
    shape: dict,
    chunk: int,
) -> None:
    front = new_front(toy(**shape), chunk=chunk)
    requests: list[Generate] = []
    cancelled: dict[int, int] = {}  # id -> events heard before
    for action in script:
        if isinstance(action, Submit):
            requests.append(new_request(len(requests), **action.changes))
            front.scheduler.submit(requests[-1])
        elif isinstance(action, Cancel) and requests:
            id = action.which % len(requests)
            front.scheduler.cancel(id)
            cancelled.setdefault(id, len(front.events))
        elif isinstance(action, Steps):
            for _ in range(action.count):
                front.scheduler.step()
    front.settle()
    for request in requests:
        heard = front.heard[request.id]
        assert not heard.failed
        assert set(heard.finished) == set(range(request.n)) or request.id in cancelled
        for index in heard.finished:
            assert heard.outcome(index) == reference(request, index)
            assert heard.finished[index].timings.completion_tokens == len(heard.tokens[index])
    for id, count in cancelled.items():
        assert all(e not in front.events[count:] for e in front.heard[id].finished.values())


@settings(max_examples=2 * settings().max_examples)
@given(
    request=submits,
    shape=shapes,
    losses=st.lists(st.integers(0, 40), max_size=3),
    most_bytes=st.sampled_from([0, 4096, 1 << 16]),
)
def test_an_answer_goes_on_in_another_engine_as_if_nothing_had_happened(
    toy: Callable,
    new_front: Callable,
    new_request: Callable[..., Generate],
    reference: Callable,
    request: dict,
    shape: dict,
    losses: list[int],
    most_bytes: int,
) -> None:
    memory = os.fdopen(Checkpoints.shared(most_bytes), "r+b", buffering=0)
    with memory, pytest.MonkeyPatch.context() as patch:
        patch.setattr(spare, "BURST_S", math.inf)
        patch.setattr(checkpointer, "WORTH_COPYING", 1)
        patch.setattr(checkpointer, "KEEP_EVERY", 1)
        asked = new_request(1, **request)
        undisturbed, client = new_front(), new_front()
        undisturbed.scheduler.submit(asked)
        undisturbed.settle()
        heard = client.heard[1]
        for frames in [*losses, None]:  # how many an engine could send before it was lost
            engine = new_front(toy(**shape))
            engine.keep_as(None, Keyed(Checkpoints(memory.fileno()), b"k" * 32))
            resume = {index: list(tokens) for index, tokens in heard.tokens.items()}
            told = {"resume": resume, "done": list(heard.finished), "withheld": heard.withheld}
            again = new_request(1, **request, **told)
            engine.scheduler.submit(again)
            while engine.busy and (frames is None or len(engine.events) < frames):
                engine.scheduler.step()
            for event in engine.events[:frames]:
                if not isinstance(event, Started) or not heard.started:
                    client.hear(event)  # which refuses tokens of an answer that has ended
        assert set(heard.finished) == set(range(asked.n))
        for index in range(asked.n):
            assert heard.outcome(index) == reference(asked, index)
            assert heard.logprobs[index] == undisturbed.heard[1].logprobs[index]
            timings = heard.finished[index].timings
            assert min(timings.queue_s, timings.prefill_s, timings.decode_s) >= 0
