"""Answers that are to end within a number of tokens: completely, or at least with a sentence."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from msgspec.structs import replace

from edge_rt.core.chat_format import CUT
from edge_rt.core.errors import RequestError, Unavailable
from edge_rt.core.events import Delta, Ended, Finished, Started
from edge_rt.core.requests import Call, Cost, Event, FitLimit
from edge_rt.generation.thinking import Generate, after, left_j, together
from edge_rt.models.templates.task import Disarmed

FINAL_TOKENS = 16  # kept for the final answer, beside the text before it
_HELD = 0.7  # of the tokens, from which on a sentence is told once it is whole
_SENTENCE_END = re.compile(r"[.!?…][\"'”’)\]*]*(?=\s)|[。！？]|\n")  # noqa: RUF001
_BEHIND = r"[ \n]?"  # else a model that goes on in words would have to lengthen a number
_WHY = "the answer ends early: more would not fit into its limits"


def most_tokens(fits: Callable[[int], bool], most: int) -> int:
    """Return the most tokens, from 1 to `most`, of which an answer `fits`."""
    least = 1
    while least < most:
        middle = (least + most + 1) // 2
        least, most = (middle, most) if fits(middle) else (least, middle - 1)
    return least


async def fit_answer(call: Call, generate: Generate) -> AsyncGenerator[Event, None]:
    """Run `call`, for one answer, with at most the tokens of its `fit`.

    Where a final answer is asked for, the last tokens are kept for it: the model reads what it has
    written so far and the words before the final answer, and then writes that one alone. Any other
    answer is told up to the end of a sentence.
    """
    if call.fit is None:
        async with aclosing(generate(call)) as events:
            async for event in events:
                yield event
        return
    first = _First(call, call.fit)
    async with aclosing(generate(first.call)) as events:
        async for event in events:
            if (shown := first.take(event)) is not None:
                yield shown
            if isinstance(event, Started) and call.fit.opening:
                yield Delta(0, 0, call.fit.opening, [])
    if first.needs_final:
        try:
            async with aclosing(generate(first.rest())) as events:
                async for event in events:
                    yield first.added(event)
            return
        except (RequestError, Unavailable):  # what is left is too little even for that
            pass
    for event in first.ending():
        yield event


class _First:
    """An answer while it comes, until its tokens are used up."""

    def __init__(self, call: Call, fit: FitLimit) -> None:
        self._whole, self._fit = call, fit
        kept = 0 if fit.final is None else FINAL_TOKENS
        self._most = max(1, min(fit.tokens - kept, call.max_tokens or fit.tokens))
        self._text, self._held = fit.opening, ""
        self._tokens = 0
        self._ends_sentence = False  # what was told, since parts of it are held back
        self._cost: Cost
        self._end: Finished

    @property
    def call(self) -> Call:
        """The call without its final answer."""
        whole, plan = self._whole, self._whole.plan
        if not self._fit.opening:
            return replace(whole, fit=None, max_tokens=self._most)
        if plan.mode is not None and isinstance(plan.mode.prompt, str):
            mode = replace(plan.mode, prompt=plan.mode.prompt + self._fit.opening)
            plan = replace(plan, mode=mode)
        prompt = f"{whole.prompt}{self._fit.opening}"
        return replace(whole, plan=plan, prompt=prompt, fit=None, max_tokens=self._most)

    def take(self, event: Event) -> Event | None:
        """Note an event; return what the client gets of it now."""
        if isinstance(event, Cost):
            self._cost = event
        elif isinstance(event, Finished):
            self._end = event
        else:
            return self._told(event) if isinstance(event, Delta) else event
        return None

    @property
    def needs_final(self) -> bool:
        """Whether the final answer is still to come, and there is something left for it."""
        ended = self._end.reason == "length" and self._tokens >= self._most
        asked = self._fit.final is not None and isinstance(self._whole.prompt, str)
        return asked and ended and self._cost.why is None

    @property
    def _said(self) -> str:
        """The text before the final answer, of which a part may have come."""
        return self._text.removesuffix(self._held)

    @property
    def bridge(self) -> str:
        """What leads from the text so far to the final answer."""
        begun = not self._said or self._said.endswith("\n")
        return ("" if begun else "\n") + self._fit.before

    def rest(self) -> Call:
        """Return the call for the final answer."""
        whole, final = self._whole, self._fit.final
        assert final is not None
        said = Disarmed((), CUT).text(self._said)
        return replace(
            whole,
            fit=None,
            plan=replace(whole.plan, mode=None),
            prompt=f"{whole.prompt}{said}{self.bridge}",
            max_tokens=max(1, min(FINAL_TOKENS, self._fit.tokens - self._tokens)),
            energy_j=left_j(whole.energy_j, self._cost),
            constraint=replace(final, text=f"({final.text}){_BEHIND}"),
        )

    def added(self, event: Event) -> Event:
        """Return an event of the final answer, with what came before it."""
        if isinstance(event, Started):
            return Delta(0, 0, self.bridge, [])
        if isinstance(event, Cost):
            return replace(together(self._cost, event), why=event.why or _WHY)
        if not isinstance(event, Finished):
            return event
        ended: Ended = "closed" if event.reason == "stop" else "cut"
        return replace(after(self._end, event), reason="length", ended=ended)

    def ending(self) -> list[Event]:
        """Return the last events of an answer that gets no final one."""
        if self._end.reason == "stop":
            return [*self._rest(self._held), self._cost, replace(self._end, ended="complete")]
        whole, _ = ("", "") if self._fit.final is not None else _split(f"{self._held} ")
        sentence = bool(whole) or self._ends_sentence
        ended: Ended = "sentence" if sentence else "cut"
        rest = self._rest(whole if sentence else self._held)
        cost = replace(self._cost, why=self._cost.why or _WHY)
        return [*rest, cost, replace(self._end, ended=ended)]

    def _told(self, delta: Delta) -> Delta:
        """Return the part of `delta` that ends with a sentence, where the end may be near."""
        self._text += delta.text
        self._tokens += len(delta.tokens)
        whole = self._whole
        if whole.sampling.top_logprobs is not None:  # which go with the text
            return delta
        if self._fit.final is not None:  # one that is cut is written again
            told, self._held = _before(self._held + delta.text, self._fit.before)
            return replace(delta, text=told)
        if whole.constraint is not None or self._tokens < _HELD * self._most:
            return delta
        told, self._held = _split(self._held + delta.text)
        self._ends_sentence = self._ends_sentence or bool(told)
        return replace(delta, text=told)

    def _rest(self, text: str) -> list[Event]:
        return [Delta(0, 0, text, [])] if text else []


def _before(text: str, mark: str) -> tuple[str, str]:
    """Return what is before `mark`, or the part of it at the end of `text`, and the rest."""
    at = text.find(mark) if mark else -1
    if at < 0:
        sizes = range(min(len(mark), len(text)), 0, -1)
        at = next((len(text) - n for n in sizes if mark.startswith(text[-n:])), len(text))
    return text[:at], text[at:]


def _split(text: str) -> tuple[str, str]:
    """Return the whole sentences of `text`, and what is behind them."""
    end = max((found.end() for found in _SENTENCE_END.finditer(text)), default=0)
    return text[:end], text[end:]
