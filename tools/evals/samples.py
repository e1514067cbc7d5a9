"""`tools/eval samples`: checked samples of a small model against a large one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from benchlib import BenchError
from bootstrap.paths import cache_dir
from bootstrap.signals import end_cleanly_on_signals
from evallib.asker import Asker
from evallib.hosting import Own
from evallib.intervals import Bootstrap
from evallib.journal import Journal
from evallib.options import BESIDE, result
from evallib.rounds import Sampling, Work
from evallib.samples.problems import TASKS
from evallib.samples.record import Drawn, Recorder, sources
from evallib.samples.replay import MOST, STOP, report
from evallib.task import sample
from rich.console import Console

from edge_rt.cli.progress import progress

_CONTEXT = 1536  # tokens


@click.command()
@click.option("--large", default="qwen2.5-coder-1.5b-instruct", show_default=True)
@click.option("--small", default="qwen2.5-coder-0.5b-instruct", show_default=True)
@click.option("--task", "tasks", multiple=True, type=click.Choice([*TASKS]), default=[*TASKS])
@click.option("--data", required=True, type=click.Path(path_type=Path), help="The questions.")
@click.option("--limit", type=click.IntRange(1), help="Questions of each task; default: all.")
@click.option("--temperature", default=0.8, show_default=True, help="Of all but the first sample.")
@click.option("--seed", default=0, show_default=True, help="Of the order, and of drawing.")
@click.option("--store", type=click.Path(path_type=Path), help="Where our daemon finds models.")
@click.option("--threads", type=click.IntRange(1), help="Of our daemon; default: its choice.")
@click.option("--replay", is_flag=True, help="Ask nothing, and report what was recorded.")
@result("samples", BESIDE)
def samples(
    large: str,
    small: str,
    tasks: Sequence[str],
    data: Path,
    limit: int | None,
    temperature: float,
    seed: int,
    store: Path | None,
    threads: int | None,
    replay: bool,
    json_file: Path,
) -> None:
    """Compare checked samples of a small model, and votes that stop early, with a large model.

    Samples are drawn once and kept; each way of choosing among them is replayed, with the daemon's
    own rules. Seconds, and so joules, are modelled by the passes. A run that was interrupted goes
    on where it ended.
    """
    end_cleanly_on_signals()
    models = (large, small)
    found = store or cache_dir() / "store", models, _CONTEXT, threads
    try:
        made = [TASKS[name]() for name in dict.fromkeys(tasks)]
        works = [Work(task, sample(task.items(data), limit, seed)) for task in made]
        journal = Journal(json_file.with_suffix(".jsonl"), Drawn)
        if not replay:
            own = Own(*found, sequences=STOP.most)
            asyncio.run(_ask(own, journal, works, models, temperature, seed))
    except BenchError as error:
        raise click.ClickException(str(error)) from error
    told: dict[str, Any] = report(journal, works, Bootstrap(seed))
    json_file.write_text(json.dumps(told, indent=2) + "\n")
    click.echo(json.dumps(told, indent=2))


async def _ask(
    own: Own,
    journal: Journal,
    works: Sequence[Work],
    models: tuple[str, str],
    temperature: float,
    seed: int,
) -> None:
    with progress(Console(stderr=True)) as show:
        show(0.0, "starting")
        async with own.run() as host:
            for work in works:
                name = work.task.name
                ways = sources(name, *models, MOST.get(name, STOP.most), temperature)
                how, asker = Sampling(seed=seed), Asker(host.address)
                await Recorder(asker, journal, ways, how, show).run([work])
