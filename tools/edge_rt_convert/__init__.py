"""Convert models to ONNX, for `edge-rt models convert`; needs the extra `convert`."""

from __future__ import annotations


class ConvertError(Exception):
    """A model cannot be converted; the message says why and what to do about it."""
