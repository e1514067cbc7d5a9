"""A prompt as each model reads it, before anything runs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from edge_rt.core.errors import ModelFileError, RequestError
from edge_rt.core.reports.planning import PlanAsk
from edge_rt.energy.calibration.measurement import ModelHost
from edge_rt.engine.client import EngineClient
from edge_rt.models.record import ModelRecord
from edge_rt.routing.load_request import resident_name


@dataclass(frozen=True)
class ReadPrompt:
    """A prompt as one model reads it."""

    entry: ModelRecord
    text: str
    special: bool
    context: int
    prompt_tokens: int
    cached_tokens: int


@dataclass(frozen=True)
class UnreadPrompt:
    """A model that cannot read the prompt, and why."""

    entry: ModelRecord
    reason: str


class PromptReader:
    """Writes messages by the models' templates, and counts tokens in the engine."""

    def __init__(self, connect: Callable[[], Awaitable[EngineClient]]) -> None:
        """`connect` gives the live engine."""
        self._connect = connect

    async def read(
        self, ask: PlanAsk, host: ModelHost, entries: Iterable[ModelRecord]
    ) -> list[ReadPrompt | UnreadPrompt]:
        """What is asked of each model, in their order.

        Raises RequestError for messages that no template takes.
        """
        written = [(entry, await _written(ask, host, entry)) for entry in entries]
        faults = [text for _, text in written if isinstance(text, RequestError)]
        if faults and len(faults) == len(written):
            raise faults[0]
        return [
            await self._counted(ask, host, entry, text)
            if isinstance(text, str)
            else UnreadPrompt(entry, str(text))
            for entry, text in written
        ]

    async def _counted(
        self, ask: PlanAsk, host: ModelHost, entry: ModelRecord, text: str
    ) -> ReadPrompt | UnreadPrompt:
        special = ask.prompt is None
        client = await self._connect()
        try:
            counted = await client.count(
                resident_name(entry), entry.backend, str(entry.path), text, special=special
            )
        except RequestError as error:  # such as a file that is damaged
            return UnreadPrompt(entry, str(error))
        assert counted.tokens is not None
        cached = 0 if ask.fresh else counted.cached
        return ReadPrompt(entry, text, special, host.card(entry.id).context, counted.tokens, cached)


async def _written(
    ask: PlanAsk, host: ModelHost, entry: ModelRecord
) -> str | RequestError | ModelFileError:
    """What the model would be given to read, or why its template gives nothing."""
    if ask.prompt is not None:
        return ask.prompt
    try:
        return await host.render(entry.id, ask.messages)
    except (RequestError, ModelFileError) as error:
        return error
