"""How many tokens a request has for each model that may answer it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from edge_rt.core.errors import EngineError, ModelFileError, RequestError
from edge_rt.core.routing import RouteRequest, Unpredicted
from edge_rt.energy.calibration.measurement import ModelHost
from edge_rt.engine.client import EngineClient
from edge_rt.models.record import ModelRecord
from edge_rt.routing.choice.ask import Tokens
from edge_rt.routing.lengths import Lengths
from edge_rt.routing.loading.load_request import resident_name
from edge_rt.routing.options.variants import families

LONG = 0.5  # of the context has an estimate to be for the prompt to be counted


class Sizing:
    """Estimates, and counts where it may matter."""

    def __init__(self, lengths: Lengths, connect: Callable[[], Awaitable[EngineClient]]) -> None:
        """`connect` gives the live engine."""
        self._lengths, self._connect = lengths, connect

    async def tokens(
        self,
        able: Sequence[ModelRecord],
        wish: RouteRequest,
        completion: int,
        host: ModelHost,
        partners: Sequence[ModelRecord] = (),
    ) -> dict[str, Tokens | Unpredicted]:
        """What the prompt is for each, and for `partners`; raises what all say against it."""
        prompts: dict[str | None, str | list[int] | RequestError | ModelFileError] = {}
        found: dict[str, Tokens | Unpredicted] = {}
        for entry in able:
            template = entry.summary.chat_template
            if template not in prompts:  # those with the same one read the same
                prompts[template] = await _written(wish, entry)
            prompt = prompts[template]
            if isinstance(prompt, (RequestError, ModelFileError)):
                found[entry.id] = Unpredicted(str(prompt))
            elif isinstance(prompt, list) and len({*families(able)}) > 1:
                raise RequestError(
                    "`model`: tokens are those of one model; name it, or send texts.",
                    param="model",
                    code="invalid_value",
                )
            else:
                context = host.card(entry.id).context
                found[entry.id] = await self._sized(entry, prompt, completion, context)
        faults = [p for p in prompts.values() if isinstance(p, (RequestError, ModelFileError))]
        if len(faults) == len(prompts):
            raise faults[0]
        for entry in partners:
            if entry.id in found:
                continue
            prompt = await _written(wish, entry)
            if isinstance(prompt, (str, list)):
                context = host.card(entry.id).context
                found[entry.id] = self._lengths.of(entry, prompt, completion, context)
        return found

    async def _sized(
        self, entry: ModelRecord, prompt: str | list[int], completion: int, context: int
    ) -> Tokens | Unpredicted:
        """By an estimate, unless that may decide on whether there is room for the prompt."""
        estimate = self._lengths.of(entry, prompt, completion, context)
        if isinstance(prompt, list) or estimate.prompt < LONG * context:
            return estimate
        client = await self._connect()
        try:
            counted = await client.count(
                resident_name(entry), entry.backend, str(entry.path), prompt, special=True
            )
        except RequestError as error:
            return Unpredicted(str(error))
        except EngineError:  # it is lost, and the estimate as good as any
            return estimate
        assert counted.tokens is not None
        room = max(1, context - counted.tokens)
        return Tokens(counted.tokens, counted.cached, min(completion, room))


async def _written(
    wish: RouteRequest, entry: ModelRecord
) -> str | list[int] | RequestError | ModelFileError:
    try:
        return await wish.write(entry.id)
    except (RequestError, ModelFileError) as error:
        return error
