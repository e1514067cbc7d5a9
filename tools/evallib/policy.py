"""The policies by which a workload is answered."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from edge_rt.models.pair import SINGLE, Pair
from edge_rt.routing.choice.ask import AUTO
from evallib.way import CONTROL, LARGE, SMALL, Way

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
