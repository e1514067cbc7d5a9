"""`tools/eval cache`: what the semantic cache takes for the same question."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import click
from benchlib.http import Address
from bootstrap.signals import end_cleanly_on_signals
from evallib.altered import KINDS, altered
from evallib.document import Document, Row
from evallib.hosting import Host, host
from evallib.markdown import percent, text
from evallib.near import Reader, neighbours, row, share, verdicts
from evallib.options import MARKDOWN, STORE, asked, result
from evallib.pairs import Pair, banking, mrpc
from evallib.session import tell

from edge_rt.generation.cache.semantic import LEAST, LIMIT, Verdict
from edge_rt.generation.cache.tables import Vector

MODEL = "all-minilm-l6-v2"
_ALONE = 0.9  # cosine
_DOUBTS = (0.05, 0.08, 0.1, 0.125, 0.15, 0.2)
_CONTEXT = 512  # tokens
_BANKING = 2000  # questions
_COLUMNS = (
    ("pairs", text("name")),
    ("n", text("n")),
    ("hits", text("hits")),
    ("hits, %", percent("share")),
    (f"by a cosine of {_ALONE} alone, %", percent("by_cosine_alone")),
    ("too far", text("too_far")),
    ("kept apart by", lambda found: ", ".join(f"{k} {n}" for k, n in found["kept_apart"].items())),
)
_NOTES = (
    "A hit: the answer to one text would be given to the other. 95 % intervals by Wilson. Hits are "
    "right of paraphrases and wrong of all other pairs; their share is told of the others and of "
    "all pairs. Weights were fitted to MRPC's training file, bounds chosen by that and by the half "
    "called tuning.",
    f"Too far: below a cosine of {LEAST}. Kept apart by: the first guard that did, or the doubt.",
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
    "--doubt",
    default=LIMIT,
    show_default=True,
    type=click.FloatRange(0, 1),
    help="As cache.semantic.doubt of the configuration.",
)
@click.option("--altered", "number", default=500, show_default=True, type=click.IntRange(3))
@click.option("--seed", default=0, show_default=True, help="Of what is altered.")
@STORE
@result("cache")
@MARKDOWN
def cache(
    data: Path,
    address: Address | None,
    model: str,
    doubt: float,
    number: int,
    seed: int,
    store: Path,
    json_file: Path,
    md_file: Path | None,
) -> None:
    """Count what the semantic cache would answer with the answer to another question.

    Of pairs of sentences that people held for paraphrases or not (MRPC), of prompts that were
    altered in one number, name or negation, and of many questions on like matters (BANKING77).
    Nothing is generated: the daemon only embeds the texts.
    """
    end_cleanly_on_signals()
    pairs, others = [*mrpc(data), *altered(data, number, seed)], banking(data)[:_BANKING]
    texts = [text for pair in pairs for text in (pair.one, pair.other)]
    texts += [text for text, _ in others]
    vectors = asyncio.run(_read(host(address, store, [model], _CONTEXT), model, texts))
    about: dict[str, object] = {"model": model, "doubt": doubt, "seed": seed}
    near = neighbours(others, vectors, doubt)
    tables = _tables(pairs, verdicts(pairs, vectors), doubt)
    document = Document("cache", {**about, "neighbours": near}, tables, _NOTES)
    tell(document, _COLUMNS, json_file, md_file)


def _tables(
    pairs: Sequence[Pair], found: Sequence[Verdict], doubt: float
) -> Mapping[str, Sequence[Row]]:
    """MRPC by half and as a whole, and what was altered by kind and as a whole."""

    def made(name: str, kinds: Sequence[str], same: bool, limit: float = doubt) -> Row:
        chosen = zip(pairs, found, strict=True)
        some = [verdict for pair, verdict in chosen if pair.kind in kinds and pair.same == same]
        return row(name, some, limit, _ALONE)

    halves = {"tuning": ["tuning"], "held out": ["held out"], "whole": ["tuning", "held out"]}

    def wrong(name: str, kinds: Sequence[str]) -> Row:
        others = made(f"others of all, {name}", kinds, False)
        n = sum(pair.kind in kinds for pair in pairs)
        return {**others, "n": n, "share": share(others["hits"], n), "by_cosine_alone": None}

    return {
        "MRPC": [
            *(made(f"paraphrases, {name}", kinds, True) for name, kinds in halves.items()),
            *(made(f"others, {name}", kinds, False) for name, kinds in halves.items()),
            *(wrong(name, kinds) for name, kinds in halves.items()),
        ],
        "MRPC, held out, by doubt": [
            made(f"{'paraphrases' if same else 'others'}, {limit}", ["held out"], same, limit)
            for limit in _DOUBTS
            for same in (True, False)
        ],
        "altered": [
            *(made(f"a {kind}", [kind], False) for kind in KINDS),
            made("any", KINDS, False),
        ],
    }


async def _read(
    hosting: AbstractAsyncContextManager[Host], model: str, texts: Sequence[str]
) -> dict[str, Vector]:
    async with hosting as server:
        return await Reader(server.address, model).read(texts)
