"""edge-rt tune and edge-rt doubt: apply what an evaluation found about models."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import click
import msgspec

from edge_rt.cli.exits import CommandFailure
from edge_rt.cli.local.model_store import FILE, open_store, with_store
from edge_rt.cli.text import as_set, clean
from edge_rt.models.doubt import DoubtCalibration, calibrate, read_seen
from edge_rt.models.pair import (
    Evaluation,
    IntervalFigure,
    TuningChoice,
    choose,
    read_evaluation,
    tuned,
)


@click.command()
@click.argument("model")
@with_store
@click.option(
    "--from", "source", required=True, type=FILE, help="Answers of `tools/eval run`, the .jsonl."
)
@click.option("--dry-run", is_flag=True, help="Only say what was found.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def doubt(
    model: str, store: Path | None, config: Path | None, source: Path, dry_run: bool, as_json: bool
) -> None:
    """Find out how often MODEL is wrong by how unsure it is of the first tokens of an answer.

    By its answers to test questions, of which each test's right and wrong ones weigh alike. From
    then on the daemon knows by how an answer begins whether it may be good enough.
    """
    place = open_store(store, config, write=not dry_run)
    entry, seen = place.get(model), read_seen(source, model)
    tests = Counter(one.test for one in seen)
    asked = ", ".join(f"{test} {count}" for test, count in tests.items())
    found = DoubtCalibration(
        model=entry.id,
        sha256=entry.sha256,
        answers=len(seen),
        steps=calibrate(seen),
        source=f"tools/eval run, answers: {asked}",
    )
    lines = [f"{entry.id}, answers: {asked}"]
    lines += [
        f"doubt from {step.score:.3f} on: {100 * step.wrong:.0f} % wrong" for step in found.steps
    ]
    _tell(lines, found, None if dry_run else place.doubts.write(found), as_json)


@click.command()
@click.argument("pair")
@with_store
@click.option("--from", "source", required=True, type=FILE, help="What `tools/eval switch` wrote.")
@click.option(
    "--floor",
    default=0.97,
    show_default=True,
    type=click.FloatRange(0, 1, min_open=True),
    help="Of the large model's accuracy, which must be kept.",
)
@click.option("--task", "tasks", multiple=True, help="Must it be kept in; default: in all tasks.")
@click.option("--dry-run", is_flag=True, help="Only say what would be chosen.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def tune(
    pair: str,
    store: Path | None,
    config: Path | None,
    source: Path,
    floor: float,
    tasks: tuple[str, ...],
    dry_run: bool,
    as_json: bool,
) -> None:
    """Choose how the model PAIR and its smaller partner answer: the fewest joules for a quality.

    PAIR is the large model. Of the evaluated ways that keep the floor the one with the fewest
    joules is taken, by its mean and not by the ends of its interval, which are shown. Requests
    that name no mode are answered in that way from then on.
    """
    found = read_evaluation(source)
    if found.about.pair.large != pair:
        raise CommandFailure(f"{source} is about {found.about.pair.large} and not about {pair}")
    choice = choose(found, floor, tasks)
    made = tuned(choice, found.about.pair, _origin(found, choice))
    file = None if dry_run else open_store(store, config, write=True).pairs.write(made)
    _tell(_words(choice, found), made, file, as_json)


def _tell(lines: list[str], found: msgspec.Struct, file: Path | None, as_json: bool) -> None:
    """Print the result `found`, and the `file` to which it was written, if any."""
    if as_json:
        written = None if file is None else str(file)
        told = {**msgspec.to_builtins(found), "written": written}
        click.echo(msgspec.json.encode(told).decode())
        return
    click.echo(clean("\n".join(lines)))
    if file is not None:
        click.echo(f"written to {file}")


def _origin(found: Evaluation, choice: TuningChoice) -> str:
    asked = ", ".join(f"{task} {ratios.n}" for task, ratios in choice.found.items())
    return f"tools/eval switch, questions: {asked}; commit {found.commit or 'unknown'}"


def _words(choice: TuningChoice, found: Evaluation) -> list[str]:
    """What is chosen, and what it rests on: a line for each task."""
    models = found.about.pair
    asked = choice.way.edge
    lines = [f"{models.large} with {models.small}: {as_set(asked.mode, asked)}"]
    for task, ratios in choice.found.items():
        accuracy, energy = _percent(ratios.accuracy), _percent(ratios.energy)
        lines.append(
            f"{task}, {ratios.n} questions: {accuracy} of the large model's accuracy, "
            f"{energy} of its joules"
        )
    return lines


def _percent(figure: IntervalFigure) -> str:
    shown = f"{100 * figure.value:.1f} %"
    if figure.low is None or figure.high is None:
        return shown
    return f"{shown} ({100 * figure.low:.1f} to {100 * figure.high:.1f})"
