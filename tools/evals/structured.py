"""`tools/eval structured`: JSON Schemas with texts that they allow and texts that they forbid."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import click
from benchlib.daemon import MODEL, model_file
from bootstrap.signals import end_cleanly_on_signals
from evallib.document import Document
from evallib.markdown import percent, text
from evallib.maskbench import Case, Verdict, cases, judge, row
from evallib.options import MARKDOWN, STORE, result
from evallib.session import tell
from rich.console import Console

from edge_rt.backends.llama.backend import LlamaBackend
from edge_rt.cli.progress import progress
from edge_rt.decoding.constraints.grammars import Grammars

_QUICK = 150  # cases
_COLUMNS = (
    ("what", text("name")),
    ("schemas", text("schemas")),
    ("compiled, %", percent("compiled")),
    ("tests", text("tests")),
    ("mask_wrong", text("mask_wrong")),
)
_NOTES = (
    "MaskBench: schemas that were compiled, and tests of these that were judged wrongly. A schema "
    "that is not compiled is refused with the keyword and its place.",
)


@click.command()
@click.option(
    "--data",
    required=True,
    type=click.Path(path_type=Path),
    help="The folder that holds maskbench/.",
)
@click.option("--quick", is_flag=True, help="Fewer cases.")
@click.option("--model", default=MODEL, show_default=True, help="It cuts texts into tokens.")
@click.option("--seed", default=0, show_default=True, help="Of the choice with --quick.")
@STORE
@result("structured")
@MARKDOWN
def structured(
    data: Path,
    quick: bool,
    model: str,
    seed: int,
    store: Path,
    json_file: Path,
    md_file: Path | None,
) -> None:
    """Hold JSON Schemas of MaskBench against texts.

    Each schema is compiled or refused, and must allow its valid tests and no others.
    """
    end_cleanly_on_signals()
    found = cases(data)
    random.Random(seed).shuffle(found)
    told = row(_judged(found[:_QUICK] if quick else found, model_file(store, model)))
    keys = {key: told[key] for key in ("mask_wrong", "compiled")}
    about = {"model": model, "seed": seed}
    document = Document("structured", about, {"MaskBench": [told]}, _NOTES, keys)
    tell(document, _COLUMNS, json_file, md_file)


def _judged(found: Sequence[Case], file: Path) -> list[Verdict]:
    backend = LlamaBackend(file, context=64, sequences=1, batch=64, threads=1)
    grammars, verdicts = Grammars(backend), list[Verdict]()
    end = next(token for token in range(backend.vocab) if backend.ends(token))
    try:
        with progress(Console(stderr=True)) as show:
            for case in found:
                show(len(verdicts) / len(found), "MaskBench")
                verdicts.append(judge(case, grammars, backend, end))
    finally:
        grammars.close()
        backend.close()
    return verdicts
