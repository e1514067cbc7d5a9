"""edge-rt doubt: learn from an evaluation what a model's doubt says of its answers."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import click

from edge_rt.cli.local.model_store import FILE, open_store, with_store
from edge_rt.cli.words.clean import clean
from edge_rt.models.pairs.doubt import Calibration, calibrate, read_seen


@click.command()
@click.argument("model")
@with_store
@click.option(
    "--from", "source", required=True, type=FILE, help="Answers of `tools/eval run`, the .jsonl."
)
@click.option("--dry-run", is_flag=True, help="Only say what was found.")
def doubt(model: str, store: Path | None, config: Path | None, source: Path, dry_run: bool) -> None:
    """Find out how often MODEL is wrong by how unsure it is of the first tokens of an answer.

    By its answers to test questions, of which each test's right and wrong ones weigh alike. From
    then on the daemon knows by how an answer begins whether it may be good enough.
    """
    place = open_store(store, config, write=not dry_run)
    entry, seen = place.get(model), read_seen(source, model)
    tests = Counter(one.test for one in seen)
    asked = ", ".join(f"{test} {count}" for test, count in tests.items())
    found = Calibration(
        model=entry.id,
        sha256=entry.sha256,
        answers=len(seen),
        steps=calibrate(seen),
        source=f"tools/eval run, answers: {asked}",
    )
    click.echo(clean(f"{entry.id}, answers: {asked}"))
    for step in found.steps:
        click.echo(f"doubt from {step.score:.3f} on: {100 * step.wrong:.0f} % wrong")
    if not dry_run:
        click.echo(f"written to {place.doubts.write(found)}")
