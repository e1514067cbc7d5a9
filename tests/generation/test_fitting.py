"""Answers fit their tokens: complete, closed by their final answer, or cut behind a sentence."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.core.decoding import Constraint, Mode, Sampling
from edge_rt.core.errors import RequestError, Unavailable
from edge_rt.core.events import Delta, Finished, Started, Timings
from edge_rt.core.requests import Call, Cost, Event, FitLimit, Plan, ThinkLimit
from edge_rt.generation.fitting import FINAL_TOKENS, fit_answer, most_tokens
from edge_rt.generation.thinking import think_first

NUMBER = Constraint("regex", "[0-9]+", param="edge.final")
SPENT = "the answer ends early: its `edge.energy_j` is spent"


class Engine:
    """Answers each call by the next script, as long as the call allows, a word being a token."""

    def __init__(self, *scripts: str, spent: str | None = None) -> None:
        self.calls: list[Call] = []
        self._scripts, self._spent = [*scripts], spent

    async def generate(self, call: Call) -> AsyncGenerator[Event, None]:
        self.calls.append(call)
        words = self._scripts.pop(0).split("|")
        told = words[: call.max_tokens]
        yield Started(0, 7, 4)
        for place, word in enumerate(told):
            yield Delta(0, 0, word, [place])
        yield Cost(2.0, "measured", 5.0, 50.0, 1.0, "measured", self._spent)
        over = self._spent is not None or len(told) < len(words) or len(told) == call.max_tokens
        timings = Timings(0.5, 1.0, 2.0, 7, 4, len(told))
        yield Finished(0, 0, "length" if over else "stop", timings)


def run(engine: Engine, fit: FitLimit | None, **more: Any) -> list[Event]:
    usual = {"plan": Plan("m"), "sampling": Sampling(), "special": True, "prompt": "<ask>"}
    fields: dict[str, Any] = {**usual, **more}
    call = Call(fit=fit, **fields)

    async def collected() -> list[Event]:
        return [event async for event in fit_answer(call, engine.generate)]

    return asyncio.run(collected())


def outcome(events: list[Event]) -> tuple[str, str, str | None, str | None]:
    """The text, the reason, how it ended and why."""
    *_, cost, end = events
    assert isinstance(cost, Cost)
    assert isinstance(end, Finished)
    told = "".join(event.text for event in events if isinstance(event, Delta))
    return told, end.reason, end.ended, cost.why


def test_an_answer_that_ends_by_itself_is_told_whole() -> None:
    found = outcome(run(Engine("One. |Two. |Thr|ee"), FitLimit(5)))
    assert found == ("One. Two. Three", "stop", "complete", None)


def test_what_need_not_fit_goes_through_as_it_is() -> None:
    engine = Engine("a|b")
    assert outcome(run(engine, None)) == ("ab", "stop", None, None)
    assert engine.calls[0].max_tokens is None


@pytest.mark.parametrize(
    ("said", "told", "ended"),
    [
        ("One| is.| Two| is| not| so| bad. |but|x", "One is. Two is not so bad.", "sentence"),
        ("a|b|c|d|e|f|\ng|h|i", "abcdef\n", "sentence"),
        ("1| 2| 3| 4| 5| 6| 7| 8.| 9", "1 2 3 4 5 6 7 8.", "sentence"),
        ("No| end| in| 3.5| to| be| seen| at| all", "No end in 3.5 to be seen at", "cut"),
    ],
)
def test_a_cut_comes_behind_a_sentence_if_there_is_one_near_the_end(
    said: str, told: str, ended: str
) -> None:
    """From the sixth of eight tokens on, text waits for the end of its sentence."""
    text, reason, how, why = outcome(run(Engine(said), FitLimit(8)))
    assert (text, reason, how) == (told, "length", ended)
    assert why is not None


@pytest.mark.parametrize("form", [{"constraint": NUMBER}, {"sampling": Sampling(top_logprobs=1)}])
def test_what_is_no_prose_is_told_as_it_comes(form: dict[str, Any]) -> None:
    text, reason, how, _ = outcome(run(Engine("1|2|3|4|5|6. |7|8|9"), FitLimit(8), **form))
    assert (text, reason, how) == ("123456. 78", "length", "cut")


def test_a_final_answer_is_written_with_the_last_tokens() -> None:
    engine = Engine("|".join(f"w{i} " for i in range(100)), "4|2")
    fit = FitLimit(FINAL_TOKENS + 3, NUMBER, "#### ")
    events = run(engine, fit, energy_j=10.0, max_tokens=300)
    first, second = engine.calls
    assert (first.max_tokens, first.fit, first.energy_j) == (3, None, 10.0)
    assert second.prompt == "<ask>w0 w1 w2 \n#### "
    assert (second.max_tokens, second.energy_j) == (FINAL_TOKENS, 8.0)
    assert second.constraint == Constraint("regex", r"([0-9]+)[ \n]?", param="edge.final")
    text, reason, ended, why = outcome(events)
    assert text == "w0 w1 w2 \n#### 42"
    assert (reason, ended) == ("length", "closed")
    assert why is not None
    assert sum(isinstance(event, Started) for event in events) == 1
    *_, cost, end = events
    assert isinstance(cost, Cost)
    assert isinstance(end, Finished)
    assert cost.energy_j == 4.0
    assert end.timings.completion_tokens == 5


def test_one_that_is_never_told_is_cut() -> None:
    engine = Engine("|".join("abcdef"), "|".join("1" * 99))
    _, reason, ended, _ = outcome(run(engine, FitLimit(FINAL_TOKENS + 3, NUMBER, "#### ")))
    assert (reason, ended) == ("length", "cut")


def test_the_answer_goes_on_behind_its_opening() -> None:
    engine = Engine("|".join("abcdef"), "4|2")
    mode = Mode("switch", "small", prompt="<other>")
    fit = FitLimit(FINAL_TOKENS + 3, NUMBER, "#### ", "In short: ")
    events = run(engine, fit, plan=Plan("m", mode=mode))
    first, second = engine.calls
    assert (first.prompt, first.plan.mode.prompt) == ("<ask>In short: ", "<other>In short: ")
    assert second.prompt == "<ask>In short: abc\n#### "
    assert outcome(events)[0] == "In short: abc\n#### 42"
    assert isinstance(events[0], Started)


def test_tokens_as_a_prompt_cannot_lead_to_one() -> None:
    engine = Engine("a|b|c|d")
    found = outcome(run(engine, FitLimit(FINAL_TOKENS + 3, NUMBER, "#### "), prompt=[1, 2]))
    assert found[:3] == ("abc", "length", "cut")


def test_joules_that_are_spent_sooner_leave_no_room_for_it() -> None:
    engine = Engine("a|b|c", spent=SPENT)
    text, reason, ended, why = outcome(run(engine, FitLimit(FINAL_TOKENS + 3, NUMBER, "#### ")))
    assert (text, reason, ended, why) == ("abc", "length", "cut", SPENT)
    assert len(engine.calls) == 1


@pytest.mark.parametrize("error", [RequestError("limit"), Unavailable("late", retry_after_s=1.0)])
def test_too_little_for_it_leaves_the_answer_as_it_is(error: Exception) -> None:
    engine = Engine("a|b|c|d")

    async def generate(call: Call) -> AsyncGenerator[Event, None]:
        if engine.calls:
            raise error
        async for event in engine.generate(call):
            yield event

    async def collected() -> list[Event]:
        fields: dict[str, Any] = {"plan": Plan("m"), "sampling": Sampling(), "special": True}
        call = Call(prompt="", fit=FitLimit(FINAL_TOKENS + 3, NUMBER, "#### "), **fields)
        return [event async for event in fit_answer(call, generate)]

    text, reason, ended, why = outcome(asyncio.run(collected()))
    assert (text, reason, ended) == ("abc", "length", "cut")
    assert why is not None


def test_thoughts_take_their_part_of_the_tokens() -> None:
    engine = Engine("a|b|c|d|e", "Yes.| |No")
    limit = ThinkLimit("</think>", tokens=3, closing="\nEnough.\n")
    fields: dict[str, Any] = {"plan": Plan("m"), "sampling": Sampling(), "special": True}
    call = Call(prompt="<think>", thinking=limit, fit=FitLimit(10), **fields)

    async def collected() -> list[Event]:
        def fitted(one: Call) -> AsyncGenerator[Event, None]:
            return fit_answer(one, engine.generate)

        return [event async for event in think_first(call, fitted)]

    text, _, ended, _ = outcome(asyncio.run(collected()))
    assert [one.max_tokens for one in engine.calls] == [3, 7]
    assert text == "abc\nEnough.\n</think>\n\nYes. No"
    assert ended == "complete"


@given(st.integers(1, 5000), st.integers(0, 6000))
def test_the_most_tokens_that_fit_are_found(most: int, fitting: int) -> None:
    assert most_tokens(lambda tokens: tokens <= fitting, most) == max(1, min(most, fitting))


def test_a_final_answer_that_is_cut_is_told_once() -> None:
    fit = FitLimit(4 + FINAL_TOKENS, NUMBER, "#### ")
    told, *_ = outcome(run(Engine("It is |so:\n|#### |1|2|3", "12"), fit))
    assert told == "It is so:\n#### 12"


def test_a_mark_that_is_cut_is_told_once() -> None:
    fit = FitLimit(3 + FINAL_TOKENS, NUMBER, "#### ")
    told, *_ = outcome(run(Engine("It is |so:\n|##|## 1", "12"), fit))
    assert told == "It is so:\n#### 12"


def test_a_whole_final_answer_is_told_as_it_is() -> None:
    fit = FitLimit(9 + FINAL_TOKENS, NUMBER, "#### ")
    assert outcome(run(Engine("So:\n|#### |12"), fit))[0] == "So:\n#### 12"
