"""Whatever limits come and go, nobody is lost and every answer is the model's own."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from itertools import accumulate

from hypothesis import given, settings
from hypothesis import strategies as st
from worker_stage import Stage

from edge_rt.core.decoding import Sampling
from edge_rt.core.events import Finished, Started
from edge_rt.engine.protocol import Cancel, Failed, Generate, Ping, Pong, SetLimits, StepOutput

LATE_S = 10_000.0  # by when all is done, however slow it was made

limits = st.builds(
    SetLimits,
    threads=st.integers(1, 4),
    duty=st.sampled_from([0.0, 0.02, 0.2, 0.5, 0.95, 1.0]),
    prompt_duty=st.sampled_from([None, 0.02, 0.5, 1.0]),
    prefill_chunk=st.none() | st.integers(1, 40),
)
requests = st.fixed_dictionaries(
    {
        "prompt": st.lists(st.integers(2, 20), min_size=1, max_size=60),
        "sampling": st.builds(
            Sampling, temperature=st.sampled_from([0.0, 0.9]), seed=st.integers(0, 9)
        ),
        "max_tokens": st.integers(1, 12),
        "n": st.integers(1, 2),
    }
)
events = st.tuples(
    st.sampled_from([0.0, 0.003, 0.02, 0.11, 1.0]), limits | requests | st.just(None)
)


@settings(max_examples=2 * settings().max_examples)
@given(script=st.lists(events, max_size=14), late_s=st.sampled_from([0.0, 0.004]))
def test_every_answer_comes_and_is_the_models_own(
    stage: Callable[..., Stage],
    new_request: Callable[..., Generate],
    reference: Callable,
    script: list,
    late_s: float,
) -> None:
    on = stage(0.01, 0.0002, late_s=late_s)
    asked: list[Generate] = []
    cancelled: set[int] = set()
    messages: list = []
    for _, event in script:
        if isinstance(event, SetLimits):
            messages.append(event)
        elif event is not None:
            asked.append(new_request(len(asked) + 1, **event))
            messages.append(asked[-1])
        else:  # the newest client leaves
            cancelled.add(len(asked))
            messages.append(Cancel(len(asked)))
    times = list(accumulate((wait_s for wait_s, _ in script), initial=0.0))
    on.run(*zip(times[1:], messages, strict=True), (times[-1], SetLimits(1)), (LATE_S, Ping(0)))

    [pong] = on.all(Pong)
    assert (pong.running, pong.waiting) == (0, 0)
    assert on.all(Failed) == []
    tokens: dict[tuple[int, int], list[int]] = defaultdict(list)
    texts: dict[tuple[int, int], str] = defaultdict(str)
    for step in on.all(StepOutput):
        for delta in step.deltas:
            tokens[delta.id, delta.index] += delta.tokens
            texts[delta.id, delta.index] += delta.text
    ended = {(end.id, end.index): end for end in on.all(Finished)}
    for request in asked:
        for index in range(request.n):
            key = request.id, index
            if key in ended:
                outcome = texts[key], tokens[key], ended[key].reason, ended[key].stop
                assert outcome == reference(request, index)
            else:
                assert request.id in cancelled
    started = [one.id for one in on.all(Started)]
    assert len(started) == len(set(started))
    assert pong.drawn >= sum(map(len, tokens.values()))
