"""`tools/eval cache`: what the semantic cache takes for the same question."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import click
from benchlib import BenchError, machine
from bootstrap.paths import CHECKOUT, cache_dir
from bootstrap.signals import end_cleanly_on_signals
from evallib.altered import KINDS, altered
from evallib.document import Document, Row
from evallib.hosting import Host, Own, address_of
from evallib.markdown import percent, text
from evallib.near import Reader, neighbours, row, share, verdicts
from evallib.options import FILE
from evallib.pairs import Pair, banking, mrpc
from evallib.session import running, tell

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
@click.option("--socket", type=click.Path(path_type=Path), help="Ask the daemon at this socket.")
@click.option("--url", help="Ask the server at http://HOST:PORT.")
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
@click.option("--store", type=click.Path(path_type=Path), help="Where our daemon finds the model.")
@click.option(
    "--json",
    "json_file",
    default=Path("cache.json"),
    show_default=True,
    type=FILE,
    help="The result.",
)
@click.option("--md", "md_file", type=FILE, help="Write the tables here, in Markdown.")
def cache(
    data: Path,
    socket: Path | None,
    url: str | None,
    model: str,
    doubt: float,
    number: int,
    seed: int,
    store: Path | None,
    json_file: Path,
    md_file: Path | None,
) -> None:
    """Count what the semantic cache would answer with the answer to another question.

    Of pairs of sentences that people held for paraphrases or not (MRPC), of prompts that were
    altered in one number, name or negation, and of many questions on like matters (BANKING77).
    Nothing is generated: the daemon only embeds the texts.
    """
    if socket is not None and url is not None:
        raise click.UsageError("--socket and --url are two servers: name one.")
    end_cleanly_on_signals()
    try:
        pairs, others = [*mrpc(data), *altered(data, number, seed)], banking(data)[:_BANKING]
        texts = [text for pair in pairs for text in (pair.one, pair.other)]
        texts += [text for text, _ in others]
        host = _host(socket, url, store or cache_dir() / "store", model)
        vectors = asyncio.run(_read(host, model, texts))
    except BenchError as error:
        raise click.ClickException(str(error)) from error
    about: dict[str, object] = {"model": model, "doubt": doubt, "seed": seed}
    near = neighbours(others, vectors, doubt)
    commit, here = machine.commit(CHECKOUT), machine.describe()
    tables = _tables(pairs, verdicts(pairs, vectors), doubt)
    document = Document("cache", commit, here, {**about, "neighbours": near}, tables, _NOTES)
    try:
        tell(document, _COLUMNS, json_file, md_file)
    except BenchError as error:
        raise click.ClickException(str(error)) from error


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
    host: AbstractAsyncContextManager[Host], model: str, texts: Sequence[str]
) -> dict[str, Vector]:
    async with host as server:
        return await Reader(server.address, model).read(texts)


def _host(
    socket: Path | None, url: str | None, store: Path, model: str
) -> AbstractAsyncContextManager[Host]:
    """The server that is named, or a daemon of our own."""
    address = address_of(socket, url)
    if address is not None:
        return running(Host(address))
    return Own(Path(sys.executable), store, [model], _CONTEXT, None).run()
