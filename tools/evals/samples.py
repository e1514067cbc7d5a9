"""`tools/eval samples`: checked samples of a small model against a large one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from benchlib import BenchError
from bootstrap.paths import cache_dir
from bootstrap.signals import end_cleanly_on_signals
from evallib.asker import Asker
from evallib.hosting import Own
from evallib.intervals import Bootstrap, Interval
from evallib.journal import Journal
from evallib.options import BESIDE, result
from evallib.rounds import Work
from evallib.samples.problems import TASKS
from evallib.samples.record import LARGE, SAMPLES, SMALL, Drawn, Recorder, Source, sources
from evallib.samples.replay import (
    LARGE_F16,
    LARGE_Q4,
    SMALL_Q4,
    Found,
    Question,
    rivals,
    sampled,
    stopped,
)
from evallib.task import sample
from rich.console import Console

from edge_rt.cli.progress import progress
from edge_rt.generation.samples.rule import Rule

_CONTEXT = 1536  # tokens
_AT_ONCE = 10
_RULES = {"humaneval": Rule(5, verified=True), "bfcl": Rule(2, votes=True, agree=2)}
_STOP = Rule(10, votes=True)
_PREFIX = {"humaneval": "samples", "bfcl": "calls"}
_LARGES = {"4 bits": LARGE_Q4, "F16": LARGE_F16}
_LOOKUP, _CHECKED = "large by lookup", "checked samples"


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
    named: dict[str, Sequence[Source]] = {}
    try:
        works = [Work(task, sample(task.items(data), limit, seed)) for task in _made(tasks)]
        for work in works:
            most = {"humaneval": 4, "bfcl": 1}.get(work.task.name, _STOP.most)
            named[work.task.name] = sources(work.task.name, large, small, most, temperature)
        journal = Journal(json_file.with_suffix(".jsonl"), Drawn)
        if not replay:
            own = Own(
                store or cache_dir() / "store",
                (large, small),
                _CONTEXT,
                threads,
                sequences=_AT_ONCE,
            )
            asyncio.run(_ask(own, journal, named, works, seed))
    except BenchError as error:
        raise click.ClickException(str(error)) from error
    found = report(journal, works, Bootstrap(seed))
    json_file.write_text(json.dumps(found, indent=2) + "\n")
    click.echo(json.dumps(found, indent=2))


def _made(names: Sequence[str]) -> list[Any]:
    return [TASKS[name]() for name in dict.fromkeys(names)]


async def _ask(
    own: Own,
    journal: Journal,
    named: Mapping[str, Sequence[Source]],
    works: Sequence[Work],
    seed: int,
) -> None:
    with progress(Console(stderr=True)) as show:
        show(0.0, "starting")
        async with own.run() as host:
            await Recorder(Asker(host.address), journal, named, show, seed).run(works)


def report(journal: Journal, works: Sequence[Work], boot: Bootstrap) -> dict[str, Any]:
    """Return the figures of all that was recorded, and a row for each way."""
    found: dict[str, Any] = {"note": _NOTE, "tables": {}}
    saved: dict[str, Interval | None] = {}
    agree: list[float] = []
    for work in works:
        kept = {
            (record.key.item, record.way): record
            for record in journal
            if isinstance(record, Drawn)
            and record.failed is None
            and record.key.task == work.task.name
        }
        if work.task.name in _RULES:
            found |= _pair(work, kept, boot, found["tables"])
            continue
        votes = [
            stopped(kept[item.id, SAMPLES].answers, _STOP, 0)
            for item in work.items
            if (item.id, SAMPLES) in kept
        ]
        if votes:
            agree += [one.agree for one in votes]
            saved[work.task.name] = boot.mean([one.saved for one in votes])
            found["tables"][work.task.name] = {
                name: _told(boot.mean([getattr(one, name) for one in votes]))
                for name in ("saved", "agree", "right", "right_of_all")
            }
    for name, interval in saved.items():
        found[f"stop_saved_{name}"] = _told(interval)
    small = [one.value for name, one in saved.items() if one and name != "gsm8k"]
    if agree:
        found["stop_saved"] = min(small, default=None)
        found["stop_agree"] = _told(boot.mean(agree))
    return found


def _pair(
    work: Work, kept: Mapping[tuple[str, str], Drawn], boot: Bootstrap, tables: dict[str, Any]
) -> dict[str, Any]:
    """Return the figures of a task that two models answer, and add its tables."""
    name, told = work.task.name, dict[str, Any]()
    ways = (SMALL, SAMPLES, LARGE)
    asked = [
        Question(*(kept[item.id, way] for way in ways))
        for item in work.items
        if all((item.id, way) in kept for way in ways)
    ]
    for bits, passes in _LARGES.items() if asked else ():
        every = {**rivals(SMALL_Q4, passes)}
        found = {way: Found() for way in (*every, _CHECKED)}
        for one in asked:
            for way, answer in every.items():
                found[way].add(*answer(one))
            checkable = name == "bfcl" or one.small.answers[0].passed is not None
            checked = sampled(one, _RULES[name], SMALL_Q4, passes)
            found[_CHECKED].add(*(checked if checkable else every[_LOOKUP](one)))
        best, new = found[_LOOKUP], found[_CHECKED]
        tables[f"{name}, large of {bits}"] = {way: _row(f, best, boot) for way, f in found.items()}
        if name == "humaneval":
            apart = [one.small.answers[0].passed is not None for one in asked]
            tables[f"{name}, large of {bits}"] |= {
                f"{way}, {kind}": _row(_of(found[way], apart, shown), _of(best, apart, shown), boot)
                for way in (_LOOKUP, _CHECKED)
                for kind, shown in (("with examples", True), ("without", False))
            }
        gain = "samples_gain" if name == "humaneval" else "calls_accuracy"
        key = "" if bits == "4 bits" else "_dear"
        told[f"{gain}{key}"] = _told(boot.difference(new.right, best.right))
        ratio = boot.ratio(new.seconds, best.seconds)
        told[f"{_PREFIX[name]}_joules{key}"] = _told(ratio)
    return told


def _of(found: Found, which: Sequence[bool], wanted: bool) -> Found:
    """Return what a way came to on some of the questions."""
    picked = Found()
    for right, seconds, made, one in zip(
        found.right, found.seconds, found.made, which, strict=True
    ):
        if one is wanted:
            picked.add(bool(right), seconds, int(made))
    return picked


def _row(found: Found, best: Found, boot: Bootstrap) -> dict[str, Any]:
    return {
        "accuracy": _told(boot.mean(found.right)),
        "gain": _told(boot.difference(found.right, best.right)),
        "joules": _told(boot.ratio(found.seconds, best.seconds)),
        "samples": _told(boot.mean(found.made)),
    }


def _told(interval: Interval | None) -> dict[str, Any] | None:
    return None if interval is None else interval.as_json()


_NOTE = (
    "Means a question with 95 % paired bootstrap intervals. Joules are modelled, as shares of "
    "large by lookup's: passes by their rows times what such a pass takes on two cores of x86-64, "
    "at a constant draw. F16: a large model that costs a token as much as one of 6B at 4 bits. "
    "HumanEval is scored by tests without the examples of the prompt; where it has none that can "
    "be used, checked samples are large by lookup. Votes are replayed in 100 orders."
)
