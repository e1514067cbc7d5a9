"""The decoding modes that a model can use, and checks of what a request asks of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from edge_rt.core.decoding import Gating, Mode
from edge_rt.core.errors import ModelNotFound, RequestError
from edge_rt.core.routing import DecodingRequest
from edge_rt.models.directory import ModelDirectory, alike
from edge_rt.models.pair import LOOKUP, MODES, SINGLE, SPECULATIVE, SWITCH, Pair, misfit
from edge_rt.models.record import ModelRecord

Fits = Callable[[ModelRecord, ModelRecord], bool]
"""Whether the second model can be in memory beside the first, and reads as much."""


class DecodingOption(NamedTuple):
    """A mode with its partner, and why a cap calls for it; `less`: what of quality that loses."""

    mode: Mode = Mode()
    partner: ModelRecord | None = None
    less: str | None = None
    why: str | None = None


ALONE = DecodingOption()


def offer(
    entry: ModelRecord,
    request: DecodingRequest,
    models: ModelDirectory,
    fits: Fits,
) -> DecodingOption:
    """Return how `entry` decodes its answer; raises RequestError where it cannot as is asked.

    If no mode is requested that is the usual one of its pair, as long as the partner `fits` beside
    it; a partner that is requested without a mode drafts, if its vocabulary allows that.
    """
    partner, pair = partner_of(entry, request, models, seek=request.asks)
    usual = None if pair is None else pair.mode
    name = request.name or usual
    if name is None:
        check_settings(SINGLE, request)
        drafts = request.partner is not None and partner is not None and alike(entry, partner)
        name = SPECULATIVE if drafts else SINGLE
    if name in (SINGLE, LOOKUP):
        check_settings(name, request)
        return DecodingOption(Mode(name))
    if partner is None:
        raise _alone(entry, name, models)
    if not request.asks and not (alike(entry, partner) and fits(entry, partner)):
        return ALONE
    if name == SPECULATIVE:
        check_settings(name, request)
        return DecodingOption(Mode(name, partner.id), partner)
    return DecodingOption(Mode(SWITCH, partner.id, gating=_gating(request, pair)), partner)


def every(entry: ModelRecord, models: ModelDirectory) -> list[DecodingOption]:
    """Return each mode that a request may get without asking for more than that."""
    partner, pair = partner_of(entry, DecodingRequest(), models)
    found = [ALONE]
    if partner is not None:
        found.append(DecodingOption(Mode(LOOKUP)))
        if alike(entry, partner):
            found.append(DecodingOption(Mode(SPECULATIVE, partner.id), partner))
    if pair is not None and pair.mode is not None and pair.mode.startswith(SWITCH):
        found.append(offer(entry, DecodingRequest(), models, lambda _, partner: True))
    return found


def _gating(request: DecodingRequest, pair: Pair | None) -> Gating:
    """Return how the gate is set: as the request says, else as the pair does."""
    check_settings(SWITCH, request)
    if pair is None or request.large_share is not None or request.threshold is not None:
        return Gating(request.threshold, request.large_share)
    return Gating(pair.threshold, pair.large_share)


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
    if name not in MODES:
        raise refused("mode", f"there is no mode {name!r:.80}; there are {', '.join(MODES)}")
    if name in (SINGLE, LOOKUP) and request.partner is not None:
        raise refused("partner", f"the mode {name} takes none: leave it out, or choose another")
    check_settings(name, request)


def check_settings(mode: str, request: DecodingRequest) -> None:
    """Raise RequestError where what is set besides does not go with `mode`."""
    wrong = misfit(mode, request.large_share, request.threshold)
    if wrong is not None:
        raise refused(*wrong)


def refused(field: str, reason: str) -> RequestError:
    """Return the error that a field of `edge` has a wrong value."""
    return RequestError(f"`edge.{field}`: {reason}", param=f"edge.{field}", code="invalid_value")
