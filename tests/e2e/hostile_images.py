"""Image files that break decoders: cut, overwritten, of another kind, or larger than they are."""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Callable, Iterator
from io import BytesIO

import PIL.Image

FORMATS = ("PNG", "JPEG", "WEBP", "GIF")
PNG = b"\x89PNG\r\n\x1a\n"
BEGINNINGS = (
    PNG,
    b"\xff\xd8\xff\xe0\0\x10JFIF\0",
    b"RIFF\xff\xff\0\0WEBPVP8 ",
    b"\x7fELF",
    b"%PDF-",
)
OTHER_FORMATS = ("BMP", "TIFF", "PPM", "ICO", "PCX", "TGA", "SGI", "DDS")
TEXTS = (b"", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"%!PS-Adobe-3.0 EPSF-3.0\n", b"GIF89a")
HUGE = 60_000  # pixels each way
LARGE = 6_000  # each way, which a decoder would begin with


def hostile_images(count: int, seed: int) -> Iterator[bytes]:
    """Yield files of which none is an image, all kinds by turns."""
    chance = random.Random(seed)
    for number in range(count):
        yield KINDS[number % len(KINDS)](chance)


def noise(chance: random.Random, format: str) -> bytes:
    """Return a whole image that hardly packs."""
    width, height, content = chance.randrange(30, 200), chance.randrange(30, 200), BytesIO()
    pixels = chance.randbytes(3 * width * height)
    PIL.Image.frombytes("RGB", (width, height), pixels).save(content, format)
    return content.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    """Return a chunk of a PNG."""
    check = struct.pack(">I", zlib.crc32(kind + data))
    return struct.pack(">I", len(data)) + kind + data + check


def bomb(width: int, height: int, *chunks: bytes) -> bytes:
    """Return a PNG of a few kilobytes that says that it has so many pixels."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(bytes(1 << 20), 9))
    return b"".join((PNG, head, *chunks, body, chunk(b"IEND", b"")))


def _cut(chance: random.Random) -> bytes:
    content = noise(chance, chance.choice(FORMATS))
    return content[: chance.randrange(1, 2 * len(content) // 3)]


def _garbage(chance: random.Random) -> bytes:
    return chance.choice(BEGINNINGS) + chance.randbytes(chance.randrange(1, 5000))


def _header(chance: random.Random) -> bytes:
    """Return a PNG with a byte of its header changed, which its checksum tells."""
    content = bytearray(noise(chance, "PNG"))
    content[chance.randrange(16, 29)] ^= chance.randrange(1, 256)
    return bytes(content)


def _other(chance: random.Random) -> bytes:
    format = chance.choice([*OTHER_FORMATS, *TEXTS])
    return format if isinstance(format, bytes) else noise(chance, format)


def _huge(chance: random.Random) -> bytes:
    sides = chance.randrange(HUGE // 2, HUGE), chance.randrange(HUGE // 2, HUGE)
    gif = noise(chance, "GIF")
    gif = gif[:6] + struct.pack("<HH", *sides) + gif[10:]
    return chance.choice([bomb(*sides), gif, _jpeg_of(noise(chance, "JPEG"), *sides)])


def _jpeg_of(content: bytes, width: int, height: int) -> bytes:
    """Return the JPEG with another size in its frame's header."""
    at = content.index(b"\xff\xc0") + 5
    return content[:at] + struct.pack(">HH", height, width) + content[at + 4 :]


def _starved(chance: random.Random) -> bytes:
    """Return a file with far fewer pixels than its size, which is not too large, takes."""
    return chance.choice([bomb(LARGE, LARGE), _jpeg_of(noise(chance, "JPEG")[:900], LARGE, LARGE)])


def _packed(chance: random.Random) -> bytes:
    """Return a PNG with megabytes of text in a few kilobytes."""
    text = zlib.compress(bytes(chance.randrange(8, 32) << 20), 9)
    return bomb(40, 40, chunk(b"zTXt", b"Comment\0\0" + text))


def _empty(chance: random.Random) -> bytes:
    return bomb(*chance.choice([(0, 0), (0, 9), (9, 0)]))


KINDS: tuple[Callable[[random.Random], bytes], ...] = (
    _cut,
    _garbage,
    _header,
    _cut,
    _other,
    _huge,
    _starved,
    _cut,
    _packed,
    _empty,
)
