"""The decoding modes that a model can use, and checks of what a request asks of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from msgspec.structs import replace

from edge_rt.core.decoding import GATES, Gating, Mode, gates
from edge_rt.core.errors import ModelNotFound, RequestError
from edge_rt.core.limits import Limits
from edge_rt.core.routing import DecodingRequest
from edge_rt.models.directory import ModelDirectory, alike
from edge_rt.models.pair import (
    LOOKUP,
    LOSSLESS,
    SINGLE,
    SPECULATIVE,
    SWITCH,
    Pair,
    gate_of,
    is_mode,
    misfit,
)
from edge_rt.models.record import ModelRecord

USUAL_GATE, TURNS_GATE = "entropy", "ead"  # of one vocabulary, and of two
LESS_SHARE = 0.2  # of the tokens, which a large model writes while the governor asks for less


Fits = Callable[[ModelRecord, ModelRecord], bool]
"""Whether the second model can be in memory beside the first, and reads as much."""


class DecodingOption(NamedTuple):
    """A mode with its partner; `less` tells how it is less than was asked for, and why.

    `why` tells why a cap calls for it.
    """

    mode: Mode = Mode()
    partner: ModelRecord | None = None
    less: str | None = None
    why: str | None = None


ALONE = DecodingOption()


def offer(
    entry: ModelRecord,
    request: DecodingRequest,
    models: ModelDirectory,
    limits: Limits,
    fits: Fits,
) -> DecodingOption:
    """Return how `entry` decodes its answer; raises RequestError where it cannot as is asked.

    If no mode is requested that is the usual one of its pair, as long as the partner `fits` beside
    it; a partner that is requested without a mode drafts, if its vocabulary allows that.
    """
    partner, pair = partner_of(entry, request, models, seek=request.asks)
    usual = None if pair is None else pair.mode
    usual_gate = USUAL_GATE if partner is not None and alike(entry, partner) else TURNS_GATE
    name = _name(request, pair, usual_gate)
    if name is None:
        check_settings(SINGLE, request)
        drafts = request.partner is not None and partner is not None and alike(entry, partner)
        name = SPECULATIVE if drafts else SINGLE
    if name in (SINGLE, LOOKUP):
        check_settings(name, request)
        return DecodingOption(Mode(name))
    if partner is None:
        raise _alone(entry, name, models)
    if not request.asks and not fits(entry, partner):
        return ALONE
    if name == SPECULATIVE:
        check_settings(name, request)
        return DecodingOption(Mode(name, partner.id), partner)
    as_usual = pair if pair is not None and name == usual else None
    gating = _gating(name, request, as_usual)
    share = _less(gating, limits)
    why = f"{entry.id} writes {LESS_SHARE:.0%} of the tokens: {limits.why}"
    mode = Mode(SWITCH, partner.id, gating=share)
    return DecodingOption(mode, partner, None if share is gating else why)


def every(entry: ModelRecord, models: ModelDirectory, limits: Limits) -> list[DecodingOption]:
    """Return each mode that a request may get without asking for more than that."""
    partner, pair = partner_of(entry, DecodingRequest(), models)
    found = [ALONE]
    if partner is not None:
        found.append(DecodingOption(Mode(LOOKUP)))
        if alike(entry, partner):
            found.append(DecodingOption(Mode(SPECULATIVE, partner.id), partner))
    if pair is not None and pair.gate is not None:
        found.append(offer(entry, DecodingRequest(), models, limits, lambda _, partner: True))
    return found


def _name(request: DecodingRequest, pair: Pair | None, usual_gate: str) -> str | None:
    if request.name != SWITCH:
        return request.name or (None if pair is None else pair.mode)
    gate = None if pair is None else pair.gate
    return f"{SWITCH}:{gate or usual_gate}"


def _gating(name: str, request: DecodingRequest, usual: Pair | None) -> Gating:
    share, threshold, first = request.large_share, request.threshold, request.first
    if usual is not None:
        if share is None and threshold is None:
            share, threshold = usual.large_share, usual.threshold
        first = usual.first if first is None else first
    check_settings(name, DecodingRequest(name, None, share, threshold, first))
    return Gating(gate_of(name) or "", threshold, share, first or 0)


def _less(gating: Gating, limits: Limits) -> Gating:
    """Return the gate with a lower share for the large model, if the governor wants that."""
    enough = gating.share is not None and gating.share <= LESS_SHARE
    if not limits.smaller or enough:
        return gating
    return replace(gating, share=LESS_SHARE, threshold=None)


def partner_of(
    entry: ModelRecord, request: DecodingRequest, models: ModelDirectory, *, seek: bool = True
) -> tuple[ModelRecord | None, Pair | None]:
    """Return the smaller model, and what is known of the two.

    The first pair of which both are there; with `seek` also one that no catalogue has.
    """
    pairs = [*models.pairs(entry.id), *(models.unlisted(entry.id) if seek else ())]
    if request.partner is not None:
        pair = next((pair for pair in pairs if pair.small == request.partner), None)
        return _named(request.partner, entry, models), pair
    for pair in pairs:
        try:
            return models.writer(pair.small), pair
        except (ModelNotFound, RequestError):
            continue
    return None, None


def _named(partner: str, entry: ModelRecord, models: ModelDirectory) -> ModelRecord:
    try:
        found = models.writer(partner)
    except (ModelNotFound, RequestError) as error:
        raise refused("partner", str(error)) from error
    if found.id == entry.id:
        raise refused("partner", f"{found.id} is the model itself: name a smaller one")
    if found.size > entry.size:  # which it reads for each token
        sizes = f"{found.size / 1e6:.0f} MB of weights beside {entry.size / 1e6:.0f} MB"
        advice = f"name a smaller one, or ask {found.id} with the partner {entry.id}"
        raise refused("partner", f"{found.id} is larger than {entry.id}, {sizes}: {advice}")
    return found


def _alone(entry: ModelRecord, mode: str, models: ModelDirectory) -> RequestError:
    absent = [pair.small for pair in models.pairs(entry.id)]
    ways = [f"edge-rt models pull {absent[0]}"] if absent else []
    ways += ["name one in `edge.partner`", "add a pair to a file of models.catalogue"]
    return refused(
        "mode", f"{mode} takes a smaller model, and {entry.id} has none here: {'; '.join(ways)}"
    )


def check_mode(request: DecodingRequest) -> None:
    """Raise RequestError for a mode that there is not, or with what does not go with it."""
    name = request.name
    if name is None:
        return
    if name == SWITCH:
        check_settings(f"{SWITCH}:{GATES[0]}", request)
        return
    if not is_mode(name):
        raise refused("mode", _unknown(name))
    if name in (SINGLE, LOOKUP) and request.partner is not None:
        raise refused("partner", f"the mode {name} takes none: leave it out, or choose another")
    check_settings(name, request)


def check_settings(mode: str, request: DecodingRequest) -> None:
    """Raise RequestError where what is set besides does not go with `mode`."""
    first = 0 if request.first is None else request.first
    wrong = misfit(mode, request.large_share, request.threshold, first)
    if wrong is not None:
        raise refused(*wrong)


def refused(field: str, reason: str) -> RequestError:
    """Return the error that a field of `edge` has a wrong value."""
    return RequestError(f"`edge.{field}`: {reason}", param=f"edge.{field}", code="invalid_value")


def _unknown(name: str) -> str:
    kind, colon, gate = name.partition(":")
    if kind == SWITCH and colon:
        return f"there is no gate {gate!r:.80}; there are {', '.join(gates())}"
    known = ", ".join((*LOSSLESS, SWITCH, f"{SWITCH}:GATE"))
    return f"there is no mode {name!r:.80}; there are {known}"
