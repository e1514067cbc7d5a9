"""How models share the making of an answer, and what it takes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from statistics import fmean

import msgspec

from edge_rt.core.routing import Prediction, RequestTokens, Unpredicted


class Teamwork(msgspec.Struct, frozen=True):
    """What one token of an answer takes in the mean, in tokens of each kind.

    `large` is the share that the large model writes, `catch_up` what one model writes and the
    other reads, `accepted` and `rejected` are drafted; `switches` are from one to the other.
    `alone` is the share that the small model writes in answers in which the large one has no part,
    where it drafts in others; in the mean, also the share of such answers.
    """

    large: float = 1.0
    switches: float = 0.0
    catch_up: float = 0.0
    accepted: float = 0.0
    rejected: float = 0.0
    alone: float = 0.0

    @classmethod
    def mean(cls, many: Iterable[Teamwork]) -> Teamwork:
        """Return the mean over one answer or more."""
        rows = [msgspec.structs.astuple(one) for one in many]
        return cls(*(fmean(column) for column in zip(*rows, strict=True)))

    @property
    def drafts(self) -> bool:
        """Whether the large model reads what was drafted."""
        return self.accepted + self.rejected > 0.0


UNTRIED = 0.25  # wrong drafts a token: what was never tried is taken to gain nothing
_WASTED = 0.1  # drafted tokens for each of an answer that the large model takes over
_RUN = 4.0  # tokens, after which who writes less of an answer lets the other go on


def untried(mode: str, share: float | None) -> Teamwork:
    """What is expected of a mode before it was tried, the large model's `share` being asked for.

    Ours: that drafts are all wrong and that each model reads all that the other writes. Drafts from
    the text itself cost nothing to have and are read only where that pays: these change nothing.
    """
    kind, _, gate = mode.partition(":")
    if kind == "lookup":
        return Teamwork()
    if kind != "switch":
        return Teamwork(rejected=UNTRIED)
    large = 0.5 if share is None else share
    if gate == "early":
        return Teamwork(large, rejected=_WASTED * large, alone=1.0 - large)
    if gate == "verify":
        return Teamwork(large, accepted=1.0 - large, rejected=UNTRIED)
    less = min(large, 1.0 - large)
    return Teamwork(large, switches=2.0 * less / _RUN, catch_up=1.0 if less else 0.0)


PredictAlone = Callable[[int, int, int], Prediction | Unpredicted]
"""What one model alone takes for a prompt, of it cached tokens, and an answer of so many."""


def together(
    work: Teamwork,
    sizes: RequestTokens,
    large: PredictAlone,
    small: PredictAlone | None,
    its: RequestTokens | None = None,
) -> Prediction | Unpredicted:
    """What an answer takes that models make together; `small` None: the large one drafts alone.

    `its` are the sizes as the small model counts them; None: the same.

    Our formula. With o tokens of answer, large share l, drafts d = accepted + rejected, switches w
    and catch-up c a token: the large model computes V = o·l passes, or V = o·(1 - accepted) where
    it reads drafts, and the small one o·(1 - l) or o·d. Of the large model's passes w·o/2 read
    c·(1 - l)·o tokens more in all, of the small one's as many c·l·o; where there are drafts, each
    of the large model's reads d·o/V more, and the small one reads all of c after them. A pass that
    reads n tokens takes what a prompt of n tokens takes behind those before it, and each model
    reads the prompt that has any part in the answer. With a share s of answers that the small one
    writes alone, the large one has 1 - s of its prompts and s·o fewer passes.
    """
    whole = large(*sizes)
    if isinstance(whole, Unpredicted):
        return whole
    try:
        parts = list(_parts(work, sizes, large, small, its or sizes))
    except _Unknown as unknown:
        return unknown.found
    prefill_s = sum(part.seconds for part in parts if part.prompt)
    decode_s = sum(part.seconds for part in parts if not part.prompt)
    seconds = whole.seconds - whole.prefill_s - whole.decode_s + prefill_s + decode_s
    known = [part.energy_j for part in parts if part.energy_j is not None]
    energy_j = sum(known) if len(known) == len(parts) else None
    return _with(whole, seconds, prefill_s, decode_s, energy_j)


def scaled(found: Prediction, seconds: float, energy: float) -> Prediction:
    """`found` with its seconds of computing and its joules times these factors."""
    prefill_s, decode_s = seconds * found.prefill_s, seconds * found.decode_s
    more_s = prefill_s + decode_s - found.prefill_s - found.decode_s
    energy_j = None if found.energy_j is None else energy * found.energy_j
    return _with(found, found.seconds + more_s, prefill_s, decode_s, energy_j)


def _with(
    found: Prediction, seconds: float, prefill_s: float, decode_s: float, energy_j: float | None
) -> Prediction:
    total_j = power_w = None
    if energy_j is not None and found.total_j is not None and found.seconds > 0.0:
        idle_w = (found.total_j - (found.energy_j or 0.0)) / found.seconds
        total_j = energy_j + idle_w * seconds
        power_w = total_j / seconds if seconds > 0.0 else found.power_w
    return replace(
        found,
        seconds=seconds,
        prefill_s=prefill_s,
        decode_s=decode_s,
        energy_j=energy_j,
        total_j=total_j,
        power_w=power_w,
        energy_error_ratio=None if energy_j is None else found.energy_error_ratio,
    )


@dataclass(frozen=True)
class _Part:
    """Some passes of one model; `prompt`: those that read the prompt."""

    seconds: float
    energy_j: float | None
    prompt: bool = False

    def times(self, factor: float) -> _Part:
        return _Part(self.seconds * factor, self.energy_j and self.energy_j * factor, self.prompt)


class _Unknown(Exception):
    def __init__(self, found: Unpredicted) -> None:
        super().__init__(found.reason)
        self.found = found


class _Model:
    """One of the models, with a context that is half an answer behind the prompt."""

    def __init__(self, predict: PredictAlone, sizes: RequestTokens) -> None:
        self._predict, self._sizes = predict, sizes
        self._context = sizes.prompt + sizes.completion // 2

    def prompt(self) -> _Part:
        """Reading the prompt, and drawing the first token."""
        found = self._known(self._sizes.prompt, self._sizes.cached, 1)
        return _Part(found.prefill_s, found.energy_j, prompt=True)

    def step(self) -> _Part:
        """Reading and drawing one token."""
        return self._read(1)

    def passes(self, count: float, reading: float, more: float) -> _Part:
        """`count` passes, of which `reading` read `more` tokens in all besides their one."""
        reading = min(reading, count)
        plain = self.step().times(count - reading)
        if reading <= 0.0:
            return plain
        rows = 1.0 + min(more / reading, float(self._sizes.completion))
        low = int(rows)
        under, over = self._read(low), self._read(low + 1)
        read = _between(under, over, rows - low).times(reading)
        return _sum(plain, read)

    def _read(self, rows: int) -> _Part:
        if rows == 1:  # a step is known better as one of many
            many = 1 + max(1, self._sizes.completion - 1)
            steps = self._known(self._sizes.prompt, self._sizes.prompt - 1, many)
            first = self._known(self._sizes.prompt, self._sizes.prompt - 1, 1)
            energy_j = (
                None
                if steps.energy_j is None or first.energy_j is None
                else steps.energy_j - first.energy_j
            )
            return _Part(steps.decode_s, energy_j).times(1.0 / (many - 1))
        found = self._known(self._context + rows, self._context, 1)
        return _Part(found.prefill_s, found.energy_j)

    def _known(self, *sizes: int) -> Prediction:
        found = self._predict(*sizes)
        if isinstance(found, Unpredicted):
            raise _Unknown(found)
        return found


def _parts(
    work: Teamwork,
    sizes: RequestTokens,
    large: PredictAlone,
    small: PredictAlone | None,
    its: RequestTokens,
) -> Iterator[_Part]:
    steps = max(0, sizes.completion - 1)
    own, turns = work.large * steps, work.switches * steps / 2.0
    drafted, read = (work.accepted + work.rejected) * steps, work.catch_up * steps
    big = _Model(large, sizes)
    if work.drafts:
        own = turns = max(0.0, 1.0 - work.accepted - work.alone) * steps
    if own > 0.0 or work.large > 0.0 or small is None:
        yield big.prompt().times(1.0 - work.alone)
        yield big.passes(own, turns, drafted if work.drafts else read * (1.0 - work.large))
    if small is None:
        return
    little = _Model(small, its)
    if work.drafts:
        yield little.prompt()
        yield little.passes(drafted + work.alone * steps, turns, read)
    elif work.large < 1.0:
        yield little.prompt()
        yield little.passes((1.0 - work.large) * steps, turns, read * work.large)


def _between(one: _Part, two: _Part, share: float) -> _Part:
    return _sum(one.times(1.0 - share), two.times(share))


def _sum(one: _Part, two: _Part) -> _Part:
    known = one.energy_j is not None and two.energy_j is not None
    energy_j = (one.energy_j or 0.0) + (two.energy_j or 0.0) if known else None
    return _Part(one.seconds + two.seconds, energy_j, one.prompt)
