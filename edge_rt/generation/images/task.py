"""What the process that decodes images is asked and answers."""

from __future__ import annotations

import msgspec


class DecodingTask(msgspec.Struct, frozen=True):
    """The files of a request, and what each and all of them may take."""

    files: list[bytes]
    most_pixels: int  # of what comes of one
    source_pixels: int  # of one as it comes
    cpu_s: int  # for all


class Decoded(msgspec.Struct, frozen=True, array_like=True):
    """An image, as in Image."""

    width: int
    height: int
    pixels: bytes
