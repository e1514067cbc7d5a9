"""Thoughts that are ended at a limit, so that the answer begins."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from msgspec.structs import replace

from edge_rt.core.chat_format import CUT
from edge_rt.core.decoding import Constraint
from edge_rt.core.events import Delta, Finished, Started, Timings
from edge_rt.core.requests import Call, Cost, Costs, Event, ThinkLimit
from edge_rt.models.templates.task import Disarmed

Generate = Callable[[Call], AsyncGenerator[Event, None]]


async def think_first(call: Call, generate: Generate) -> AsyncGenerator[Event, None]:
    """Run `call`, whose prompt has begun the thoughts, with these ended at its limit.

    The thoughts are a call of their own, which the end marker or the limit ends, and the answer
    another one, whose prompt holds them; the engine has read that beginning before.
    """
    thinking = call.thinking
    assert thinking is not None
    assert isinstance(call.prompt, str)
    first = _Thoughts(call, thinking)
    async with aclosing(generate(first.call)) as events:
        async for event in events:
            if first.take(event):
                yield event
    if first.over is not None:
        yield first.cost
        yield first.over
        return
    yield Delta(0, 0, first.bridge, [])
    async with aclosing(generate(first.rest())) as events:
        async for event in events:
            if not isinstance(event, Started):
                yield first.added(event)


class _Thoughts:
    """The thoughts of one answer while they come, and their cost."""

    def __init__(self, call: Call, limit: ThinkLimit) -> None:
        self.over: Finished | None = None  # the end, where no answer follows
        self.cost: Cost
        self._whole, self._limit = call, limit
        self._text, self._tokens = "", 0
        self._end: Finished
        self._closing = ""

    @property
    def call(self) -> Call:
        """The call for the thoughts alone."""
        whole, limit = self._whole, self._limit
        most = [most for most in (whole.max_tokens, limit.tokens) if most is not None]
        joules = [j for j in (whole.energy_j, limit.energy_j) if j is not None]
        marked = Constraint("lark", f"start: TEXT {limit.token}\nTEXT: /(.|\\n)*/")
        return replace(
            whole,
            thinking=None,
            fit=None,
            constraint=None if limit.token is None else marked,
            stop=(*whole.stop, limit.end),
            max_tokens=min(most, default=None),
            energy_j=min(joules, default=None),
        )

    def take(self, event: Event) -> bool:
        """Note an event; return whether the client gets it."""
        if isinstance(event, Cost):
            self.cost = event
            return False
        if isinstance(event, Finished):
            self._finish(event)
            return False
        if isinstance(event, Delta):
            self._text += event.text
            self._tokens += len(event.tokens)
        return True

    @property
    def bridge(self) -> str:
        """What leads from the thoughts to the answer."""
        return f"{self._closing}{self._limit.end}{self._limit.behind}"

    def rest(self) -> Call:
        """Return the call for the answer."""
        whole, plan = self._whole, self._whole.plan
        said = Disarmed((), CUT).text(self._text)  # what looks like a control token is none
        more = f"{said}{self.bridge}"
        if plan.mode is not None and isinstance(plan.mode.prompt, str):
            mode = replace(plan.mode, prompt=plan.mode.prompt + more)
            plan = replace(plan, mode=mode)
        left = None if whole.max_tokens is None else whole.max_tokens - self._tokens
        fit = whole.fit and replace(whole.fit, tokens=max(1, whole.fit.tokens - self._tokens))
        return replace(
            whole,
            plan=plan,
            thinking=None,
            fit=fit,
            prompt=f"{whole.prompt}{more}",
            max_tokens=left,
            energy_j=left_j(whole.energy_j, self.cost),
        )

    def added(self, event: Event) -> Event:
        """Return an event of the answer, with what the thoughts took."""
        if isinstance(event, Cost):
            return together(self.cost, event)
        return after(self._end, event) if isinstance(event, Finished) else event

    def _finish(self, event: Finished) -> None:
        self._end = event
        ended = event.reason == "stop" and event.stop == self._limit.end
        if not ended and not self._limited(event):
            self.over = event
        self._closing = "" if ended else self._limit.closing

    def _limited(self, event: Finished) -> bool:
        """Return whether the thoughts' own limit ended them, and not one of the whole answer."""
        whole, limit = self._whole, self._limit
        if event.reason != "length" or self._tokens >= (whole.max_tokens or self._tokens + 1):
            return False
        if limit.tokens is not None and self._tokens >= limit.tokens:
            return True
        if limit.energy_j is None or self.cost.why is None:
            return False
        return whole.energy_j is None or whole.energy_j > limit.energy_j


def left_j(energy_j: float | None, cost: Cost) -> float | None:
    """Return the joules that are left of `energy_j` after `cost`; None: no limit."""
    return None if energy_j is None else max(0.0, energy_j - (cost.energy_j or 0.0))


def together(one: Cost, other: Cost) -> Cost:
    """Return what two calls cost, one after the other."""
    both = Costs(2)
    both.take(one)
    both.take(other)
    return Cost(
        energy_j=both.energy_j,
        quality=both.quality,
        power_w=both.power_w,
        temp_c=both.temp_c,
        seconds=one.seconds + other.seconds,
        power_quality=both.power_quality,
        why=other.why,
        simulated=both.simulated,
    )


def after(thoughts: Finished, answer: Finished) -> Finished:
    """Return the end of an answer whose first part, such as its thoughts, was a call of its own."""
    one, other = thoughts.timings, answer.timings
    timings = Timings(
        queue_s=one.queue_s + other.queue_s,
        prefill_s=one.prefill_s,
        decode_s=one.decode_s + other.prefill_s + other.decode_s,
        prompt_tokens=one.prompt_tokens,
        cached_tokens=one.cached_tokens,
        completion_tokens=one.completion_tokens + other.completion_tokens,
    )
    made = answer.made
    if thoughts.made is not None:
        made = thoughts.made if made is None else thoughts.made.plus(made)
    return replace(answer, timings=timings, made=made)
