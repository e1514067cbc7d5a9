"""GET /edge/v1/cache and POST /edge/v1/cache/purge: what is kept of answers, and forgetting it."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta
from starlette.types import Receive, Scope, Send

from edge_rt.api.caching import Nearby
from edge_rt.api.middleware.context import Context
from edge_rt.api.middleware.decode import read_document, whole_numbers
from edge_rt.api.middleware.respond import send_json
from edge_rt.core.cached import Group, PrefixGroup, Which
from edge_rt.core.errors import Unavailable
from edge_rt.generation.cache.exact import AGAIN_S


class SemanticReport(msgspec.Struct, frozen=True):
    """Questions kept as vectors of the model `model`, and requests answered by another one's.

    `comparisons` of answers bear the present bounds; of those since the daemon's start, `same` had
    the same answer and `different` another one. Verdicts on them took `verdicts_j`, as far as
    known.
    """

    model: str
    questions: int
    hits: int
    comparisons: int
    same: int
    different: int
    verdicts_j: float


class PrefixReport(msgspec.Struct, frozen=True):
    """What is kept of prompts' beginnings, by model and client, and what it brought.

    `stored` is False while nothing can be written. So many prompts began with what came from the
    disk since the daemon's start, and so many tokens of them.
    """

    enabled: bool
    stored: bool
    max_bytes: int
    groups: list[PrefixGroup]
    restored_prompts: int
    restored_tokens: int


class CacheReport(msgspec.Struct, frozen=True):
    """What the cache holds, by model and client, and what it brought since the daemon's start.

    `stored` is False while the file cannot be written; the answers used last are in memory then.
    `saved_j` are the joules that answers took which were given again, as far as they are known,
    None where none are.
    `semantic` is None where only the very same question finds them.
    """

    enabled: bool
    stored: bool
    per_client: bool
    ttl_s: float | None
    max_bytes: int | None
    groups: list[Group]
    hits: int
    misses: int
    saved_j: float | None
    semantic: SemanticReport | None
    prefixes: PrefixReport | None  # None while no engine tells


class Purge(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which answers to forget: by model, client and age in seconds; a field left out fits all.

    `model` is the id of the one that answered, `client` as `CacheReport` names it.
    """

    model: str | None = None
    client: str | None = None
    older_s: Annotated[float, Meta(ge=0)] | None = None


class Purged(msgspec.Struct, frozen=True):
    """How many answers and beginnings of prompts were forgotten."""

    answers: int
    prefixes: int


async def cache(context: Context, scope: Scope, receive: Receive, send: Send) -> None:
    """Show what is cached.

    Raises RequestError for any query.
    """
    whole_numbers(scope)
    await send_json(send, await _report(context))


async def purge(context: Context, scope: Scope, receive: Receive, send: Send) -> None:
    """Forget cached answers and prompt prefixes (administers).

    Raises RequestError for a query and for what names no answers, and Unavailable where some
    may not be forgotten: the engine does not tell, or the disk keeps it. All else is.
    """
    asked = await read_document(context, scope, receive, Purge)
    which = Which(asked.model, asked.client, asked.older_s)
    counts, faults = list[int](), list[Unavailable]()
    for part in (_purge_answers, _purge_questions, _purge_prefixes):
        try:
            counts.append(await part(context, which))
        except Unavailable as fault:
            faults.append(fault)
    if faults:
        raise Unavailable(
            f"not all is forgotten: {'; '.join(map(str, faults))}; purge again later",
            retry_after_s=faults[0].retry_after_s,
            code=faults[0].code,
        )
    answers, _, prefixes = counts
    await send_json(send, Purged(answers, prefixes))


async def _purge_answers(context: Context, which: Which) -> int:
    kept = context.caching.cache
    context.caching.recent.clear()
    return 0 if kept is None else await kept.purge(which)


async def _purge_questions(context: Context, which: Which) -> int:
    nearby = context.caching.nearby
    if nearby is not None:
        await nearby.cache.purge(which)
    return 0


async def _purge_prefixes(context: Context, which: Which) -> int:
    told = await context.service.state.prefixes(which)
    if told.left:
        what = f"{told.left} beginnings of prompts cannot be deleted, the daemon's log says why"
        raise Unavailable(what, retry_after_s=AGAIN_S, code="not_forgotten")
    return told.forgotten


async def _report(context: Context) -> CacheReport:
    caching = context.caching
    kept, nearby = caching.cache, caching.nearby
    return CacheReport(
        enabled=kept is not None,
        stored=kept is not None and kept.trouble.told is None,
        per_client=caching.per_client,
        ttl_s=None if kept is None else kept.ttl_s,
        max_bytes=None if kept is None else kept.max_bytes,
        groups=[] if kept is None else await kept.groups(),
        hits=caching.hits.total(),
        misses=caching.misses,
        saved_j=sum(caching.saved_j.values()) if caching.saved_j or not caching.hits else None,
        semantic=nearby and _semantic(nearby),
        prefixes=await _prefixes(context),
    )


def _semantic(nearby: Nearby) -> SemanticReport:
    cache = nearby.cache
    counted = cache.compared["same"], cache.compared["different"]
    of = len(cache), nearby.hits, cache.comparisons(), *counted, round(cache.verdicts_j, 3)
    return SemanticReport(nearby.model, *of)


async def _prefixes(context: Context) -> PrefixReport | None:
    caching = context.caching
    try:
        told = await context.service.state.prefixes()
    except Unavailable:
        return None
    counted = caching.restored_prompts, caching.restored_tokens
    return PrefixReport(told.enabled, told.stored, told.max_bytes, told.groups, *counted)
