"""`tools/eval route`: ways to choose between a small and a large model, by recorded outcomes."""

from __future__ import annotations

import asyncio
import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
from benchlib.http import Address
from bootstrap.signals import end_cleanly_on_signals
from evallib import EvalError
from evallib.counted import LARGE, SMALL, Costs, pass_s
from evallib.document import Document, Row
from evallib.hosting import host
from evallib.intervals import Bootstrap, Floats, Interval
from evallib.markdown import figure, percent, text
from evallib.near import embedded
from evallib.options import MARKDOWN, STORE, asked, result
from evallib.session import tell

from edge_rt.generation.cache.tables import Vector

MODEL = "all-minilm-l6-v2"
_CONTEXT = 512  # tokens
_NEIGHBOURS = 50
_SHARES = (0.3, 0.5, 0.7, 0.8, 0.9)
_KEPT = 0.98  # of the large model's right answers
_BYTES = 4  # of a token
_ROWS = 8  # tokens of a prompt in one pass, of which the costs are known
_LOOKUP = 0.71  # of the time of a token of a worked answer, as measured for GSM8K
_COLUMNS = (
    ("way", text("name")),
    ("share of the large model", figure("share")),
    ("right, %", percent("accuracy")),
    ("over large by lookup's (route_quality)", figure("route_quality")),
    ("J over large by lookup's (route_joules)", figure("route_joules")),
    ("less random at the same share, % (route_vs_random)", percent("route_vs_random")),
)
_NOTES = (
    "Outcomes of Mixtral 8x7B and GPT-4 on MMLU and GSM8K as RouteLLM keeps them, as many of each, "
    "none twice. Joules are modelled, by prompts and answers in tokens of 4 bytes and by passes of "
    "a large model that costs 5.8 times the small one. kNN: the mean gain of the 50 evidence "
    "prompts that lie nearest; its threshold gives the share on the evidence. Oracle: the large "
    "model where it alone is right. Rule: the model that router.quality chooses by the models' "
    "shares of right answers in the evidence. 95 % bootstrap intervals over the requests, paired.",
)


@dataclass(frozen=True)
class Outcome:
    """A prompt, which of the models were right, and the milliseconds that each takes.

    `lookup_ms` are those of the large model by lookup.
    """

    prompt: str
    small: bool
    large: bool
    small_ms: float
    large_ms: float
    lookup_ms: float


@click.command()
@click.option(
    "--outcomes",
    required=True,
    type=click.Path(path_type=Path),
    help="The folder routellm/evals of RouteLLM's repository.",
)
@asked
@click.option("--model", default=MODEL, show_default=True, help="It embeds the prompts.")
@click.option("--requests", default=300, show_default=True, type=click.IntRange(20))
@click.option("--evidence", default=1000, show_default=True, type=click.IntRange(60))
@click.option("--seed", default=0, show_default=True, help="Of what is drawn.")
@STORE
@result("route")
@MARKDOWN
def route(
    outcomes: Path,
    address: Address | None,
    model: str,
    requests: int,
    evidence: int,
    seed: int,
    store: Path,
    json_file: Path,
    md_file: Path | None,
) -> None:
    """Compare ways to choose between a small and a large model.

    Both models' outcomes are known; the daemon only embeds the prompts.
    """
    end_cleanly_on_signals()
    known, tried = drawn(outcomes, requests, evidence, seed)
    prompts = [one.prompt for one in (*known, *tried)]
    vectors = asyncio.run(embedded(host(address, store, [model], _CONTEXT), model, prompts))
    rows = compared(known, tried, vectors, Bootstrap(seed))
    about = {"model": model, "requests": requests, "evidence": evidence, "seed": seed}
    tell(Document("route", about, {"ways": rows}, _NOTES), _COLUMNS, json_file, md_file)


