"""Decodes the images of requests, each request's in a process that ends with them."""

from __future__ import annotations

import asyncio
import base64
import binascii
import logging
import math
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

import msgspec

from edge_rt.config.images import Images
from edge_rt.core.errors import RequestError, Unavailable, invalid
from edge_rt.core.files import open_regular
from edge_rt.core.images import CHANNELS, Image
from edge_rt.core.system.child import Child
from edge_rt.generation.images.task import Decoded, DecodingTask

log = logging.getLogger(__name__)

WORKER = (sys.executable, "-m", "edge_rt.generation.images.worker")
AT_ONCE = 2  # processes
_HEAD = 64  # bytes of an answer beside the pixels of an image
_SAID = 512  # and of why there are none
_TOGETHER = 48 << 20  # bytes of pixels of one request, which a frame to the engine has to hold
_RETRY_S = 5.0
_GONE_S = 10.0  # for a process to end that has closed its pipe
_NONE = "gives no pixels"
_DECODER = msgspec.msgpack.Decoder(list[Decoded | str])
_EXTRA = "images need Pillow: pip install 'edge-rt[images]'"


class ImageSource(NamedTuple):
    """An image of a request: the field that has it, and its URL."""

    at: str
    url: str


class ImageDecoder:
    """Turns the images of a request into pixels."""

    def __init__(self, limits: Images, command: Sequence[str] = WORKER) -> None:
        self._limits, self._command = limits, command
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def decode(self, sources: Sequence[ImageSource]) -> list[Image]:
        """Return the images; RequestError names the field of the first that is none.

        Raises Unavailable where no process decodes them.
        """
        if len(sources) > self._limits.most:
            what = f"a request may have {self._limits.most} images (images.most)"
            raise invalid(sources[self._limits.most].at, what)
        if find_spec("PIL") is None:
            raise _refused(sources[0].at, _EXTRA, "missing_extra")
        files = [await asyncio.to_thread(self._content, source) for source in sources]
        async with self._turns:
            found = await self._decoded(sources[0].at, files)
        images: list[Image] = []
        for source, one in zip(sources, found, strict=True):
            if isinstance(one, str):
                raise _refused(source.at, f"the image {one}")
            images.append(Image.of(one.width, one.height, one.pixels))
            if sum(len(image.pixels) for image in images) > _TOGETHER:
                most = _TOGETHER // CHANNELS
                raise invalid(source.at, f"the images up to here have more than {most} pixels")
        return images

    def _content(self, source: ImageSource) -> bytes:
        at, url = source
        if url.startswith("data:"):
            content = _of_data(at, url)
        elif url.startswith("file:"):
            content = self._of_file(at, url)
        else:
            raise invalid(at, "nothing is fetched from a network: send the image as a data: URL")
        if len(content) > self._limits.file_bytes:
            most = self._limits.file_bytes
            raise invalid(at, f"{len(content)} bytes are more than {most} (images.file_bytes)")
        return content

    def _of_file(self, at: str, url: str) -> bytes:
        """Return a file below the configured folder; what lies elsewhere is not there."""
        folder, path = self._limits.folder, Path(unquote(urlsplit(url).path))
        if folder is None:
            raise invalid(
                at, "no files are read: send the image as a data: URL, or set images.folder"
            )
        try:
            path.resolve().relative_to(Path(folder).resolve())
            with open_regular(path.resolve()) as file:
                return file.read(self._limits.file_bytes + 1)
        except (OSError, ValueError):
            raise invalid(at, f"no such file below {folder} can be read") from None

    async def _decoded(self, at: str, files: list[bytes]) -> list[Decoded | str]:
        limits = self._limits
        cpu_s = math.ceil(limits.timeout_s)
        task = DecodingTask(files, limits.pixels, limits.source_pixels, cpu_s)
        child = Child(self._command, len(files) * (CHANNELS * limits.pixels + _HEAD + _SAID))
        try:
            await child.start()
        except OSError as error:  # such as too few open files
            raise _unavailable(f"does not start: {error}") from None
        try:
            asked = child.ask(msgspec.msgpack.encode(task))
            told = await asyncio.wait_for(asked, limits.timeout_s)
            found = _DECODER.decode(told)
            if len(found) == len(files) and all(map(_whole, found)):
                return found
            why = _NONE
        except asyncio.TimeoutError:
            why = f"takes longer than {limits.timeout_s:g} s (images.timeout_s)"
        except msgspec.DecodeError:
            why = _NONE
        except (EOFError, OSError):
            why = f"was ended ({await child.end(_GONE_S)})"
        finally:
            await child.end()
        log.warning("the process that decodes images %s", why)
        raise _refused(at, f"the process that decodes it {why}")


def _of_data(at: str, url: str) -> bytes:
    head, comma, body = url.partition(",")
    if not comma or not head.endswith(";base64"):
        raise invalid(at, "expected data:image/TYPE;base64, and the file in base64")
    try:
        return base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError):
        raise invalid(at, "what follows `base64,` is no base64") from None


def _whole(found: Decoded | str) -> bool:
    return isinstance(found, str) or len(found.pixels) == CHANNELS * found.width * found.height


def _refused(at: str, why: str, code: str = "invalid_image") -> RequestError:
    return RequestError(f"`{at}`: {why}.", param=at, code=code)


def _unavailable(why: str) -> Unavailable:
    message = f"the process that decodes images {why}; try again later"
    return Unavailable(message, retry_after_s=_RETRY_S)
