"""`tools/eval route`: policies that choose a model, by a workload that all of them answer."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import click
from benchlib import BenchError, machine
from benchlib.daemon import model_file
from bootstrap.paths import CHECKOUT
from bootstrap.signals import end_cleanly_on_signals
from evallib.contest import NAMES, OURS, Contest, Policies, Policy, Terms
from evallib.document import Document
from evallib.hosting import Host, Own, simulated
from evallib.intervals import Bootstrap
from evallib.journal import Journal
from evallib.options import FILE, Options, shared
from evallib.record import Served
from evallib.routed import Routed
from evallib.session import tell
from evallib.standings import COLUMNS, NOTES
from evallib.tasks import MtBench, task_of
from evallib.way import pair_of
from evallib.workload import Recipe, Request, workload, works
from rich.console import Console

from edge_rt.cli.progress import progress
from edge_rt.models.catalogue import load_catalogue
from edge_rt.models.store.store import Store
from edge_rt.routing.choice.rules import FLOORS

EMBEDDING = "all-minilm-l6-v2"
_BOARD = "raspberry-pi-5"
_CONTEXT, _PARALLEL = 2048, 4  # tokens of a conversation, and how many there are at once


def _floor(_: click.Context, __: click.Parameter, value: str | None) -> str | float | None:
    if value is None or value in FLOORS:
        return value
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    if not 0.0 <= number <= 1.0:
        raise click.BadParameter(f"expected {', '.join(FLOORS)} or a number from 0 to 1")
    return number


_SHARE = click.FloatRange(0, 1)


@click.command()
@click.option("--pair", required=True, help="The large model.")
@click.option("--partner", help="The small model; default: by the catalogue.")
@click.option("--quality", callback=_floor, help="The floor asked for; default: the daemon's.")
@click.option("--requests", default=80, show_default=True, type=click.IntRange(2))
@click.option("--rate", default=10.0, show_default=True, help="Requests a minute, in the mean.")
@click.option(
    "--idle",
    default=2.0,
    show_default=True,
    type=click.FloatRange(0),
    help="Seconds with nothing to do that are waited for; the rest of them is reckoned.",
)
@click.option("--zipf", default=1.0, show_default=True, help="How unequally often they are asked.")
@click.option("--open", "opened", default=8, show_default=True, help="Prompts without reference.")
@click.option("--reworded", default=0.25, show_default=True, type=_SHARE, help="Of the requests.")
@click.option("--altered", default=0.05, show_default=True, type=_SHARE, help="Of the requests.")
@click.option("--share", type=_SHARE, help="Of chance's large model; default: that of ours.")
@click.option("--embedding", default=EMBEDDING, show_default=True, help="It compares questions.")
@click.option("--only", multiple=True, type=click.Choice(NAMES), help="Only this policy.")
@click.option(
    "--json",
    "json_file",
    default=Path("route.json"),
    show_default=True,
    type=FILE,
    help="The result; beside it, with the ending .jsonl, lie the answers.",
)
@shared
def route(
    pair: str,
    partner: str | None,
    quality: str | float | None,
    requests: int,
    rate: float,
    idle: float,
    zipf: float,
    opened: int,
    reworded: float,
    altered: float,
    share: float | None,
    embedding: str,
    only: tuple[str, ...],
    json_file: Path,
    **shared_options: Any,
) -> None:
    """Compare policies that choose between two models, and caches, by a mixed workload.

    Test questions and open prompts, many of them again, in the same words or others, come as
    requests came to a public service. Each policy has them all, from a daemon of its own on a
    simulated Raspberry Pi 5. A policy that was interrupted begins anew; those that were done are
    not done again.
    """
    end_cleanly_on_signals()
    options = Options(**shared_options)
    recipe = Recipe(requests, zipf, reworded, altered, rate)
    names = [name for name in NAMES if not only or name in only]
    try:
        models = pair_of(pair, partner, options.models)
        asked = _asked(options, recipe, opened)
        policies = Policies(models, requests, quality, embedding, options.seed)
        terms = _terms(options, policies, idle)
        journal = Journal(json_file.with_suffix(".jsonl"), Served)
        contest = Contest(asked, policies, names, share, partial(_host, options), terms, journal)
        _run(contest, partial(_tell, contest, options, recipe, json_file))
    except BenchError as error:
        raise click.ClickException(str(error)) from error


def _asked(options: Options, recipe: Recipe, opened: int) -> list[Request]:
    tasks = [task_of(name) for name in dict.fromkeys(options.tasks)]
    found = works(tasks, options.data, options.limit, options.seed)
    if opened:
        found += works([MtBench()], options.data, opened, options.seed)
    return workload(found, options.data, recipe, options.seed)


def _terms(options: Options, policies: Policies, idle_s: float) -> Terms:
    """Fetches what is missing of the models; raises BenchError."""
    edge_rt, prints = Path(sys.executable).with_name("edge-rt"), dict[str, str]()
    for model in policies.policy(OURS).models:
        model_file(model, edge_rt, options.models)
        prints[model] = Store(options.models, load_catalogue()).get(model).sha256[:12]
    learnt = {file.name: file.read_text() for file in sorted(options.models.glob("*.yaml"))}
    about = {"board": _BOARD, "threads": options.threads, "context": _CONTEXT, "store": learnt}
    return Terms(options.sampling, options.patience, idle_s, prints, about)


def _host(options: Options, policy: Policy) -> AbstractAsyncContextManager[Host]:
    return Own(
        Path(sys.executable),
        options.models,
        policy.models,
        _CONTEXT,
        options.threads,
        simulated(_BOARD),
        parallel=_PARALLEL,
        extra=policy.config,
        alone=True,
    ).run()


def _run(contest: Contest, report: Callable[[], None]) -> None:
    """Report the results, also after an interruption or failure."""
    try:
        with progress(Console(stderr=True)) as show:
            asyncio.run(contest.run(show))
    finally:
        contest.journal.close()
        report()


def _tell(contest: Contest, options: Options, recipe: Recipe, json_file: Path) -> None:
    found, policies = contest.found(), contest.policies
    if not found:
        return
    routed = Routed(contest.requests, found, policies.pair.large, Bootstrap(options.seed))
    tasks = dict.fromkeys(one.task.name for one in contest.requests)
    tables = {"all": routed.rows(), **{task: routed.rows(task) for task in tasks}}
    about = {
        "pair": {"large": policies.pair.large, "small": policies.pair.small},
        "quality": policies.quality,
        "embedding": policies.embedding,
        "fingerprints": dict(contest.terms.prints),
        "simulated": _BOARD,
        "threads": options.threads,
        "workload": {
            **asdict(recipe),
            "idle_s": contest.terms.idle_s,
            "questions": len({one.question for one in contest.requests}),
            "prompts": len({one.item.prompt for one in contest.requests}),
            "span_s": round(contest.requests[-1].at_s, 1),
        },
        "requests": dict(Counter(one.task.name for one in contest.requests)),
        "forms": dict(Counter(one.form for one in contest.requests)),
        "seed": options.seed,
        "temperature": options.temperature,
    }
    here = machine.describe()
    document = Document("route", machine.commit(CHECKOUT), here, about, tables, NOTES)
    tell(document, COLUMNS, json_file, options.md_file)
