"""`tools/eval switch`: two models alone, together without loss, and by the entropy gate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import click
from benchlib.boards import load_boards
from evallib.counted import Counted
from evallib.document import ORACLE, Document, switch_keys, switch_rows, with_oracle
from evallib.figures import Found, lookup_figures
from evallib.intervals import Bootstrap
from evallib.markdown import equal, figure, percent, short, text
from evallib.options import BESIDE, Options, result, shared
from evallib.rounds import Rounds, Work
from evallib.session import Session
from evallib.tasks import HumanEval
from evallib.way import GATED, LARGE, Way, chosen, pair_of, ways

from edge_rt.board_model.watts import board_watts
from edge_rt.models.pair import LOOKUP, Pair

_BOARD = "raspberry-pi-5"
_CONTEXT = 2048  # tokens
_COLUMNS = (
    ("way", text("name")),
    ("n", text("n")),
    ("accuracy, %", percent("accuracy")),
    ("of the large's", figure("against_large", "accuracy_ratio")),
    ("less random's, %", percent("against_random", "accuracy_difference")),
    ("large, % of tokens", percent("large_share")),
    ("tokens", short("tokens")),
    ("catch-up", short("catch_up_tokens")),
    ("accepted", short("accepted_tokens")),
    ("rejected", short("rejected_tokens")),
    ("ms a token", short("token_ms")),
    ("J", short("energy_j")),
    ("J a right answer", short("j_per_correct")),
    ("J, of the large's", figure("against_large", "energy_j_ratio")),
    ("J, of lookup's", figure("against_lookup", "energy_j_ratio")),
    ("as the large's", equal("against_large")),
)
_NOTE = (
    "Means an answer, with 95 % paired bootstrap intervals over the questions. The engine is the "
    "real one and runs the files named; seconds are modelled: those of its passes, prompts "
    "included, by their rows, of a small model of 0.5B at 4 bits and a large one of 1.5B in F16, "
    "which costs as much as one of 6B at 4 bits. Joules are these seconds times what a Raspberry "
    "Pi 5 draws beyond idle. NAME@SHARE: a gate with the percentage of tokens that the large model "
    "was to write. oracle: the small model where it is right, else the large one by lookup, as if "
    "that were known before. Last column: answers that are the same to the byte."
)


def _percentages(_: click.Context, __: click.Parameter, value: str) -> list[float]:
    try:
        found = [float(word) / 100.0 for word in value.split(",")]
    except ValueError:
        found = [-1.0]
    if not all(0.0 <= share <= 1.0 for share in found):
        raise click.BadParameter("expected percentages such as 10,20,30")
    return found


@click.command()
@click.option("--pair", required=True, help="The large model.")
@click.option("--partner", help="The small model; default: by the catalogue.")
@click.option(
    "--shares",
    default="10,20,30,40",
    show_default=True,
    callback=_percentages,
    help="Percent of the tokens that the large model is to write.",
)
@click.option("--only", multiple=True, help="Only this way, such as large or entropy@20.")
@result("switch", BESIDE)
@shared
def switch(
    pair: str,
    partner: str | None,
    shares: list[float],
    only: tuple[str, ...],
    json_file: Path,
    **shared_options: Any,
) -> None:
    """Compare the ways in which two models can answer: quality, modelled seconds and joules.

    The small one alone, the large one alone, both together without loss, and by the entropy gate
    and by chance at each share. Under a cap all ways are slowed down alike by its pauses, so that
    their speeds are in the ratio of these seconds. A run that was interrupted goes on where it
    ended.
    """
    options = Options(**shared_options)
    models, works = pair_of(pair, partner), options.works()
    try:
        found = chosen(ways(models, shares), only)
    except KeyError as error:
        raise click.UsageError(f"--only: there is no way {error}.") from error
    counted = Counted(
        options.store, (models.large, models.small), _CONTEXT, options.threads or 1, _added_w()
    )
    Session(
        works,
        found,
        options.sampling,
        options.patience,
        counted.run(),
        partial(_report, options, models, works, found),
        _COLUMNS,
        json_file,
        options.md_file,
    ).run()


def _added_w() -> float:
    watts = board_watts(load_boards()[_BOARD])
    assert watts is not None, "the profile tells them"
    return watts.decode_w


def _report(
    options: Options,
    pair: Pair,
    works: Sequence[Work],
    found: Sequence[Way],
    rounds: Rounds,
) -> Document:
    boot = Bootstrap(options.seed)
    answers = {
        work.task.name: with_oracle({way.name: rounds.found(work, way) for way in found})
        for work in works
    }
    told = [*found, Way(ORACLE, pair.large)]
    about = {
        "pair": {"large": pair.large, "small": pair.small},
        "fingerprints": dict(rounds.prints),
        "modelled": _BOARD,
        **options.about(works),
    }
    tasks = {task: switch_rows(told, ways, boot) for task, ways in answers.items()}
    keys = switch_keys(list(answers.values()), GATED) | _lookup_keys(answers)
    return Document("switch", about, tasks, [_NOTE], keys)


def _lookup_keys(answers: Mapping[str, Mapping[str, Found]]) -> dict[str, float | None]:
    """Return what lookup takes of the large model's seconds: at worst, and for code."""
    told = {
        task: lookup_figures(ways[LOOKUP], ways[LARGE])
        for task, ways in answers.items()
        if {LARGE, LOOKUP} <= ways.keys()
    }
    known = {task: one for task, one in told.items() if one is not None}
    code = known.get(HumanEval.name)
    return {
        "lookup_worst": max((worst for worst, _ in known.values()), default=None),
        "lookup_code": None if code is None else code[1],
    }
