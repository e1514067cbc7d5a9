"""What each way of choosing would have answered, and what it would have taken.

Seconds are modelled: the passes of an answer, by their rows, times what such a pass takes. The
board draws the same whatever computes, so that joules compare as these seconds do.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edge_rt.generation.samples.rule import Ballot, Rule, Sample
from evallib.intervals import Bootstrap, Interval
from evallib.journal import Journal
from evallib.rounds import Work
from evallib.samples.record import LARGE, SAMPLES, SMALL, Drawn, Said

RULES = {"humaneval": Rule(3, verified=True), "bfcl": Rule(2, votes=True, agree=2)}
MOST = {"humaneval": 2, "bfcl": 1}  # samples beside the likeliest answer
STOP = Rule(10, votes=True)
_KEYS = {
    "humaneval": ("samples_gain", "samples_joules"),
    "bfcl": ("calls_accuracy", "calls_joules"),
}
_STOPPED = ("saved", "agree", "right", "right_of_all")
_LOOKUP, _CHECKED = "large by lookup", "checked samples"
_NOTE = (
    "Means a question with 95 % paired bootstrap intervals. Joules are modelled, as shares of "
    "large by lookup's: passes by their rows times what such a pass takes on two cores of x86-64, "
    "at a constant draw. F16: a large model that costs a token as much as one of 6B at 4 bits. "
    "HumanEval is scored by tests without the examples of the prompt; where it has none that can "
    "be used, checked samples are large by lookup. Votes are replayed in 100 orders."
)
ORDERS = 100  # in which the samples of a vote are replayed


@dataclass(frozen=True)
class Passes:
    """What a pass of a model takes: `rows` to seconds, between which a line goes; and a token of a
    prompt.
    """

    rows: Mapping[int, float]
    prompt_s: float

    def pass_s(self, rows: float) -> float:
        """Return the seconds of a pass of so many rows."""
        return float(np.interp(rows, list(self.rows), list(self.rows.values())))

    def round_s(self, tokens: Sequence[int]) -> float:
        """Return the seconds of answers of so many tokens that share their passes."""
        ends = sorted(tokens)
        lengths = [end - begin for begin, end in zip([0, *ends[:-1]], ends, strict=True)]
        return sum(n * self.pass_s(len(ends) - i) for i, n in enumerate(lengths))

    def alone_s(self, one: Drawn) -> float:
        """Return the seconds of one answer, in passes of what was drafted."""
        kept, lost = one.accepted_tokens or 0, one.rejected_tokens or 0
        passes = max(1, one.tokens - kept)
        return passes * self.pass_s((one.tokens + lost) / passes)


# Two cores of x86-64 and llama.cpp, quiet. F16 costs a token as a model of 6B does at 4 bits.
SMALL_Q4 = Passes({1: 0.0232, 4: 0.0681, 8: 0.1276}, 0.0095)
LARGE_Q4 = Passes({1: 0.0622, 4: 0.1442, 8: 0.3477}, 0.0258)
LARGE_F16 = Passes({1: 0.1348, 2: 0.1366, 4: 0.1714, 8: 0.2473}, 0.0309)
_LARGES = {("4 bits", ""): LARGE_Q4, ("F16", "_dear"): LARGE_F16}


Taken = tuple[bool, float, int]
"""Whether an answer is right, its seconds, and how many samples of the small model it took."""


@dataclass(frozen=True)
class Question:
    """All that was recorded of one: the large model by lookup, the small one, samples of that."""

    small: Drawn
    samples: Drawn
    large: Drawn

    @property
    def drawn(self) -> list[Said]:
        """The samples in the order in which they are made: the likeliest answer first."""
        return [*self.small.answers, *self.samples.answers]


def sampled(one: Question, rule: Rule, small: Passes, large: Passes) -> Taken:
    """Return what the cascade takes: samples, and the large model where none is accepted."""
    ballot, drawn, seconds = Ballot(rule), one.drawn, one.small.prompt_tokens * small.prompt_s
    while ballot.over() is None:
        begin = len(ballot.samples)
        more = ballot.next_round if begin else 1
        taken = drawn[begin : begin + more]
        lengths = [said.tokens for said in taken]
        seconds += small.round_s(lengths) if begin else small.alone_s(one.small)
        ballot.samples += [Sample(said.passed, said.vote) for said in taken]
    if ballot.accepted:
        return drawn[ballot.best[0]].correct, seconds, len(ballot.samples)
    [answer] = one.large.answers
    return answer.correct, seconds + alone_s(one.large, large), len(ballot.samples)


def alone_s(one: Drawn, passes: Passes, *, drafts: bool = True) -> float:
    """Return the seconds of an answer with its prompt, also as if nothing had been drafted."""
    whole = passes.alone_s(one) if drafts else passes.round_s([one.tokens])
    return one.prompt_tokens * passes.prompt_s + whole


def rivals(small: Passes, large: Passes) -> dict[str, Callable[[Question], Taken]]:
    """Return the ways to answer without checks that stop early."""

    def first(one: Question) -> Taken:
        said = one.samples.answers[0]
        seconds = one.samples.prompt_tokens * small.prompt_s + small.round_s([said.tokens])
        return said.correct, seconds, 1

    def every(one: Question) -> Taken:
        """The majority of all, or the first that passed, or else the first."""
        drawn = one.drawn
        rule = Rule(len(drawn), votes=any(said.vote for said in drawn))
        best = Ballot(rule, [Sample(said.passed, said.vote) for said in drawn]).best[0]
        lengths = [said.tokens for said in drawn]
        seconds = one.small.prompt_tokens * small.prompt_s + small.round_s(lengths)
        return drawn[best].correct, seconds, len(drawn)

    return {
        _LOOKUP: lambda o: (o.large.answers[0].correct, alone_s(o.large, large), 0),
        "large": lambda o: (o.large.answers[0].correct, alone_s(o.large, large, drafts=False), 0),
        "small": lambda o: (o.small.answers[0].correct, alone_s(o.small, small), 1),
        "first sample": first,
        "all samples": every,
    }


def stopped(answers: Sequence[Said], rule: Rule, seed: int) -> dict[str, float]:
    """Replay the votes of one question in several orders.

    Returns the shares of samples saved, of the same winner, and of right answers, early and late.
    """
    numbers, samples = random.Random(seed), list(answers)
    found = np.zeros((ORDERS, len(_STOPPED)))
    for row in found:
        numbers.shuffle(samples)
        votes = [Sample(vote=said.vote) for said in samples[: rule.most]]
        ballot = Ballot(rule)
        while ballot.over() is None:
            begin = len(ballot.samples)
            ballot.samples += votes[begin : begin + ballot.next_round]
        early, late = samples[ballot.best[0]], samples[Ballot(rule, votes).best[0]]
        row[:] = ballot.left / rule.most, early.vote == late.vote, early.correct, late.correct
    return dict(zip(_STOPPED, found.mean(axis=0).tolist(), strict=True))


def report(journal: Journal, works: Sequence[Work], boot: Bootstrap) -> dict[str, Any]:
    """Return the figures of all that was recorded, and a row for each way."""
    told: dict[str, Any] = {"note": _NOTE, "tables": {}}
    saved, agree = list[float](), list[float]()
    for work in works:
        name = work.task.name
        kept = {
            (one.key.item, one.way): one
            for one in journal
            if isinstance(one, Drawn) and one.failed is None and one.key.task == name
        }
        if name in RULES:
            told |= _cascade(work, kept, boot, told["tables"])
            continue
        drawn = [kept[item.id, SAMPLES] for item in work.items if (item.id, SAMPLES) in kept]
        votes = [stopped(one.answers, STOP, seed) for seed, one in enumerate(drawn)]
        row = {part: _told(boot.mean([one[part] for one in votes])) for part in _STOPPED}
        told["tables"][name], told[f"stop_saved_{name}"] = row, row["saved"]
        agree += [one["agree"] for one in votes]
        saved += [row["saved"]["value"]] if votes and name != "gsm8k" else []
    told |= {"stop_saved": min(saved, default=None), "stop_agree": _told(boot.mean(agree))}
    return told


def _cascade(
    work: Work, kept: Mapping[tuple[str, str], Drawn], boot: Bootstrap, tables: dict[str, Any]
) -> dict[str, Any]:
    """Return the figures of a task that two models answer, and add its tables."""
    name, told, ways = work.task.name, dict[str, Any](), (SMALL, SAMPLES, LARGE)
    asked = [
        Question(*(kept[item.id, way] for way in ways))
        for item in work.items
        if all((item.id, way) in kept for way in ways)
    ]
    shown = [name == "bfcl" or one.small.answers[0].passed is not None for one in asked]
    for (bits, key), passes in _LARGES.items() if asked else ():
        every = rivals(SMALL_Q4, passes)
        found = {way: [answer(one) for one in asked] for way, answer in every.items()}
        found[_CHECKED] = [
            sampled(one, RULES[name], SMALL_Q4, passes) if can else every[_LOOKUP](one)
            for one, can in zip(asked, shown, strict=True)
        ]
        rows = {way: _row(taken, found[_LOOKUP], boot) for way, taken in found.items()}
        for kind, wanted in (("with examples", True), ("without", False)):
            some, best = (
                [one for one, can in zip(found[way], shown, strict=True) if can is wanted]
                for way in (_CHECKED, _LOOKUP)
            )
            if some and name == "humaneval":
                rows[f"{_CHECKED}, {kind}"] = _row(some, best, boot)
                rows[f"{_LOOKUP}, {kind}"] = _row(best, best, boot)
        tables[f"{name}, large of {bits}"] = rows
        gain, joules = _KEYS[name]
        told[gain + key], told[joules + key] = rows[_CHECKED]["gain"], rows[_CHECKED]["joules"]
    return told


def _row(found: Sequence[Taken], best: Sequence[Taken], boot: Bootstrap) -> dict[str, Any]:
    right, seconds, made = zip(*found, strict=True)
    others, their_s, _ = zip(*best, strict=True)
    return {
        "accuracy": _told(boot.mean(right)),
        "gain": _told(boot.difference(right, others)),
        "joules": _told(boot.ratio(seconds, their_s)),
        "samples": _told(boot.mean(made)),
    }


def _told(interval: Interval | None) -> Any:
    return None if interval is None else interval.as_json()
