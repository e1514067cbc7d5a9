"""The process that decodes images: `python -m edge_rt.generation.images.worker`.

It decodes those of one request, which come from anybody, by a library of native code. So it has no
network, writes no file, and ends with its task: what breaks it costs that request alone.
"""

from __future__ import annotations

import resource
import sys
from io import BytesIO

import msgspec
import PIL.Image
import PIL.ImageOps

from edge_rt.core.system.process import (
    end_with_parent,
    frames,
    go_first,
    limit,
    refuse_network,
    write_frame,
)
from edge_rt.generation.images.task import Decoded, DecodingTask

FORMATS = ("PNG", "JPEG", "WEBP", "GIF")
MEMORY = 1 << 30  # bytes of address space
NO_SANDBOX = 126  # exit code: the kernel refuses no sockets here
_FILES = 16  # that may be open
_SHOWN = 100  # characters of what the library says


def decoded(content: bytes, most_pixels: int, source_pixels: int) -> Decoded | str:
    """Return the image in these bytes, no larger than `most_pixels`; a text says why there is none.

    Animations show their first picture, and what is transparent shows white.
    """
    try:
        with PIL.Image.open(BytesIO(content), formats=FORMATS) as image:
            width, height = image.size
            if width * height > source_pixels:
                return f"has {width} x {height} pixels, more than {source_pixels}"
            scale = min(1.0, (most_pixels / (width * height)) ** 0.5)
            size = max(1, int(width * scale)), max(1, int(height * scale))
            image.draft("RGB", size)  # a JPEG is decoded at a size near that
            upright = _on_white(PIL.ImageOps.exif_transpose(image))
        if (upright.width > upright.height) != (width > height):
            size = size[1], size[0]
        if upright.size != size:
            upright = upright.resize(size, PIL.Image.Resampling.BICUBIC, reducing_gap=2.0)
        return Decoded(*upright.size, upright.tobytes())
    except PIL.UnidentifiedImageError:
        return f"is none of {', '.join(FORMATS)}"
    except MemoryError:
        return "takes too much memory to decode"
    except Exception as error:  # whatever the library makes of damaged files
        return f"is damaged: {str(error)[:_SHOWN]}"


def _on_white(image: PIL.Image.Image) -> PIL.Image.Image:
    if not image.has_transparency_data:
        return image.convert("RGB")
    above = image.convert("RGBA")
    below = PIL.Image.new("RGBA", above.size, "white")
    return PIL.Image.alpha_composite(below, above).convert("RGB")


def main() -> None:
    """Do the task."""
    end_with_parent(sys.stdout.fileno())
    go_first()  # not the engine, which has more memory and less to do with it
    PIL.Image.MAX_IMAGE_PIXELS = None  # it is told by each task
    PIL.Image.init()  # opens files
    if refuse_network(unix=False) is not None:
        sys.exit(NO_SANDBOX)
    limit(MEMORY, _FILES)
    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))  # it starts nobody else
    task = msgspec.msgpack.decode(next(frames(sys.stdin.buffer)), type=DecodingTask)
    resource.setrlimit(resource.RLIMIT_CPU, (task.cpu_s, task.cpu_s))
    found = [decoded(file, task.most_pixels, task.source_pixels) for file in task.files]
    write_frame(sys.stdout.buffer, msgspec.msgpack.encode(found))


if __name__ == "__main__":
    main()