def drawn(
    folder: Path, requests: int, evidence: int, seed: int
) -> tuple[list[Outcome], list[Outcome]]:
    """Return outcomes as evidence, and others to try on, of both tasks; raises EvalError."""
    draw, known, tried = np.random.default_rng(seed), list[Outcome](), list[Outcome]()
    for task in (_gsm8k(folder), _mmlu(folder)):
        once = list({one.prompt: one for one in task}.values())
        order = [once[at] for at in draw.permutation(len(once))]
        if len(order) < (requests + evidence) // 2:
            raise EvalError(f"{folder} has {len(order)} prompts of a task: ask for fewer")
        tried += order[: requests // 2]
        known += order[requests // 2 : (requests + evidence) // 2]
    return known, tried


def _gsm8k(folder: Path) -> list[Outcome]:
    return [
        _outcome(row, len(row[3]), len(row[4]), _LOOKUP)
        for row in _rows(folder / "gsm8k" / "gsm8k_responses.csv", 5)
    ]


def _mmlu(folder: Path) -> list[Outcome]:
    files = sorted((folder / "mmlu" / "responses").glob("*.csv"))
    return [_outcome(row, _BYTES, _BYTES, 1.0) for file in files for row in _rows(file, 3)]


def _rows(path: Path, columns: int) -> list[list[str]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            _, *rows = csv.reader(file)
    except (OSError, ValueError, csv.Error) as error:
        raise EvalError(f"{path}: {error}; --outcomes names RouteLLM's routellm/evals") from error
    if any(len(row) < columns or not {*row[1:3]} <= {"True", "False"} for row in rows):
        raise EvalError(f"{path}: not as RouteLLM has it")
    return rows


def _outcome(row: Sequence[str], small: int, large: int, lookup: float) -> Outcome:
    """Return a row as an outcome; the answers are `small` and `large` bytes long."""

    def ms(costs: Costs, answer: int, factor: float = 1.0) -> float:
        read = len(row[0]) / _BYTES / _ROWS * pass_s(costs, _ROWS)
        return 1e3 * (read + factor * answer / _BYTES * pass_s(costs, 1))

    took = ms(SMALL, small), ms(LARGE, large), ms(LARGE, large, lookup)
    return Outcome(row[0], row[1] == "True", row[2] == "True", *took)


def compared(
    known: Sequence[Outcome],
    tried: Sequence[Outcome],
    vectors: Mapping[str, Vector],
    boot: Bootstrap,
) -> list[Row]:
    """Return a row for each way to choose."""
    small, large = (
        np.array([getattr(one, name) for one in tried], float) for name in ("small", "large")
    )
    small_ms, large_ms, lookup_ms = (
        np.array([getattr(one, f"{name}_ms") for one in tried])
        for name in ("small", "large", "lookup")
    )

    def row(name: str, chance: Floats, cost: Floats = lookup_ms) -> Row:
        """Count a way that takes the large model with that chance, for that cost."""
        share = float(chance.mean())
        right = chance * large + (1 - chance) * small
        took = chance * cost + (1 - chance) * small_ms
        random = share * large + (1 - share) * small
        return {
            "name": name,
            "share": _plain(boot.mean(list(chance))),
            "accuracy": _plain(boot.mean(list(right))),
            "route_quality": _plain(boot.ratio(list(right), list(large))),
            "route_joules": _plain(boot.ratio(list(took), list(lookup_ms))),
            "route_vs_random": _plain(boot.difference(list(right), list(random))),
        }

    mine, theirs = _points(known, vectors), _points(tried, vectors)
    gains = np.array([one.large - one.small for one in known], float)
    before, found = _gain(mine, mine, gains, itself=True), _gain(theirs, mine, gains)
    every, none = np.ones(len(tried)), np.zeros(len(tried))
    figures = np.mean([[one.small, one.large] for one in known], axis=0)
    rows = [
        row("large", every, large_ms),
        row("large by lookup", every),
        row("small", none),
        row("oracle", (large > small).astype(float)),
        *(
            row(f"rule, {floor}", none if figures[0] >= least else every)
            for floor, least in (("normal", 0.5), ("high", 0.75))
        ),
    ]
    shares = {f"{share:g}": share for share in _SHARES}
    shares[f"{_KEPT} kept on the evidence"] = _least_share(known, before)
    for name, share in shares.items():
        chosen = (found > np.quantile(before, 1 - share)).astype(float)
        rows += [
            row(f"kNN, {name}", chosen),
            row(f"random, {name}", np.full(len(tried), chosen.mean())),
        ]
    return rows


def _plain(interval: Interval | None) -> dict[str, Any] | None:
    return None if interval is None else interval.as_json()


def _points(outcomes: Sequence[Outcome], vectors: Mapping[str, Vector]) -> Floats:
    numbers = [np.frombuffer(vectors[one.prompt].numbers, np.int8) for one in outcomes]
    points = np.array(numbers, float)
    return points / np.linalg.norm(points, axis=1, keepdims=True)


def _gain(points: Floats, among: Floats, gains: Floats, *, itself: bool = False) -> Floats:
    """Return the mean gain of each point's neighbours; `itself`: of those beside itself.

    What differs by less than one neighbour is told apart by how near they lie.
    """
    near = points @ among.T
    if itself:
        np.fill_diagonal(near, -1)
    found = np.argsort(-near, axis=1)[:, :_NEIGHBOURS]
    weights = np.take_along_axis(near, found, axis=1)
    return (weights * gains[found]).sum(axis=1) / weights.sum(axis=1)


def _least_share(known: Sequence[Outcome], before: Floats) -> float:
    """Return the least share that keeps enough right answers on the evidence."""
    small, large = np.array([[one.small, one.large] for one in known], float).T
    for percents in range(5, 100, 5):
        chosen = before > np.quantile(before, 1 - percents / 100)
        if np.where(chosen, large, small).sum() >= _KEPT * large.sum():
            return percents / 100
    return 1.0
