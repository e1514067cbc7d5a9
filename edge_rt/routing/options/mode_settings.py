"""What a request says of modes, held against what there are."""

from __future__ import annotations

from edge_rt.core.errors import RequestError
from edge_rt.core.routing import DecodingRequest
from edge_rt.decoding.params import GATES
from edge_rt.models.pair import LOOKUP, LOSSLESS, MODES, SINGLE, SWITCH, misfit


def check_mode(wish: DecodingRequest) -> None:
    """Raise RequestError for a mode that there is not, or with what does not go with it."""
    name = wish.name
    if name is None:
        return
    if name == SWITCH:
        check_settings(f"{SWITCH}:{GATES[0]}", wish)
        return
    if name not in MODES:
        raise refused("mode", _unknown(name))
    if name in (SINGLE, LOOKUP) and wish.partner is not None:
        raise refused("partner", f"the mode {name} takes none: leave it out, or choose another")
    check_settings(name, wish)


def check_settings(mode: str, wish: DecodingRequest) -> None:
    """Raise RequestError where what is set besides does not go with `mode`."""
    first = 0 if wish.first is None else wish.first
    wrong = misfit(mode, wish.large_share, wish.threshold, first)
    if wrong is not None:
        raise refused(*wrong)


def refused(field: str, reason: str) -> RequestError:
    """That a field of `edge` cannot be as it is."""
    return RequestError(f"`edge.{field}`: {reason}", param=f"edge.{field}", code="invalid_value")


def _unknown(name: str) -> str:
    kind, colon, gate = name.partition(":")
    if kind == SWITCH and colon:
        return f"there is no gate {gate!r:.80}; there are {', '.join(GATES)}"
    known = ", ".join((*LOSSLESS, SWITCH, f"{SWITCH}:GATE"))
    return f"there is no mode {name!r:.80}; there are {known}"
