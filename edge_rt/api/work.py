"""A request that was checked and can be run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from edge_rt.api.allowance import Allowance, grant
from edge_rt.api.kept import Found
from edge_rt.core.chat_format import Reading
from edge_rt.core.decoding import Mode
from edge_rt.core.requests import Call, Cost, FitLimit, ModelCard, Plan, ThinkLimit
from edge_rt.generation.usage import LeftOut, Origin


class Work(msgspec.Struct, frozen=True):
    """A request that was checked and can be run; all of its calls want as many answers each."""

    card: ModelCard  # of the model that answers
    calls: list[Call]
    stream: bool
    include_usage: bool
    allowance: Allowance | None = None
    found: Found | None = None  # what was answered before
    reading: Reading | None = None  # of its answers' text; None: all of it is content
    left_out: LeftOut | None = None  # of the chat, which was too long
    before: Sequence[Cost] = ()  # what it took to look for an answer, and to choose a model

    def with_calls(self, **fields: Any) -> Work:
        """Return the work with these fields of each of its calls."""
        calls = [replace(call, **fields) for call in self.calls]
        return replace(self, calls=calls)

    def within(self, limit: ThinkLimit | None, fit: FitLimit | None) -> Work:
        """Return this work with thoughts that end at `limit` and answers that `fit`.

        Each answer is a call of its own, with another seed.
        """
        if limit is None and fit is None:
            return self
        apart: list[Call] = []
        for call in self.calls:
            for index in range(call.n):
                seed = call.sampling.seed
                seed = None if seed is None else (seed + index) % 2**64
                apart.append(replace(call, n=1, sampling=replace(call.sampling, seed=seed)))
        return replace(self, calls=apart).with_calls(thinking=limit, fit=fit)

    @property
    def plan(self) -> Plan:
        """The plan of all its calls."""
        return self.calls[0].plan

    @property
    def id(self) -> str:
        """The id of its answer."""
        return self.calls[0].id

    @property
    def origin(self) -> Origin:
        """What is known of the answers before there are any."""
        card, plan, reading = self.card, self.plan, self.reading
        mode = plan.mode or Mode()
        return Origin(
            model=card.id,
            backend=card.backend,
            asked=plan.asked,
            why=plan.less,
            route=plan.why,
            mode=mode.label,
            partner=mode.partner,
            threads=plan.threads or UNSET,
            left_out=self.left_out or UNSET,
            tools=reading.format.calls.source if reading and reading.tools else UNSET,
            **({} if self.found is None else self.found.told()),
        )

    def granted(self, arrived_s: float, before: Sequence[Cost], app: str) -> Work:
        """Return the work with limits: what the request may still take after `before`."""
        spent_j = sum(cost.energy_j or 0.0 for cost in before)
        calls = grant(self.calls, self.allowance, arrived_s, spent_j, app)
        return replace(self, calls=calls, before=before)

    @property
    def image_bytes(self) -> int:
        """The bytes of the images that its calls share."""
        return sum(len(image.pixels) for image in self.calls[0].images)

    @property
    def per_call(self) -> int:
        """How many answers each call gives."""
        return self.calls[0].n

    @property
    def choices(self) -> int:
        """How many answers there will be."""
        return len(self.calls) * self.per_call
