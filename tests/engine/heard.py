"""What a front hears of requests, toy model or not."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from edge_rt.core.decoding import Made, TokenLogprob
from edge_rt.core.events import Finished, Started
from edge_rt.engine.protocol import EngineWork, Failed, StepOutput


@dataclass
class Heard:
    """All that the front hears of one request."""

    started: list[Started] = field(default_factory=list)
    texts: dict[int, str] = field(default_factory=lambda: defaultdict(str))
    tokens: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    logprobs: dict[int, list[TokenLogprob]] = field(default_factory=lambda: defaultdict(list))
    withheld: dict[int, list[TokenLogprob]] = field(default_factory=dict)
    seen: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))
    made: dict[int, Made] = field(default_factory=dict)
    finished: dict[int, Finished] = field(default_factory=dict)
    failed: list[Failed] = field(default_factory=list)

    def take(self, event: Started | Finished | Failed) -> None:
        assert not self.failed, "nothing comes after Failed"
        if isinstance(event, Started):
            assert not self.started
            self.started.append(event)
        elif isinstance(event, Failed):
            self.failed.append(event)
        else:
            assert event.index not in self.finished, "an answer ends once"
            self.finished[event.index] = event

    def outcome(self, index: int = 0) -> tuple[str, list[int], str, str | None]:
        """Text, tokens, reason and stop string of one answer."""
        end = self.finished[index]
        return self.texts[index], self.tokens[index], end.reason, end.stop

    def so_far(self) -> dict[str, Any]:
        """Return what another engine is told, so that it goes on from here."""
        return {
            "resume": {index: list(tokens) for index, tokens in self.tokens.items()},
            "done": list(self.finished),
            "withheld": dict(self.withheld),
            "seen": {index: list(seen) for index, seen in self.seen.items()},
            "made": dict(self.made),
        }


class Listener:
    """Hears events and puts them together by request; its clock goes on with each look."""

    def __init__(self) -> None:
        self.now = 0.0
        self.events: list[Started | StepOutput | Finished | Failed] = []
        self.heard: dict[int, Heard] = defaultdict(Heard)

    def clock(self) -> float:
        self.now += 0.001
        return self.now

    def hear(self, event: Started | StepOutput | Finished | Failed) -> None:
        self.events.append(event)
        if not isinstance(event, StepOutput):
            self.heard[event.id].take(event)
            return
        for delta in event.deltas:
            heard = self.heard[delta.id]
            assert not heard.failed
            assert delta.index not in heard.finished
            heard.texts[delta.index] += delta.text
            heard.tokens[delta.index] += delta.tokens
            heard.logprobs[delta.index] += delta.logprobs
            heard.withheld[delta.index] = delta.withheld
            heard.seen[delta.index] += delta.seen
            if delta.made is not None:
                heard.made[delta.index] = delta.made
        if event.work is not None:
            self.worked(event.work)

    def worked(self, work: EngineWork) -> None:
        """A span is never shared out more than once."""
        assert work.begin_s <= work.end_s
        spent = [share.prefill_s + share.decode_s for share in work.shares]
        assert sum(spent) <= work.end_s - work.begin_s + 1e-9
        assert min(spent, default=1.0) > 0
