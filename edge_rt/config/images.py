"""What config.yaml may say of images."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from edge_rt.config.section import Positive, Section, Text
from edge_rt.core.images import MOST


class Images(Section, frozen=True):
    """Images in requests, for models that see; see the guide to images."""

    most: Annotated[int, Meta(ge=1, le=MOST)] = 8
    """Most images of one request, those of earlier turns among them."""
    file_bytes: Positive = 16 * 1024 * 1024
    """Largest file of one; in base64 it has to fit into `requests.body_bytes`, too."""
    source_pixels: Positive = 40_000_000
    """Most pixels of an image as it comes."""
    pixels: Annotated[int, Meta(ge=4096, le=4 * 1024 * 1024)] = 1024 * 1024
    """Most pixels that a model gets of an image: larger ones are scaled down. Many models take a
    token for some 800 pixels."""
    timeout_s: Annotated[float, Meta(gt=0, le=120)] = 20.0
    """Seconds that decoding the images of one request may take."""
    folder: Text | None = None
    """Folder below which `file:` URLs may name images. Default: no files are read."""
