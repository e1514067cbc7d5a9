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
from evallib.hosting import host, simulated
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
@click.option("--board", help="Simulate this board around our own daemon, for joules.")
@click.option("--model", "models", multiple=True, help="May be given several times.")
@click.option("--mode", "modes", multiple=True, help="Of decoding; may be given several times.")
@click.option("--large-share", type=click.FloatRange(0, 1), help="Of a switch between two models.")
@click.option("--threshold", type=float, help="Of a gate between two models.")
@click.option("--first", type=click.IntRange(0), help="Tokens that the large model writes first.")
@result("run", BESIDE)
@shared
def run(
    address: Address | None,
    board: str | None,
    models: tuple[str, ...],
    modes: tuple[str, ...],
    large_share: float | None,
    threshold: float | None,
    first: int | None,
    json_file: Path,
    **shared_options: Any,
) -> None:
    """Ask public test questions and count what is right.

    Of the daemon at --socket or --url, else of one that is started for it. With several models or
    modes each question goes to all of them, and they are compared with the first. What is done is
    not done again: a run that was interrupted goes on where it ended.
    """
    if board is not None and address is not None:
        raise click.UsageError("--board goes with a daemon of our own, not with --socket or --url.")
    options = Options(**shared_options)
    terms = {"large_share": large_share, "threshold": threshold, "first": first}
    ways = _ways(models or (MODEL,), modes, {k: v for k, v in terms.items() if v is not None})
    works = options.works()
    named = list(dict.fromkeys(way.model for way in ways))
    around = None if board is None else simulated(board)
    report = partial(_report, options, works, ways)
    Session(
        works,
        ways,
        options.sampling,
        options.patience,
        host(address, options.store, named, _CONTEXT, options.threads, around),
        report,
        _COLUMNS,
        json_file,
        options.md_file,
    ).run()


def _ways(models: Sequence[str], modes: Sequence[str], terms: dict[str, Any]) -> list[Way]:
    found: list[Way] = []
    for model, mode in product(models, modes or (None,)):
        edge = terms if mode is None else {"mode": mode, **terms}
        name = model if mode is None else f"{model} {mode}"
        found.append(Way(name, model, edge, (model,)))
    return found


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
