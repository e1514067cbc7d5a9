"""Chats that are longer than a model reads, and of which some may be left out."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import groupby

from msgspec.structs import replace

from edge_rt.api.service import Service
from edge_rt.core.chat_format import ChatPrompt
from edge_rt.core.errors import RequestError
from edge_rt.generation.context.passages import LongChat
from edge_rt.generation.context.ranking import beside, keyword_scores
from edge_rt.generation.context.selection import select
from edge_rt.generation.usage import LeftOut

_ANSWER = 0.25  # of the window is left to an answer without a limit, at most _MOST tokens
_MOST = 1024
_TRIES = 4
_FULL = 0.9  # of the limit is enough
_LESS = 0.97  # of the room that the last try should have had
_CHARACTERS = 3.0  # a token, before it is known


class Shortener:
    """Leaves out what a chat's last message is least about, until the model can read the rest."""

    def __init__(self, service: Service, client: str | None) -> None:
        self._service, self._client = service, client

    async def shortened(
        self, model: str, prompt: ChatPrompt, most: int | None, answer: int | None
    ) -> tuple[ChatPrompt, LeftOut | None]:
        """Return a prompt of at most `most` tokens that leaves room for `answer` more.

        None stands for no limit but the model's window. Raises RequestError where even the system's
        messages and the question are too long, else as Service.render and Service.tokenize.
        """
        model, window = self._service.window(model)
        kept = min(_MOST, int(_ANSWER * window)) if answer is None else min(answer, window // 2)
        limit = window - kept if most is None else min(most, window - kept)
        if sum(len(str(m.get("content")).encode()) for m in prompt.messages) < limit // 2:
            return prompt, None  # a token has a byte at least, and templates add little
        whole = await self._tokens(model, prompt)
        if whole is not None and whole <= limit:
            return prompt, None
        return await self._cut(model, prompt, limit, whole)

    async def _cut(
        self, model: str, prompt: ChatPrompt, limit: int, whole: int | None
    ) -> tuple[ChatPrompt, LeftOut]:
        talk = LongChat(prompt.messages)
        texts = [passage.text for passage in (*talk.passages, *talk.question[1:-1])]
        ends = dict.fromkeys((*talk.question[:1], *talk.question[-1:]))
        question = "\n".join(passage.text for passage in ends)
        scores = beside(await asyncio.to_thread(keyword_scores, texts, question))
        characters = sum(len(str(m.get("content"))) for m in prompt.messages)
        room = limit * (_CHARACTERS if whole is None else characters / whole)
        found: tuple[ChatPrompt, LeftOut] | None = None
        for _ in range(_TRIES):
            kept = select(talk, scores, int(room))
            shorter = replace(prompt, messages=talk.with_only(kept))
            tokens = await self._tokens(model, shorter)
            if tokens is not None and tokens <= limit:
                found = shorter, LeftOut(tokens, whole, _ranges(talk.left_out(kept)))
                if tokens >= _FULL * limit:
                    break
            room *= _LESS * (0.5 if tokens is None else limit / tokens)
        if found is not None:
            return found
        raise RequestError(
            f"The chat cannot be shortened to {limit} tokens: the system's messages and the last "
            "question alone take more. Shorten them",
            param="messages",
            code="context_length_exceeded",
        )

    async def _tokens(self, model: str, prompt: ChatPrompt) -> int | None:
        """Return the tokens of a prompt; None where they are far too many to be counted."""
        try:
            text = await self._service.render(model, prompt, self._client)
        except RequestError as error:
            if error.code != "context_length_exceeded":
                raise
            return None
        return len((await self._service.tokenize(model, text, begins=True)).tokens or ())


def _ranges(numbers: Sequence[int]) -> list[str]:
    """Return rising numbers as ranges, such as 3-5."""
    runs = groupby(enumerate(numbers), lambda one: one[1] - one[0])
    found = [[number for _, number in run] for _, run in runs]
    return [f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in found]
