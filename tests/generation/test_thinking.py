"""Thoughts end at their limit, and the answer follows as if the model had ended them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from edge_rt.core.chat_format import CUT
from edge_rt.core.decoding import Constraint, Mode, Sampling
from edge_rt.core.events import Delta, Finished, Started, Timings
from edge_rt.core.requests import Call, Cost, Event, Plan, ThinkLimit
from edge_rt.generation.thinking import think_first

END = "</think>"
LIMIT = ThinkLimit(END, tokens=3)


def finished(reason: str = "stop", stop: str | None = None, tokens: int = 2) -> Finished:
    return Finished(0, 0, reason, Timings(0.5, 1.0, 2.0, 7, 4, tokens), stop)


def cost(energy_j: float | None = 2.0, why: str | None = None) -> Cost:
    return Cost(energy_j, "measured", 5.0, 50.0, 1.0, "measured", why)


def said(*texts: str, end: Finished, why: str | None = None) -> list[Event]:
    deltas = [Delta(0, 0, text, [i]) for i, text in enumerate(texts)]
    return [Started(0, 7, 4), *deltas, cost(why=why), end]


class Engine:
    """Answers each call by the next script."""

    def __init__(self, *scripts: list[Event]) -> None:
        self.calls: list[Call] = []
        self._scripts = [*scripts]

    async def generate(self, call: Call) -> AsyncGenerator[Event, None]:
        self.calls.append(call)
        for event in self._scripts.pop(0):
            yield event


def run(engine: Engine, limit: ThinkLimit = LIMIT, **more: Any) -> list[Event]:
    fields = {"plan": Plan("m"), "sampling": Sampling(), "special": True, **more}
    call = Call(prompt="<ask><think>\n", thinking=limit, **fields)

    async def collected() -> list[Event]:
        return [event async for event in think_first(call, engine.generate)]

    return asyncio.run(collected())


def text(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, Delta))


ANSWER = said("Yes", ".", end=finished())


def test_the_limit_forces_the_end_and_the_answer_begins() -> None:
    engine = Engine(said("a", "b", "c", end=finished("length", tokens=3)), ANSWER)
    events = run(engine)
    first, second = engine.calls
    assert (first.max_tokens, first.stop, first.thinking) == (3, (END,), None)
    assert second.prompt == "<ask><think>\nabc</think>\n\n"
    assert text(events) == "abc</think>\n\nYes."
    assert sum(isinstance(event, Started) for event in events) == 1
    *_, paid, end = events
    assert isinstance(paid, Cost)
    assert (paid.energy_j, paid.seconds, paid.why) == (4.0, 2.0, None)
    assert isinstance(end, Finished)
    assert end.reason == "stop"
    assert end.timings == Timings(1.0, 1.0, 5.0, 7, 4, 5)


def test_thoughts_that_end_by_themselves_are_followed_by_the_answer() -> None:
    engine = Engine(said("a", end=finished(stop=END)), ANSWER)
    assert text(run(engine)) == "a</think>\n\nYes."


@pytest.mark.parametrize(
    ("end", "more"),
    [
        (finished("stop"), {}),
        (finished("stop", "X"), {"stop": ("X",)}),
        (finished("length"), {}),  # the context is full
        (finished("length"), {"max_tokens": 2}),
    ],
)
def test_what_ends_the_whole_answer_ends_it(end: Finished, more: dict[str, Any]) -> None:
    engine = Engine(said("a", "b", end=end))
    events = run(engine, **more)
    assert len(engine.calls) == 1
    assert events[-1] == end
    assert isinstance(events[-2], Cost)


def test_joules_of_thoughts_end_them_and_count_for_the_whole() -> None:
    thoughts = said("a", end=finished("length", tokens=1), why="`edge.energy_j` is spent")
    engine = Engine(thoughts, ANSWER)
    events = run(engine, ThinkLimit(END, energy_j=1.5), energy_j=5.0, max_tokens=9)
    first, second = engine.calls
    assert (first.energy_j, second.energy_j, second.max_tokens) == (1.5, 3.0, 8)
    assert text(events) == "a</think>\n\nYes."
    assert [event.why for event in events if isinstance(event, Cost)] == [None]


def test_the_joules_of_the_whole_answer_end_all() -> None:
    engine = Engine(said("a", end=finished("length"), why="`edge.energy_j` is spent"))
    events = run(engine, ThinkLimit(END, energy_j=9.0), energy_j=1.0)
    assert len(engine.calls) == 1
    assert [event.why for event in events if isinstance(event, Cost)] != [None]


def test_what_thoughts_spell_out_becomes_no_control_token() -> None:
    thoughts = said("<|im_end|>", end=finished(stop=END))
    engine = Engine(thoughts, ANSWER)
    run(engine)
    assert engine.calls[1].prompt == f"<ask><think>\n<{CUT}|im_end|></think>\n\n"


def test_the_partner_reads_the_thoughts_too() -> None:
    plan = Plan("m", mode=Mode("switch", "small", prompt="<other><think>\n"))
    engine = Engine(said("a", end=finished(stop=END)), ANSWER)
    run(engine, plan=plan)
    mode = engine.calls[1].plan.mode
    assert mode is not None
    assert mode.prompt == "<other><think>\na</think>\n\n"


def test_the_constraint_is_the_answers() -> None:
    wanted = Constraint("regex", "a+")
    engine = Engine(said("a", end=finished(stop=END)), ANSWER)
    run(engine, constraint=wanted)
    assert [call.constraint for call in engine.calls] == [None, wanted]


def test_an_end_marker_that_is_a_control_token_is_part_of_a_grammar() -> None:
    engine = Engine(said("a", end=finished(stop="[/THINK]")), ANSWER)
    run(engine, ThinkLimit("[/THINK]", 3, token="<[/THINK]>"))
    constraint = engine.calls[0].constraint
    assert constraint is not None
    assert "start: TEXT <[/THINK]>" in constraint.text
