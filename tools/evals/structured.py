"""`tools/eval structured`: answers that must be JSON by a schema."""

from __future__ import annotations

import asyncio
import os
import random
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import click
from benchlib import BenchError, machine
from benchlib.daemon import MODEL, model_file
from bootstrap.paths import CHECKOUT, cache_dir
from bootstrap.signals import end_cleanly_on_signals
from evallib.asker import Asker
from evallib.document import Document, Row
from evallib.hosting import Host, Own, address_of
from evallib.markdown import figure, percent, text
from evallib.options import FILE
from evallib.session import running, tell
from evallib.structured.answers import Tally, Way, ask, rows, suits
from evallib.structured.maskbench import Case, Verdict, cases, judge, row
from evallib.structured.rejection import peaked, real
from rich.console import Console

from edge_rt.backends.llama.backend import LlamaBackend
from edge_rt.cli.progress import progress
from edge_rt.decoding.constraints.grammars import Grammars

_WAYS = (Way("greedy", 0.0), Way("sampled", 1.0))
_CONTEXT = 2048  # tokens
_QUICK_CASES, _QUICK_SCHEMAS = 150, 8
_PREDICATES, _QUICK_PREDICATES = 12, 2  # schemas
_COLUMNS = (
    ("what", text("name")),
    ("schemas", text("schemas")),
    ("compiled, %", percent("compiled")),
    ("named when refused, %", percent("named")),
    ("tests", text("tests")),
    ("mask_wrong", text("mask_wrong")),
    ("asked", text("asked")),
    ("failed", text("failed")),
    ("finished", text("finished")),
    ("valid, %", percent("valid")),
    ("tokens/s", figure("tokens_per_s")),
    ("constrained_speed", figure("constrained_speed")),
    ("mask, ms a token", figure("mask_ms_per_token")),
    ("forced, %", percent("forced")),
    ("calls a token", figure("calls_per_token")),
    ("awrs_calls_ratio", figure("awrs_calls_ratio")),
    ("mean weight", figure("weight", digits=4)),
    ("mean mass", figure("mass", digits=4)),
)
_NOTES = (
    "MaskBench: schemas that were compiled, and tests of these that were judged wrongly. A schema "
    "that is not compiled is refused with the keyword and its place.",
    "Answers: valid, of those that ended before max_tokens, by the schema. constrained_speed: "
    "tokens a second with the schema over those without it, in turn, each a harmonic mean. Forced: "
    "tokens that were taken without a pass of their own.",
    "Predicates: adaptive weighted rejection sampling with a predicate in place of a mask. The "
    "ratio is that of the vocabulary to the calls a token. `peaked` is drawn from Zipf's law, "
    "the others are of the model, held to a schema. The mean weight estimates the mean mass of "
    "what may come.",
)


@click.command()
@click.option(
    "--data",
    required=True,
    type=click.Path(path_type=Path),
    help="The folder that holds maskbench/.",
)
@click.option("--quick", is_flag=True, help="Fewer cases and schemas.")
@click.option("--schemas", default=200, show_default=True, type=click.IntRange(0), help="Asked.")
@click.option("--socket", type=click.Path(path_type=Path), help="Ask the daemon at this socket.")
@click.option("--url", help="Ask the server at http://HOST:PORT.")
@click.option("--model", default=MODEL, show_default=True, help="It answers, and cuts texts.")
@click.option("--max-tokens", default=160, show_default=True, type=click.IntRange(1))
@click.option("--seed", default=0, show_default=True, help="Of the choice, and of drawing.")
@click.option("--store", type=click.Path(path_type=Path), help="Where our daemon finds the model.")
@click.option(
    "--json",
    "json_file",
    default=Path("structured.json"),
    show_default=True,
    type=FILE,
    help="The result.",
)
@click.option("--md", "md_file", type=FILE, help="Write the tables here, in Markdown.")
def structured(
    data: Path,
    quick: bool,
    schemas: int,
    socket: Path | None,
    url: str | None,
    model: str,
    max_tokens: int,
    seed: int,
    store: Path | None,
    json_file: Path,
    md_file: Path | None,
) -> None:
    """Hold JSON Schemas against texts, and answers against JSON Schemas.

    First MaskBench: each schema is compiled or refused, and must allow its valid tests and no
    others. Then the calls of a predicate are counted that tells what may come in place of a mask.
    Last a model answers by some of these schemas, greedily and sampled, and the same without a
    schema, for the speed.
    """
    if socket is not None and url is not None:
        raise click.UsageError("--socket and --url are two servers: name one.")
    end_cleanly_on_signals()
    models = store or cache_dir() / "store"
    try:
        found = cases(data)
        random.Random(seed).shuffle(found)
        file = model_file(model, Path(sys.executable).with_name("edge-rt"), models)
        verdicts = _judged(found[:_QUICK_CASES] if quick else found, file)
        host = _host(socket, url, models, model)
        able = _chosen(found, verdicts)
        calls = _counted(able[: _QUICK_PREDICATES if quick else _PREDICATES], file, seed)
        chosen = able[: min(schemas, _QUICK_SCHEMAS) if quick else schemas]
        tallies = asyncio.run(_asked(host, model, chosen, seed, max_tokens)) if chosen else []
        _report(row(verdicts), rows(tallies), calls, model, seed, json_file, md_file)
    except BenchError as error:
        raise click.ClickException(str(error)) from error


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
    """What rejection sampling takes, by the model's logits and by made ones."""
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
    model: str,
    chosen: Sequence[Case],
    seed: int,
    max_tokens: int,
) -> list[Tally]:
    tallies = [Tally(way) for way in _WAYS]
    with progress(Console(stderr=True)) as show:
        async with hosting as host:
            asker = Asker(host.address)
            for index, case in enumerate(chosen):
                show(index / len(chosen), "answers")
                for tally in tallies:
                    await ask(asker, model, case, tally, seed + index, max_tokens)
    return tallies


def _host(
    socket: Path | None, url: str | None, store: Path, model: str
) -> AbstractAsyncContextManager[Host]:
    address = address_of(socket, url)
    if address is not None:
        return running(Host(address))
    return Own(Path(sys.executable), store, [model], _CONTEXT, None).run()


def _report(
    maskbench: Row,
    answers: Sequence[Row],
    predicates: Sequence[Row],
    model: str,
    seed: int,
    json_file: Path,
    md_file: Path | None,
) -> None:
    asked = [figures for figures in answers if figures["asked"]]
    about: dict[str, object] = {
        "model": model,
        "seed": seed,
        "mask_wrong": maskbench["mask_wrong"],
        "compiled": maskbench["compiled"],
        "valid": min((f["valid"] for f in asked if f["valid"] is not None), default=None),
        "constrained_speed": min(
            (f["constrained_speed"] for f in asked if f["constrained_speed"]), default=None
        ),
        "awrs_calls_ratio": min(
            (f["awrs_calls_ratio"] for f in predicates if f["awrs_calls_ratio"]), default=None
        ),
    }
    tables = {
        "MaskBench": [maskbench],
        "answers": list(answers),
        "predicates": list(predicates),
    }
    commit, here = machine.commit(CHECKOUT), machine.describe()
    document = Document("structured", commit, here, about, tables, _NOTES)
    tell(document, _COLUMNS, json_file, md_file)
