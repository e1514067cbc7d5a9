"""`tools/eval run`: test questions, by any daemon or by one of our own."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import click
from benchlib.daemon import MODEL
from benchlib.http import Address
from evallib.document import Document, plain_row
from evallib.hosting import host
from evallib.intervals import Bootstrap
from evallib.markdown import figure, percent, short, text
from evallib.options import BESIDE, Options, asked, result, shared
from evallib.rounds import Rounds, Work
from evallib.session import Session
from evallib.way import Way

_CONTEXT = 4096  # tokens
_COLUMNS = (
    ("way", text("name")),
    ("n", text("n")),
    ("failed", text("failed")),
    ("cut", text("cut")),
    ("accuracy, %", percent("accuracy")),
    ("less the first's, %", percent("against_first", "accuracy_difference")),
    ("over the first's", figure("against_first", "accuracy_ratio")),
    ("tokens", short("tokens")),
    ("s", figure("seconds")),
    ("J", figure("energy_j")),
    ("IPW_pct", figure("ipw_pct")),
    ("J a right answer", figure("j_per_correct")),
)
_NOTE = (
    "Means an answer, with 95 % bootstrap intervals over the questions. J: what an answer added to "
    "what the board draws anyway. IPW_pct: 100 x accuracy over the board's mean watts, our own "
    "formula. Cut: answers that were as long as they may be. Failed requests are asked again by "
    "the next run and count as neither right nor wrong."
)


@click.command()
@asked
@click.option("--model", "models", multiple=True, help="May be given several times.")
@click.option("--mode", "modes", multiple=True, help="Of decoding; may be given several times.")
@result("run", BESIDE)
@shared
def run(
    address: Address | None,
    models: tuple[str, ...],
    modes: tuple[str, ...],
    json_file: Path,
    **shared_options: Any,
) -> None:
    """Ask public test questions and count what is right.

    Of the daemon at --socket or --url, else of one that is started for it. With several models or
    modes each question goes to all of them, and they are compared with the first. What is done is
    not done again: a run that was interrupted goes on where it ended.
    """
    options = Options(**shared_options)
    ways = [_way(*one) for one in product(models or (MODEL,), modes or (None,))]
    works = options.works()
    named = list(dict.fromkeys(way.model for way in ways))
    report = partial(_report, options, works, ways)
    Session(
        works,
        ways,
        options.sampling,
        options.patience,
        host(address, options.store, named, _CONTEXT, options.threads),
        report,
        _COLUMNS,
        json_file,
        options.md_file,
    ).run()


def _way(model: str, mode: str | None) -> Way:
    if mode is None:
        return Way(model, model, {}, (model,))
    return Way(f"{model} {mode}", model, {"mode": mode}, (model,))


def _report(
    options: Options, works: Sequence[Work], ways: Sequence[Way], rounds: Rounds
) -> Document:
    boot = Bootstrap(options.seed)
    tasks: dict[str, list[dict[str, Any]]] = {}
    for work in works:
        found = [rounds.found(work, way) for way in ways]
        tasks[work.task.name] = [
            plain_row(way, one, found[0], boot) for way, one in zip(ways, found, strict=True) if one
        ]
    about = {**options.about(works), "fingerprints": dict(rounds.prints)}
    return Document("run", about, tasks, [_NOTE])
