"""Policies that answer the same workload, one after the other."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from msgspec.structs import asdict

from edge_rt.models.pair import SINGLE, Pair
from edge_rt.routing.choice.ask import AUTO
from evallib import EvalError
from evallib.asker import Asker
from evallib.hosting import Host
from evallib.journal import Journal
from evallib.meter import Spent
from evallib.record import Course, Key, Served, canonical, word
from evallib.replay import Outcome, Replay, body
from evallib.rounds import Sampling, record_of
from evallib.routed import Answers
from evallib.task import Judged
from evallib.way import CONTROL, LARGE, SMALL, Way
from evallib.workload import Request

RULES, OURS = "rules", "ours"
NAMES = (LARGE, SMALL, RULES, OURS, CONTROL)
"""The policies in the order in which they run: chance has the share of ours."""

_ALONE = {"mode": SINGLE}


@dataclass(frozen=True)
class Policy:
    """`ways` has one for each request in turn. The daemon has these `models` and no others, and
    these sections in its configuration. With `forgets` its router learns nothing.
    """

    name: str
    ways: Sequence[Way]
    models: Sequence[str]
    config: Mapping[str, Any] = field(default_factory=dict[str, Any])
    forgets: bool = False


@dataclass(frozen=True)
class Policies:
    """All policies, for a workload of so many `requests`.

    `quality` is the floor that the router is asked for, None: the usual one; `embedding` the model
    that compares questions for the semantic cache; `seed` that of chance.
    """

    pair: Pair
    requests: int
    quality: str | float | None
    embedding: str
    seed: int

    def policy(self, name: str, share: float = 0.0) -> Policy:
        """Return the policy of a name; `share` of requests go to the large model by chance."""
        both = self.pair.large, self.pair.small
        if name in (LARGE, SMALL):
            model = both[name == SMALL]
            return Policy(name, self.requests * [Way(name, model, _ALONE, (model,))], (model,))
        if name == CONTROL:
            return Policy(name, self._drawn(share), both)
        asked = {} if self.quality is None else {"quality": self.quality}
        if name == RULES:
            way = Way(name, AUTO, _ALONE | asked, both)
            return Policy(name, self.requests * [way], both, forgets=True)
        way = Way(name, AUTO, {"cache": "use", **asked}, (*both, self.embedding))
        config = {"cache": {"semantic": {"model": self.embedding}}}
        return Policy(name, self.requests * [way], way.models, config)

    def _drawn(self, share: float) -> list[Way]:
        large, small = (
            Way(CONTROL, model, _ALONE, (model,)) for model in (self.pair.large, self.pair.small)
        )
        count = round(share * self.requests)
        chosen = set(random.Random(self.seed).sample(range(self.requests), count))
        return [large if number in chosen else small for number in range(self.requests)]


_UNJUDGED = Judged(False, None, "there is no reference")


@dataclass(frozen=True)
class Terms:
    """How the requests are sent; `prints` tell the models' content apart, `about` what else an
    answer depends on.
    """

    sampling: Sampling
    patience_s: float
    idle_s: float
    prints: Mapping[str, str]
    about: Mapping[str, object] = field(default_factory=dict[str, object])


@dataclass(frozen=True)
class Contest:
    """`hosting` starts a daemon for a policy, which knows nothing yet; `share` is chance's, None:
    that of ours.

    A policy is done as a whole or not at all: its caches and what it learnt are gone with its
    daemon. What the journal has is not done again.
    """

    requests: Sequence[Request]
    policies: Policies
    names: Sequence[str]
    share: float | None
    hosting: Callable[[Policy], AbstractAsyncContextManager[Host]]
    terms: Terms
    journal: Journal

    async def run(self, tell: Callable[[float, str], None]) -> None:
        """Have done what is missing; raises BenchError.

        `tell` is told the share that is done, and what comes next.
        """
        for place, name in enumerate(self.names):
            policy = self._policy(name)
            if policy is None:
                raise EvalError("how much goes by chance is not known without ours: name --share")
            if not all(map(self.journal.done, self._keys(policy))):
                outcomes, course = await self._serve(policy, partial(self._tell, tell, place))
                self._keep(policy, outcomes, course)

    def found(self) -> dict[str, Answers]:
        """The answers of each policy that was done, but those that failed."""
        found: dict[str, Answers] = {}
        for name in self.names:
            policy = self._policy(name)
            records = [] if policy is None else map(self.journal.get, self._keys(policy))
            answers = {
                number: record
                for number, record in enumerate(records)
                if isinstance(record, Served) and record.failed is None
            }
            if answers:
                found[name] = answers
        return found

    def _policy(self, name: str) -> Policy | None:
        """None for chance as long as nobody knows its share."""
        share = self.share
        if name == CONTROL and share is None:
            ours = self.policies.policy(OURS)
            records = [self.journal.get(key) for key in self._keys(ours)]
            known = [one for one in records if isinstance(one, Served) and one.failed is None]
            if not known:
                return None
            share = sum(one.wrote(self.policies.pair.large) for one in known) / len(known)
        return self.policies.policy(name, share or 0.0)

    def _tell(self, tell: Callable[[float, str], None], place: int, done: int) -> None:
        share = (place + done / len(self.requests)) / len(self.names)
        tell(share, f"{self.names[place]}: {done} of {len(self.requests)}")

    async def _serve(
        self, policy: Policy, tell: Callable[[int], None]
    ) -> tuple[list[Outcome], Course]:
        terms = self.terms
        tell(0)
        async with self.hosting(policy) as host:
            asker = Asker(host.address, terms.patience_s)
            replay = Replay(asker, host.meter, terms.sampling, terms.idle_s, policy.forgets, tell)
            await replay.meet(policy.models, [self.policies.embedding])
            return await replay.run(self.requests, policy.ways)

    def _keep(self, policy: Policy, outcomes: Sequence[Outcome], course: Course) -> None:
        """Judge the answers after the measurements, and write the verdicts down."""
        for key, outcome in zip(self._keys(policy), outcomes, strict=True):
            self.journal.add(_served(key, policy.name, outcome, course))

    def _keys(self, policy: Policy) -> list[Key]:
        asked = [
            (one.number, round(one.at_s, 3), body(one, way, self.terms.sampling))
            for one, way in zip(self.requests, policy.ways, strict=True)
        ]
        terms = {**self.terms.about, "idle_s": self.terms.idle_s, "config": policy.config}
        all_asked = word({"policy": policy.name, "asked": asked, "terms": terms})
        prints = ",".join(self.terms.prints.get(model, "") for model in policy.models)
        return [
            Key(one.task.name, f"{one.number}", way.model, canonical(way.edge), prints, all_asked)
            for one, way in zip(self.requests, policy.ways, strict=True)
        ]


def _served(key: Key, name: str, outcome: Outcome, course: Course) -> Served:
    request, reply = outcome.request, outcome.reply
    if reply is None:
        return Served(key=key, way=name, failed=outcome.failed, course=course)
    judged = request.task.judge(request.item, reply.text) if request.judged else _UNJUDGED
    record = record_of(key, outcome.way, reply, Spent(), judged)
    told: dict[str, Any] = asdict(record) | {"seconds": outcome.seconds}
    return Served(
        **told,
        model=reply.edge.get("model"),
        cache=reply.edge.get("cache"),
        question=reply.edge.get("cache_question"),
        course=course,
    )
