"""`tools/eval cache`: what the semantic cache learns to take for the same question."""

from __future__ import annotations

import asyncio
import random
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import click
from benchlib.http import Address
from bootstrap.signals import end_cleanly_on_signals
from evallib.document import Document, Row
from evallib.hosting import host
from evallib.markdown import percent, text
from evallib.near import Outcome, Replay, embedded, share
from evallib.options import MARKDOWN, STORE, asked, result
from evallib.session import tell
from evallib.stream import ALTER, REQUESTS, REWORD, Request, stream

from edge_rt.generation.cache.semantic import WRONG
from edge_rt.generation.cache.tables import Vector

MODEL = "all-minilm-l6-v2"
_CONTEXT = 512  # tokens
_FIRST = 200  # requests
_END = 5  # the last one part in so many
_KINDS = ("paraphrase", *REWORD, "other sentence", "banking", *ALTER)
_COLUMNS = (
    ("stream", text("name")),
    ("n", text("n")),
    ("comparisons", text("comparisons")),
    ("semantic hits", text("hits")),
    ("wrong", text("wrong")),
    (f"of the first {_FIRST}", text("first_wrong")),
    ("wrong, % of requests", percent("cache_error")),
    ("wrong, % of hits", percent("cache_wrong_hits")),
    ("repeats at the end", text("repeats")),
    ("hits of these, %", percent("cache_hits")),
)
_NOTES = (
    "Streams of MRPC's pairs, BANKING77's questions, and prompts that rules altered or reworded. "
    "Repeats in other words are MRPC's paraphrases and what was reworded; questions of one intent "
    "are not the same, whatever they say. Labels judge the comparisons: one for each request that "
    "was answered anew and had a near neighbour. The end is the last fifth. 95 % intervals by "
    "Wilson.",
)


@click.command()
@click.option(
    "--data",
    required=True,
    type=click.Path(path_type=Path),
    help="The folder that holds paraphrase/, intent/ and the prompts.",
)
@asked
@click.option("--model", default=MODEL, show_default=True, help="It embeds the texts.")
@click.option(
    "--wrong",
    default=WRONG,
    show_default=True,
    type=click.FloatRange(0, 0.1, min_open=True),
    help="As cache.semantic.wrong of the configuration.",
)
@click.option("--requests", default=REQUESTS, show_default=True, type=click.IntRange(50))
@click.option("--seed", "seeds", multiple=True, type=int, default=(0,), show_default=True)
@STORE
@result("cache")
@MARKDOWN
def cache(
    data: Path,
    address: Address | None,
    model: str,
    wrong: float,
    requests: int,
    seeds: tuple[int, ...],
    store: Path,
    json_file: Path,
    md_file: Path | None,
) -> None:
    """Count what the semantic cache answers with the answer to another question.

    Of streams of requests, one for each --seed, in which the cache learns from nothing on. The
    daemon only embeds the texts.
    """
    end_cleanly_on_signals()
    streams = {seed: stream(data, requests, seed) for seed in seeds}
    texts = [one.text for each in streams.values() for one in each]
    vectors = asyncio.run(embedded(host(address, store, [model], _CONTEXT), model, texts))
    rows, outcomes = list[Row](), list[Sequence[Outcome]]()
    for seed, each in streams.items():
        found, comparisons = asyncio.run(_replayed(each, vectors, wrong, seed))
        outcomes.append(found)
        rows.append({**_row(f"seed {seed}", [found]), "comparisons": comparisons})
    total = {"comparisons": sum(row["comparisons"] for row in rows)}
    rows.append({**_row("all", outcomes), **total})
    kinds = [_row(kind, outcomes, kind) for kind in _KINDS]
    about: dict[str, object] = {"model": model, "wrong": wrong, "requests": requests}
    document = Document("cache", about, {"streams": rows, "by kind": kinds}, _NOTES)
    tell(document, _COLUMNS, json_file, md_file)


def _row(name: str, outcomes: Sequence[Sequence[Outcome]], kind: str | None = None) -> Row:
    """Count over streams; of a `kind` of requests, None: of all."""

    def of(found: Sequence[Outcome]) -> list[Outcome]:
        return [one for one in found if kind in (None, one.request.kind)]

    everything = [one for found in outcomes for one in of(found)]
    end = [one for found in outcomes for one in of(found[-(len(found) // _END) :]) if one.repeat]
    hits, wrong = (
        sum(one.given is not None for one in everything),
        sum(one.wrong for one in everything),
    )
    return {
        "name": name,
        "n": len(everything),
        "comparisons": None,
        "hits": hits,
        "wrong": wrong,
        "first_wrong": sum(one.wrong for found in outcomes for one in of(found[:_FIRST])),
        "cache_error": share(wrong, len(everything)),
        "cache_wrong_hits": share(wrong, hits),
        "repeats": len(end),
        "cache_hits": share(sum(one.right for one in end), len(end)),
    }


async def _replayed(
    requests: Sequence[Request], vectors: Mapping[str, Vector], wrong: float, seed: int
) -> tuple[list[Outcome], int]:
    with tempfile.TemporaryDirectory(prefix="edge-rt-eval-") as folder:
        replay = Replay(Path(folder), vectors, wrong, random.Random(seed).random)
        return await replay.run(requests), replay.comparisons
