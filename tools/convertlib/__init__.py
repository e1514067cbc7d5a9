"""What `tools/convert` is made of: models in, a folder with an ONNX model out."""

from __future__ import annotations


class ConvertError(Exception):
    """A model cannot be converted; the message says why and what to do about it."""
