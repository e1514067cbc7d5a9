"""`tools/eval run`: test questions, by any daemon or by one of our own."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import click
from benchlib import BenchError, machine
from benchlib.daemon import MODEL
from bootstrap.paths import CHECKOUT
from bootstrap.signals import end_cleanly_on_signals
from evallib.document import Document, plain_row
from evallib.hosting import Host, Own, address_of, simulated
from evallib.intervals import Bootstrap
from evallib.markdown import figure, percent, short, text
from evallib.options import FILE, Options, shared
from evallib.rounds import Rounds, Work
from evallib.session import Hosting, Session, running
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
@click.option("--socket", type=click.Path(path_type=Path), help="Ask the daemon at this socket.")
@click.option("--url", help="Ask the server at http://HOST:PORT.")
@click.option("--board", help="Simulate this board around our own daemon, for joules.")
@click.option("--model", "models", multiple=True, help="May be given several times.")
@click.option("--mode", "modes", multiple=True, help="Of decoding; may be given several times.")
@click.option("--large-share", type=click.FloatRange(0, 1), help="Of a switch between two models.")
@click.option("--threshold", type=float, help="Of a gate between two models.")
@click.option("--first", type=click.IntRange(0), help="Tokens that the large model writes first.")
@click.option(
    "--json",
    "json_file",
    default=Path("run.json"),
    show_default=True,
    type=FILE,
    help="The result; beside it, with the ending .jsonl, lie the answers.",
)
@shared
def run(
    socket: Path | None,
    url: str | None,
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
    if socket is not None and url is not None:
        raise click.UsageError("--socket and --url are two servers: name one.")
    if board is not None and (socket or url):
        raise click.UsageError("--board goes with a daemon of our own, not with --socket or --url.")
    end_cleanly_on_signals()
    options = Options(**shared_options)
    terms = {"large_share": large_share, "threshold": threshold, "first": first}
    ways = _ways(models or (MODEL,), modes, {k: v for k, v in terms.items() if v is not None})
    try:
        works = options.works()
        hosting = _hosting(socket, url, board, options, [way.model for way in ways])
    except BenchError as error:
        raise click.ClickException(str(error)) from error
    report = partial(_report, options, works, ways)
    Session(
        works,
        ways,
        options.sampling,
        options.patience,
        hosting,
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


def _hosting(
    socket: Path | None,
    url: str | None,
    board: str | None,
    options: Options,
    models: Sequence[str],
) -> Hosting:
    address = address_of(socket, url)
    if address is not None:
        return partial(running, Host(address))
    named = list(dict.fromkeys(models))
    around = None if board is None else simulated(board)
    return Own(Path(sys.executable), options.models, named, _CONTEXT, options.threads, around).run


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
    commit = machine.commit(CHECKOUT)
    return Document("run", commit, machine.describe(), about, tasks, [_NOTE])
