"""edge-rt tune: have two models answer together in the way that an evaluation found best."""

from __future__ import annotations

from pathlib import Path

import click

from edge_rt.cli.exits import Failure
from edge_rt.cli.local.model_store import FILE, open_store, with_store
from edge_rt.cli.words.clean import clean
from edge_rt.cli.words.modes import as_set
from edge_rt.models.pairs.tuning import Choice, Evaluation, Figure, choose, read_evaluation, tuned


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
def tune(
    pair: str,
    store: Path | None,
    config: Path | None,
    source: Path,
    floor: float,
    tasks: tuple[str, ...],
    dry_run: bool,
) -> None:
    """Choose how the model PAIR and its smaller partner answer: the fewest joules for a quality.

    PAIR is the large model. Of the ways that were evaluated the one is taken that needs the fewest
    joules among those that keep the floor, going by what was found and not by the ends of its
    intervals, which are told. Requests that name no mode are answered in that way from then on.
    """
    found = read_evaluation(source)
    if found.about.pair.large != pair:
        raise Failure(f"{source} is about {found.about.pair.large} and not about {pair}")
    choice = choose(found, floor, tasks)
    click.echo(clean("\n".join(_words(choice, found))))
    if not dry_run:
        made = tuned(choice, found.about.pair, _origin(found, choice))
        click.echo(f"written to {open_store(store, config, write=True).pairs.write(made)}")


def _origin(found: Evaluation, choice: Choice) -> str:
    asked = ", ".join(f"{task} {ratios.n}" for task, ratios in choice.found.items())
    return f"tools/eval switch, questions: {asked}; commit {found.commit or 'unknown'}"


def _words(choice: Choice, found: Evaluation) -> list[str]:
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


def _percent(figure: Figure) -> str:
    shown = f"{100 * figure.value:.1f} %"
    if figure.low is None or figure.high is None:
        return shown
    return f"{shown} ({100 * figure.low:.1f} to {100 * figure.high:.1f})"
