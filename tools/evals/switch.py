"""`tools/eval switch`: two models alone, together without loss, and by turns."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import click
from evallib.document import Document, switch_rows
from evallib.figures import lookup_figures
from evallib.gates import NAMES
from evallib.hosting import host, simulated
from evallib.intervals import Bootstrap
from evallib.markdown import equal, figure, percent, short, text
from evallib.options import BESIDE, Options, result, shared
from evallib.rounds import Rounds, Work
from evallib.session import Session
from evallib.tasks import HumanEval
from evallib.way import CONTROL, LARGE, Way, chosen, pair_of, ways

from edge_rt.core.decoding import GATES
from edge_rt.models.pair import LOOKUP, Pair

_BOARD = "raspberry-pi-5"
_CONTEXT = 2048  # tokens
_COLUMNS = (
    ("way", text("name")),
    ("n", text("n")),
    ("accuracy, %", percent("accuracy")),
    ("of the large's", figure("against_large", "accuracy_ratio")),
    ("gap recovered", figure("gap_recovered")),
    ("less random's, %", percent("against_random", "accuracy_difference")),
    ("large, % of tokens", percent("large_share")),
    ("tokens", short("tokens")),
    ("catch-up", short("catch_up_tokens")),
    ("accepted", short("accepted_tokens")),
    ("rejected", short("rejected_tokens")),
    ("s", short("seconds")),
    ("CPU s", short("cpu_s")),
    ("J", short("energy_j")),
    ("s, of the large's", figure("against_large", "seconds_ratio")),
    ("J, of the large's", figure("against_large", "energy_j_ratio")),
    ("board's J, of the large's", figure("against_large", "board_j_ratio")),
    ("J, of EAD's", figure("against_ead", "energy_j_ratio")),
    ("as the large's", equal("against_large")),
)
_NOTE = (
    "Means an answer, with 95 % paired bootstrap intervals over the questions. Each question goes "
    "to all ways, one right after the other; who is first changes, and no way finds the prompt "
    "read by another. Seconds are measured here; joules are those of a simulated Raspberry Pi 5 "
    "whose cores are as busy. J: what an answer added; board's J: all that was drawn meanwhile. "
    "NAME@SHARE: a gate with the percentage of tokens that the large model was to write. "
    "Gap recovered: (accuracy - small)/(large - small). Last column: answers that are the same to "
    "the byte."
)


def _percentages(_: click.Context, __: click.Parameter, value: str) -> list[float]:
    try:
        found = [float(word) / 100.0 for word in value.split(",")]
    except ValueError:
        found = [-1.0]
    if not all(0.0 <= share <= 1.0 for share in found):
        raise click.BadParameter("expected percentages such as 10,20,30")
    return found


def _names(_: click.Context, __: click.Parameter, value: str) -> list[str]:
    names = [word.strip() for word in value.split(",") if word.strip()]
    known = (*GATES, *NAMES)
    for name in names:
        if name not in known:
            raise click.BadParameter(f"{name} is no gate, these are: {', '.join(known)}")
    return names


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
@click.option(
    "--gates",
    default=",".join([*GATES, CONTROL]),
    show_default=True,
    callback=_names,
    help="Which decide who writes.",
)
@click.option("--first", default=0, show_default=True, help="Tokens the large model writes first.")
@click.option(
    "--row",
    type=click.FloatRange(0),
    help="Model lookup by counts: what a further row adds to a pass, of a pass for one token.",
)
@click.option("--only", multiple=True, help="Only this way, such as large, step or step@20.")
@result("switch", BESIDE)
@shared
def switch(
    pair: str,
    partner: str | None,
    shares: list[float],
    gates: list[str],
    first: int,
    row: float | None,
    only: tuple[str, ...],
    json_file: Path,
    **shared_options: Any,
) -> None:
    """Compare the ways in which two models can answer: quality, seconds and joules.

    The small one alone, the large one alone, both together without loss, and by turns: chance, and
    every gate, at each share. The daemon is our own, on a simulated Raspberry Pi 5. A run that was
    interrupted goes on where it ended.
    """
    options = Options(**shared_options)
    models, works = pair_of(pair, partner), options.works()
    try:
        found = chosen(ways(models, gates, shares, first), only)
    except KeyError as error:
        raise click.UsageError(f"--only: there is no way {error}.") from error
    named, board = (models.large, models.small), simulated(_BOARD)
    Session(
        works,
        found,
        options.sampling,
        options.patience,
        host(None, options.store, named, _CONTEXT, options.threads, board),
        partial(_report, options, models, works, found, row),
        _COLUMNS,
        json_file,
        options.md_file,
    ).run()


def _report(
    options: Options,
    pair: Pair,
    works: Sequence[Work],
    found: Sequence[Way],
    row: float | None,
    rounds: Rounds,
) -> Document:
    boot = Bootstrap(options.seed)
    tasks = {
        work.task.name: switch_rows(
            found, {way.name: rounds.found(work, way) for way in found}, boot
        )
        for work in works
    }
    about = {
        "pair": {"large": pair.large, "small": pair.small},
        "fingerprints": dict(rounds.prints),
        "simulated": _BOARD,
        "threads": options.threads,
        **options.about(works),
    }
    keys = _lookup_keys(works, found, row, rounds)
    return Document("switch", about, tasks, [_NOTE], keys)


def _lookup_keys(
    works: Sequence[Work], found: Sequence[Way], row: float | None, rounds: Rounds
) -> dict[str, object]:
    """Return what lookup takes of the large model's seconds: at worst, and for code."""
    ways = {way.name: way for way in found}
    if not {LARGE, LOOKUP} <= ways.keys():
        return {}
    told = {
        work.task.name: lookup_figures(
            rounds.found(work, ways[LOOKUP]), rounds.found(work, ways[LARGE]), row
        )
        for work in works
    }
    known = {task: one for task, one in told.items() if one is not None}
    code = known.get(HumanEval.name)
    return {
        "lookup_worst": max((worst for worst, _ in known.values()), default=None),
        "lookup_code": None if code is None else code[1],
        "lookup_basis": "measured" if row is None else "modelled",
    }
