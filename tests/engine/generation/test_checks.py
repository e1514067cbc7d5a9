"""Answers that a program judges: the same with drafts, in other engines and beside others."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from duo import SPECULATIVE, SWITCH, Duo
from heard import Heard, Listener
from msgspec.structs import replace

from edge_rt.core.decoding import CheckerSpec, Mode, Sampling
from edge_rt.core.events import Started
from edge_rt.engine.protocol import Generate

LOOKUP = Mode("lookup")
PROGRAM = """
import json, sys
def verdict(text):  # 8 to 12 letters in rising order, each at most three times
    if sorted(text) != list(text) or any(text.count(one) > 3 for one in text):
        return "dead"
    last = text[-1:] or "a"
    left = 3 * (ord("h") - ord(last)) + 3 - text.count(last)
    if not set(text) <= set("abcdefgh") or len(text) > 12 or len(text) + left < 8:
        return "dead"
    return "viable" if len(text) < 8 else "final" if len(text) == 12 or not left else "complete"
for line in sys.stdin:
    said = json.loads(line)
    print(json.dumps([verdict(said["text"] + one) for one in said["next"]]), flush=True)
"""
SAMPLINGS = [
    Sampling(temperature=0.0, top_logprobs=1),
    Sampling(temperature=1.0, seed=3),
    Sampling(temperature=1.3, seed=5, repeat_penalty=1.3, top_p=0.9, top_logprobs=0),
]


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> CheckerSpec:
    file: Path = tmp_path_factory.mktemp("checker") / "rising.py"
    file.write_text(PROGRAM)
    return CheckerSpec("rising", (sys.executable, str(file)), 2.0, 256 * 1024 * 1024)


@pytest.fixture
def engine(
    new_duo: Callable[..., Duo], toy: Callable, spec: CheckerSpec
) -> Iterator[Callable[[], Duo]]:
    """Makes engines in which the checker runs."""
    with ExitStack() as stack:

        def make() -> Duo:
            duo = new_duo(toy(outputs=8), toy(quirk=1))
            duo.scheduler().checkers.start(spec)
            stack.callback(duo.scheduler().checkers.close)
            return duo

        yield make


def asked(new_request: Callable, spec: CheckerSpec, **changes: Any) -> Generate:
    fields = {"max_tokens": 30, "ignore_eos": False, "check": spec, **changes}
    return new_request(1, "ab cd", **fields)


def heard_of(engine: Duo, request: Generate) -> Heard:
    heard = engine.submit(request)
    engine.settle()
    assert not heard.failed, heard.failed
    return heard


def rising(text: str) -> bool:
    letters = sorted(text) == list(text) and all(text.count(one) <= 3 for one in text)
    return letters and set(text) <= set("abcdefgh") and 8 <= len(text) <= 12


@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize("mode", [None, LOOKUP], ids=["single", "lookup"])
def test_every_answer_is_one_that_the_checker_calls_complete(
    engine: Callable[[], Duo],
    new_request: Callable,
    spec: CheckerSpec,
    mode: Mode | None,
    sampling: Sampling,
) -> None:
    request = asked(new_request, spec, mode=mode, sampling=sampling, n=3)
    heard, alone = heard_of(engine(), request), heard_of(engine(), replace(request, mode=None))
    for index in range(3):
        text, _, reason, _ = heard.outcome(index)
        assert reason == "stop"
        assert rising(text), text
        assert heard.outcome(index) == alone.outcome(index)
        assert heard.logprobs[index] == alone.logprobs[index]
        cost, other = heard.finished[index].check, alone.finished[index].check
        assert cost is not None
        assert other is not None
        assert cost.calls > cost.trips > 0
        assert (cost.log_weight is None) == (sampling.temperature == 0.0)
        assert cost.log_weight == pytest.approx(other.log_weight)


@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize("mode", [None, LOOKUP], ids=["single", "lookup"])
def test_wherever_the_engine_is_lost_the_answer_and_its_weight_are_the_same(
    engine: Callable[[], Duo],
    new_request: Callable,
    spec: CheckerSpec,
    mode: Mode | None,
    sampling: Sampling,
) -> None:
    request = asked(new_request, spec, mode=mode, sampling=sampling)
    expected, lost, told = heard_of(engine(), request), engine(), -1
    lost.submit(request)
    while lost.busy:
        lost.now += 1.0  # so that each step's tokens are sent at once
        lost.step()
        if len(lost.heard[1].tokens[0]) > told and not lost.heard[1].finished:
            told = len(lost.heard[1].tokens[0])
            client = Listener()
            client.heard[1] = deepcopy(lost.heard[1])
            go_on(engine(), client, request)
            assert client.heard[1].outcome() == expected.outcome()
            told_end, end = (one.finished[0].check for one in (client.heard[1], expected))
            assert told_end is not None
            assert end is not None
            assert told_end.log_weight == pytest.approx(end.log_weight)
    assert told > 3


def go_on(engine: Duo, client: Listener, request: Generate) -> None:
    heard = client.heard[request.id]
    engine.submit(replace(request, **heard.so_far()))
    engine.settle()
    for event in engine.events:
        if not isinstance(event, Started) or not heard.started:
            client.hear(event)


@pytest.mark.parametrize("mode", [SPECULATIVE, SWITCH], ids=["speculative", "switch"])
def test_two_models_are_refused(
    engine: Callable[[], Duo], new_request: Callable, spec: CheckerSpec, mode: Mode
) -> None:
    heard = engine().submit(asked(new_request, spec, mode=mode))
    assert [failed.param for failed in heard.failed] == ["edge.mode"]


def test_a_checker_that_ends_fails_its_requests_and_no_others(
    engine: Callable[[], Duo], new_request: Callable, spec: CheckerSpec
) -> None:
    duo = engine()
    duo.submit(asked(new_request, spec, n=2))
    duo.submit(new_request(2, "ab cd", max_tokens=20))
    for _ in range(4):
        duo.step()
    duo.scheduler().checkers.get(spec).close()
    duo.settle()
    (failed,) = duo.heard[1].failed
    assert failed.message == "`edge.check`: the checker 'rising' ended by signal 9"
    assert (failed.param, failed.code) == (None, None)  # no fault of the request
    assert duo.heard[2].finished[0].reason == "length"
    duo.scheduler().checkers.start(spec)
    assert rising(heard_of(duo, replace(asked(new_request, spec), id=3)).texts[0])
