"""Images of prompts: their pixels, and the references that stand for them in texts."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

import msgspec

_MARK = "\ufdd2"  # no character of Unicode
_REFERENCE = re.compile(f"{_MARK}([0-9a-f]{{64}}):(\\d{{1,5}})x(\\d{{1,5}}){_MARK}")
CHANNELS = 3  # bytes of a pixel: red, green, blue
MOST_PIXELS = 1 << 22  # of one image
MOST = 64  # images of one request, whatever is configured


class ImageReference(msgspec.Struct, frozen=True, array_like=True):
    """What a prompt holds of an image: the sha256 of its pixels in hex, and its size in pixels."""

    sha256: str
    width: int
    height: int

    def __str__(self) -> str:
        return f"{_MARK}{self.sha256}:{self.width}x{self.height}{_MARK}"


class Image(msgspec.Struct, frozen=True, array_like=True):
    """A decoded image: its rows from the top, each pixel red, green and blue."""

    reference: ImageReference
    pixels: bytes

    @classmethod
    def of(cls, width: int, height: int, pixels: bytes) -> Image:
        """Return the image of these pixels."""
        return cls(ImageReference(hashlib.sha256(pixels).hexdigest(), width, height), pixels)


def parted(prompt: str) -> tuple[list[str], list[ImageReference]]:
    """Return the texts around the images of a prompt, one more than there are, and the images."""
    parts = _REFERENCE.split(prompt)
    sizes = zip(parts[1::4], parts[2::4], parts[3::4], strict=True)
    return parts[::4], [ImageReference(sha256, int(w), int(h)) for sha256, w, h in sizes]


def joined(parts: Iterable[str]) -> str:
    """Return parts of a message as one text: texts in lines of their own, images between them."""
    first, *others = [*parts] or [""]
    for part in others:
        beside = first.endswith(_MARK) or part.startswith(_MARK)
        first += part if beside else f"\n{part}"
    return first
