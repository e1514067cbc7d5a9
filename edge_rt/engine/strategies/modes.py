"""What the names of modes mean."""

from __future__ import annotations

from collections import defaultdict

from edge_rt.decoding.gates.make import early_at, make_gate, make_rule
from edge_rt.decoding.params import EARLY, Gating, Mode
from edge_rt.decoding.speculative.accept import Exact
from edge_rt.decoding.speculative.draft_length import DraftLength
from edge_rt.decoding.speculative.experience import Experience
from edge_rt.decoding.speculative.pass_times import PassTimes
from edge_rt.engine.generation.generation import DecodingStrategy, Generation
from edge_rt.engine.strategies.drafting import Drafting
from edge_rt.engine.strategies.drafts import Always, LookupSource, ModelSource, Source
from edge_rt.engine.strategies.exactness import Exactness
from edge_rt.engine.strategies.handover import handing_over
from edge_rt.engine.strategies.strategies import single, switching
from edge_rt.errors import RequestError

MOST_DRAFTS = 64  # tokens of one draft

_NAMES = ("single", "switch", "speculative", "lookup")


def partner_of(mode: Mode | None) -> str | None:
    """The second model that an answer is made on, if it is; RequestError for what cannot be."""
    if mode is None:
        return None
    if mode.name not in _NAMES:
        raise _refused(f"there is no mode {mode.name!r}; there are {', '.join(_NAMES)}")
    if not 1 <= mode.drafts <= MOST_DRAFTS:
        raise _refused(f"drafts must have 1 to {MOST_DRAFTS} tokens, not {mode.drafts}")
    if mode.name not in ("switch", "speculative"):
        return None
    if mode.partner is None:
        raise _refused(f"the mode {mode.name!r} takes a second model")
    return mode.partner


def needs_one_vocabulary(mode: Mode | None) -> bool:
    """Whether one model has to read tokens of the other as they are."""
    return mode is not None and (mode.name == "speculative" or _reads_drafts(mode))


def drafts(mode: Mode | None) -> bool:
    """Whether the model is told how the text may go on."""
    return mode is not None and (mode.name in ("speculative", "lookup") or _reads_drafts(mode))


def retells(mode: Mode | None) -> bool:
    """Whether the course of an answer goes through its past; else it begins behind that."""
    return mode is not None and mode.name == "switch" and not _reads_drafts(mode)


class Modes:
    """Makes the courses of answers on one model, and keeps what drafting has taught."""

    def __init__(self, exactness: Exactness) -> None:
        self._exactness = exactness
        self._learnt: defaultdict[str | None, _Learnt] = defaultdict(_Learnt)  # by partner

    def course(self, answer: Generation, seed: int) -> DecodingStrategy:
        """How `answer` is made; `seed` is its own. RequestError where its gate cannot be set so."""
        mode = answer.request.mode or Mode()
        if _has_gate(mode, "verify"):
            return self._verified(answer, mode, _gating(mode))
        if _has_gate(mode, EARLY):
            return self._begun(answer, mode, *early_at(_gating(mode)))
        if mode.name == "switch":
            return switching(answer, make_gate(_gating(mode), seed))
        return single(answer) if mode.name == "single" else self._drafted(answer, mode)

    def _drafted(self, answer: Generation, mode: Mode) -> DecodingStrategy:
        learnt = self._learnt[mode.partner if mode.name == "speculative" else None]
        most, times = min(mode.drafts, self._exactness.rows - 1), learnt.times
        first, *others = answer.seats
        looked = LookupSource(first, DraftLength(most, times, learnt.looked))
        guessed = [
            ModelSource(seat, DraftLength(most, times, learnt.guessed), times) for seat in others
        ]
        return Drafting(answer, [looked, *guessed], Exact(), times, most=most).course()

    def _begun(
        self, answer: Generation, mode: Mode, threshold: float, first: int
    ) -> DecodingStrategy:
        times, most = self._learnt[mode.partner].times, self._exactness.rows - 1

        def drafted(source: Source) -> DecodingStrategy:
            return Drafting(answer, [source], Exact(), times, most=most).course()

        return handing_over(answer, threshold, first, drafted)

    def _verified(self, answer: Generation, mode: Mode, gating: Gating) -> DecodingStrategy:
        _, small = answer.seats
        times, rule = self._learnt[mode.partner].times, make_rule(gating)
        for gap in answer.past.seen:
            rule.keeps(gap)
        return Drafting(
            answer,
            [ModelSource(small, Always(), times)],
            rule,
            times,
            most=mode.drafts,
            first=gating.first,
            writer=small,
        ).course()


class _Learnt:
    """What passes take with one partner, and how drafts have fared by where they come from."""

    def __init__(self) -> None:
        self.times = PassTimes()
        self.looked, self.guessed = Experience(), Experience()


def _reads_drafts(mode: Mode) -> bool:
    """Whether the large model of two that switch may read what the small one would write."""
    return _has_gate(mode, "verify") or _has_gate(mode, EARLY)


def _has_gate(mode: Mode, gate: str) -> bool:
    return mode.name == "switch" and mode.gating is not None and mode.gating.name == gate


def _gating(mode: Mode) -> Gating:
    if mode.gating is None:
        raise _refused("the mode 'switch' takes a gate")
    return mode.gating


def _refused(message: str) -> RequestError:
    return RequestError(message, param="edge.mode")
