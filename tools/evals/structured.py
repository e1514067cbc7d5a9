"""`tools/eval structured`: answers that must be JSON by a schema."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from pathlib import Path

import click
from benchlib.daemon import MODEL, model_file
from benchlib.http import Address
from bootstrap.signals import end_cleanly_on_signals
from evallib.asker import Asker
from evallib.document import Row
from evallib.hosting import Host, host
from evallib.options import MARKDOWN, STORE, asked, result
from evallib.session import tell
from evallib.structured.answers import Tally, Way, ask, ask_peer, request, rows, suits
from evallib.structured.maskbench import Case, Verdict, cases, judge, row
from evallib.structured.rejection import peaked, real
from evallib.structured.report import COLUMNS, report
from evallib.structured.rival import Rival
from rich.console import Console

from edge_rt.backends.llama.backend import LlamaBackend
from edge_rt.cli.progress import progress
from edge_rt.decoding.constraints.grammars import Grammars

_WAYS = (Way("greedy", 0.0), Way("sampled", 1.0))
_CONTEXT = 2048  # tokens
_QUICK_CASES, _QUICK_SCHEMAS = 150, 8
_PREDICATES, _QUICK_PREDICATES = 12, 2  # schemas


@click.command()
@click.option(
    "--data",
    required=True,
    type=click.Path(path_type=Path),
    help="The folder that holds maskbench/.",
)
@click.option("--quick", is_flag=True, help="Fewer cases and schemas.")
@click.option("--schemas", default=200, show_default=True, type=click.IntRange(0), help="Asked.")
@click.option(
    "--compared",
    default=50,
    show_default=True,
    type=click.IntRange(0),
    help="Of these, asked without a schema, too, and of the peer, for the speeds.",
)
@asked
@click.option("--peer/--no-peer", "with_peer", default=True, help="Ask llama.cpp's server, too.")
@click.option("--model", default=MODEL, show_default=True, help="It answers, and cuts texts.")
@click.option("--threads", type=click.IntRange(1), help="Of both; default: their own choices.")
@click.option("--max-tokens", default=160, show_default=True, type=click.IntRange(1))
@click.option("--seed", default=0, show_default=True, help="Of the choice, and of drawing.")
@STORE
@result("structured")
@MARKDOWN
def structured(
    data: Path,
    quick: bool,
    schemas: int,
    compared: int,
    address: Address | None,
    with_peer: bool,
    model: str,
    threads: int | None,
    max_tokens: int,
    seed: int,
    store: Path,
    json_file: Path,
    md_file: Path | None,
) -> None:
    """Hold JSON Schemas against texts, and answers against JSON Schemas.

    First MaskBench: each schema is compiled or refused, and must allow its valid tests and no
    others. Then the calls of a predicate are counted that tells what may come in place of a mask.
    Last a model answers by some of these schemas, greedily and sampled, and by a part of them
    without a schema, too, for the speed; and so it does in llama.cpp's own server, which is fetched
    on first use.
    """
    end_cleanly_on_signals()
    found = cases(data)
    random.Random(seed).shuffle(found)
    file = model_file(store, model)
    verdicts = _judged(found[:_QUICK_CASES] if quick else found, file)
    able = _chosen(found, verdicts)
    calls = _counted(able[: _QUICK_PREDICATES if quick else _PREDICATES], file, seed)
    chosen = able[: min(schemas, _QUICK_SCHEMAS) if quick else schemas]
    other = Rival.of(file, model, _CONTEXT, threads) if with_peer and chosen[:compared] else None
    hosting = host(address, store, [model], _CONTEXT, threads)
    answering = _asked(hosting, other, model, chosen, compared, seed, max_tokens)
    tallies = asyncio.run(answering) if chosen else []
    about = {"model": model, "seed": seed, "peer": other and other.name}
    document = report(about, row(verdicts), rows(tallies), calls)
    tell(document, COLUMNS, json_file, md_file)


def _judged(found: Sequence[Case], file: Path) -> list[Verdict]:
    backend = LlamaBackend(file, context=64, sequences=1, batch=64, threads=1)
    grammars = Grammars(backend)
    end = next(token for token in range(backend.vocab) if backend.ends(token))
    try:
        with progress(Console(stderr=True)) as show:
            return list(_shown(found, lambda case: judge(case, grammars, backend, end), show))
    finally:
        grammars.close()
        backend.close()


def _counted(chosen: Sequence[Case], file: Path, seed: int) -> list[Row]:
    """Return what rejection sampling takes, by the model's logits and by made ones."""
    threads = len(os.sched_getaffinity(0))
    backend = LlamaBackend(file, context=_CONTEXT, sequences=1, batch=_CONTEXT, threads=threads)
    grammars = Grammars(backend)
    try:
        return [calls.row() for calls in [peaked(seed), *real(backend, grammars, chosen, seed)]]
    finally:
        grammars.close()
        backend.close()


def _shown(
    found: Sequence[Case], verdict: Callable[[Case], Verdict], show: Callable[[float, str], None]
) -> list[Verdict]:
    verdicts: list[Verdict] = []
    for case in found:
        show(len(verdicts) / len(found), "MaskBench")
        verdicts.append(verdict(case))
    return verdicts


def _chosen(found: Sequence[Case], verdicts: Sequence[Verdict]) -> list[Case]:
    """The cases that were compiled and are short enough for a prompt."""
    pairs = zip(found, verdicts, strict=False)
    return [case for case, verdict in pairs if verdict.refused is None and suits(case)]


async def _asked(
    hosting: AbstractAsyncContextManager[Host],
    other: Rival | None,
    model: str,
    chosen: Sequence[Case],
    compared: int,
    seed: int,
    max_tokens: int,
) -> list[Tally]:
    tallies = [Tally(way) for way in _WAYS]
    with progress(Console(stderr=True)) as show:
        async with AsyncExitStack() as stack:
            asker = Asker((await stack.enter_async_context(hosting)).address)
            theirs = await other.start(stack) if other is not None else None
            for index, case in enumerate(chosen):
                show(index / len(chosen), "answers")
                for tally in tallies:
                    body = request(model, case, tally.way, seed + index, max_tokens)
                    await ask(asker, case, tally, body, compare=index < compared)
                    if theirs is not None and index < compared:
                        await ask_peer(theirs, case, tally, body)
    return tallies
