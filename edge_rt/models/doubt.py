"""What a model's doubt of its first tokens says of its answer, as evaluations have shown."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta

from edge_rt.core.errors import ConfigError, RequestError
from edge_rt.decoding.params import Doubt
from edge_rt.models.naming import Id, Sha256


class IsotonicPoint(NamedTuple):
    """`y` was seen at `x`, and counts as `weight`; of a fit: it is `y` from `x` to the next one."""

    x: float
    y: float
    weight: float = 1.0


def isotonic(points: Iterable[IsotonicPoint]) -> list[IsotonicPoint]:
    """The fit with the least weighted squares of all that never fall; pool adjacent violators."""
    blocks: list[IsotonicPoint] = []
    for x, same in groupby(sorted(points), key=lambda point: point.x):
        block = _mean(x, [*same])
        while blocks and blocks[-1].y >= block.y:
            before = blocks.pop()
            block = _mean(before.x, [before, block])
        blocks.append(block)
    return blocks


def _mean(x: float, of: Sequence[IsotonicPoint]) -> IsotonicPoint:
    weight = sum(one.weight for one in of)
    return IsotonicPoint(x, sum(one.y * one.weight for one in of) / weight, weight)


FEWEST = 30  # answers that a calibration takes
_SURE = 0.05  # no doubt, and no lack of it, says more than that
_PRESUMED = 16.0  # answers, as many right as wrong, that are in each step before any was seen

_Share = Annotated[float, Meta(ge=0, le=1)]


class DoubtStep(msgspec.Struct, frozen=True):
    """From a doubt of `score` on, `wrong` of as many wrong as right answers are wrong.

    `share` of all those have a doubt from there to the next step.
    """

    score: float
    wrong: _Share
    share: _Share


class Sure(NamedTuple):
    """Answers up to some doubt: their share of all, and how many of them are good, 0 to 1."""

    share: float
    good: float


class DoubtCalibration(msgspec.Struct, frozen=True, kw_only=True):
    """Steps of a model, rising in both; `answers` they were found with, from `source`.

    Of each test right and wrong answers weigh alike, so that they say what doubt adds to whatever
    is known of the prompt before.
    """

    model: Id
    sha256: Sha256
    answers: Annotated[int, Meta(ge=1)]
    steps: Annotated[list[DoubtStep], Meta(min_length=1)]
    source: str = ""

    def good(self, before: float, score: float) -> float:
        """The probability that an answer of that doubt is good, which was `before` without it.

        Bayes' rule, as if doubt knew nothing of what was known before; ours.
        """
        scores = [step.score for step in self.steps]
        wrong = self.steps[max(0, bisect_right(scores, score) - 1)].wrong
        odds = before * (1.0 - wrong), (1.0 - before) * wrong
        return odds[0] / sum(odds)

    def most(self, before: float, floor: float) -> float:
        """The doubt up to which an answer is good with `floor`, where it was `before` without.

        Infinite where no doubt speaks against it, and -1, less than any, where all do.
        """
        short = (step.score for step in self.steps if self.good(before, step.score) < floor)
        first = next(short, math.inf)
        if first <= self.steps[0].score:
            return -1.0
        return math.nextafter(first, -math.inf) if first < math.inf else first

    def kept(self, before: float, most: float) -> Sure:
        """Answers of a doubt up to `most`, where of all answers `before` are good."""
        right = [step.share * (1.0 - step.wrong) for step in self.steps]
        wrong = [step.share * step.wrong for step in self.steps]
        count = sum(step.score <= most for step in self.steps)
        good = before * sum(right[:count]) / sum(right)
        bad = (1.0 - before) * sum(wrong[:count]) / sum(wrong)
        return Sure(good + bad, good / (good + bad) if good + bad > 0.0 else 0.0)


class Seen(msgspec.Struct, frozen=True):
    """An answer whose test, doubt and fault are known."""

    test: str
    score: float
    wrong: bool


def calibrate(seen: Iterable[Seen]) -> list[DoubtStep]:
    """The steps that fit best; raises RequestError where there are too few answers.

    Few answers say little: the ends of a fit that only has to rise go by the last few alone.
    Tests of which all answers are right, or all wrong, say nothing of doubt.
    """
    by_test: defaultdict[str, list[Seen]] = defaultdict(list)
    for one in seen:
        by_test[one.test].append(one)
    points = [point for answers in by_test.values() for point in _points(answers)]
    if len(points) < FEWEST:
        raise RequestError(
            f"{len(points)} answers with a doubt, of tests with right and wrong ones, and "
            f"{FEWEST} are the least: evaluate more questions with `tools/eval run`",
            param="from",
        )
    blocks = isotonic(IsotonicPoint(one.x, _shrunk(one), one.weight) for one in isotonic(points))
    weight = sum(block.weight for block in blocks)
    return [
        DoubtStep(
            round(block.x, 6),
            round(min(1.0 - _SURE, max(_SURE, block.y)), 6),
            round(block.weight / weight, 6),
        )
        for block in blocks
    ]


def _shrunk(block: IsotonicPoint) -> float:
    return (block.y * block.weight + 0.5 * _PRESUMED) / (block.weight + _PRESUMED)


def _points(answers: list[Seen]) -> Iterator[IsotonicPoint]:
    wrong = sum(one.wrong for one in answers)
    counts = {True: wrong, False: len(answers) - wrong}
    if not all(counts.values()):
        return
    for one in answers:
        yield IsotonicPoint(one.score, float(one.wrong), len(answers) / (2.0 * counts[one.wrong]))


# --- what `tools/eval run` writes


class _Doubted(msgspec.Struct, frozen=True):
    tokens: int
    entropy: float
    margin: float


class _Record(msgspec.Struct, frozen=True):
    """A line, as far as it counts here; the key begins with test, item and model."""

    key: list[str]
    failed: str | None
    correct: bool
    doubt: _Doubted | None = None


def read_seen(path: Path, model: str) -> list[Seen]:
    """The answers of `model` whose doubt is known; raises ConfigError for another file.

    Of two of the same key the later one counts.
    """
    found: dict[tuple[str, ...], Seen] = {}
    for number, line in enumerate(_lines(path), 1):
        try:
            record = msgspec.json.decode(line, type=_Record)
            test, _, name, *_ = record.key
        except (msgspec.DecodeError, ValueError) as error:
            reason = f"not what `tools/eval run` writes beside its report: {error}"
            raise ConfigError(reason, file=str(path), line=number) from error
        doubt = record.doubt
        if name == model and record.failed is None and doubt is not None:
            score = Doubt(doubt.tokens, doubt.entropy, doubt.margin).score
            found[(*record.key,)] = Seen(test, score, not record.correct)
    return list(found.values())


def _lines(path: Path) -> list[bytes]:
    try:
        return [line for line in path.read_bytes().splitlines() if line.strip()]
    except OSError as error:
        reason = f"cannot be read: {error.strerror or error}"
        raise ConfigError(reason, file=str(path)) from error
