"""The `X-Edge-*` headers: what the `edge` object says, for those who do not read the body."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import quote

import msgspec

Headers = tuple[tuple[bytes, bytes], ...]

_PLAIN = "@+:"  # harmless in a header beside what `quote` leaves alone
_SENTENCE = _PLAIN + " !\"#$&'()*,/;<=>?[]^`{|}"
_LONGEST = 1000  # characters of a warning


def edge_headers(document: msgspec.Struct) -> Headers:
    """A header for each text or number of `document`: X-Edge-Energy-J for `energy_j`.

    Whatever the values hold, it cannot end a header: what is not plain is percent-encoded.
    """
    fields = msgspec.structs.asdict(document).items()
    plain = (str, int, float)
    return tuple((_name(name), _value(value)) for name, value in fields if isinstance(value, plain))


def warning_headers(warnings: Iterable[str]) -> Headers:
    """Return an X-Edge-Warning header for each sentence, percent-encoded where it is not ASCII."""
    return tuple(
        (b"x-edge-warning", quote(text[:_LONGEST], safe=_SENTENCE).encode()) for text in warnings
    )


def _name(field: str) -> bytes:
    return f"x-edge-{field.replace('_', '-')}".encode()


def _value(value: object) -> bytes:
    return quote(str(value), safe=_PLAIN).encode()
