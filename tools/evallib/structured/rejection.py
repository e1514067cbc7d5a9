"""How many predicate calls adaptive weighted rejection sampling takes, and how right it is.

A mask of a vocabulary asks a predicate about each of its tokens.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edge_rt.backends.base import Batch
from edge_rt.core.decoding import Constraint, Sampling
from edge_rt.decoding.constraints.grammars import Grammars
from edge_rt.decoding.constraints.matcher import Matcher
from edge_rt.decoding.distribution import Logits
from edge_rt.decoding.rejection import DrawnCandidate, by_draw, by_rank, search
from evallib.document import Row
from evallib.structured.maskbench import Case

QWEN_VOCAB = 151_936  # tokens
_TOKENS = 60  # of one answer


class Model(Protocol):
    """The part of a backend that is used."""

    vocab: int
    batch: Batch

    def tokenize(self, text: str, *, special: bool, begins: bool = True) -> list[int]: ...

    def forward(self) -> None: ...

    def logits(self, row: int) -> Logits: ...

    def rewind(self, seq: int, length: int) -> bool: ...


@dataclass
class Calls:
    """What tokens of one vocabulary took; `weights` and `masses` are of each token drawn."""

    name: str
    vocab: int
    sampling: Sampling
    calls: int = 0
    tokens: int = 0
    weights: list[float] = field(default_factory=list[float])
    masses: list[float] = field(default_factory=list[float])

    def draw(
        self, logits: Logits, accepts: Callable[[int], bool], seed: int, mass: float
    ) -> int | None:
        """Return the next token, None: there is none. `mass` is that of all acceptable tokens."""

        def judge(tokens: Sequence[int]) -> list[bool]:
            self.calls += len(tokens)
            return [accepts(token) for token in tokens]

        greedy = self.sampling.temperature == 0.0
        found = search(self._candidates(logits, seed), judge, greedy=greedy)
        if found is None:
            return None
        self.tokens += 1
        if found.log_weight is not None:
            self.weights.append(math.exp(found.log_weight))
            self.masses.append(mass)
        return found.token

    def row(self) -> Row:
        """The figures."""
        errors = np.array(self.weights) - np.array(self.masses)
        return {
            "name": self.name,
            "vocab": self.vocab,
            "tokens": self.tokens,
            "calls_per_token": self.calls / self.tokens if self.tokens else None,
            "awrs_calls_ratio": self.vocab * self.tokens / self.calls if self.calls else None,
            "weight": float(np.mean(self.weights)) if self.weights else None,
            "mass": float(np.mean(self.masses)) if self.masses else None,
            "weight_error": float(np.mean(errors)) if self.weights else None,
            "weight_error_se": float(np.std(errors) / math.sqrt(errors.size))
            if self.weights
            else None,
        }

    def _candidates(self, logits: Logits, seed: int) -> Iterator[DrawnCandidate]:
        if self.sampling.temperature == 0.0:
            return by_rank(logits)
        return by_draw(logits, self.sampling, float(logits.max()), seed, self.tokens)


def peaked(seed: int, draws: int = 200) -> Calls:
    """Draws from distributions as peaked as a language model's, over as many tokens as Qwen has.

    Zipf's law gives the probabilities. The predicate accepts a random tenth of the tokens.
    """
    calls, chance = Calls("peaked", QWEN_VOCAB, Sampling()), np.random.default_rng(seed)
    zipf = -1.5 * np.log(np.arange(1, QWEN_VOCAB + 1, dtype=np.float32))
    for index in range(draws):
        logits: Logits = chance.permutation(zipf)
        accepted = chance.random(QWEN_VOCAB) < 0.1
        mass = _mass(logits, accepted)
        calls.draw(logits, lambda token, known=accepted: bool(known[token]), seed + index, mass)
    return calls


def real(model: Model, grammars: Grammars, found: Sequence[Case], seed: int) -> list[Calls]:
    """Answers by the logits of a model, each held to the JSON Schema of a case.

    The predicate is what the mask of the schema says of a token, so that weights can be compared
    with the mass of that mask.
    """
    ways = ("sampled", Sampling()), ("greedy", Sampling(temperature=0.0))
    tallies = [Calls(name, model.vocab, sampling) for name, sampling in ways]
    for index, case in enumerate(found):
        for calls in tallies:
            matcher = grammars.matcher(Constraint("json_schema", json.dumps(case.schema)))
            _answer(model, matcher, calls, case, seed + index)
    return tallies


def _answer(model: Model, matcher: Matcher, calls: Calls, case: Case, seed: int) -> None:
    text = f"A document that is valid by the JSON Schema {json.dumps(case.schema)}:\n"
    tokens, at = model.tokenize(text, special=False), 0
    for _ in range(_TOKENS):
        logits = _read(model, at, tokens)
        allowed = np.isfinite(matcher.apply(logits))
        token = calls.draw(logits, matcher.allows, seed, _mass(logits, allowed))
        if token is None:
            break
        matcher.take(token)
        if matcher.over:
            break
        at, tokens = at + len(tokens), [token]
    model.rewind(0, 0)


def _read(model: Model, at: int, tokens: Sequence[int]) -> Logits:
    model.batch.clear()
    row = model.batch.add(0, at, list(tokens), want=1)
    model.forward()
    return model.logits(row)


def _mass(logits: Logits, accepted: NDArray[np.bool_]) -> float:
    weights = np.exp(logits.astype(np.float64) - float(logits.max()))
    return float(weights[accepted].sum() / weights.sum())
