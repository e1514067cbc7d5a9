"""The section `speech` of the configuration."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from edge_rt.config.section import Section, Text


class Speech(Section, frozen=True):
    """Speech to text and text to speech, by a process of their own; see the guide to speech."""

    transcriber: Text | None = None
    """File of a Whisper model in ggml's format, as "/var/lib/edge-rt/ggml-tiny.en.bin". Default:
    nothing is transcribed."""
    voice: Text | None = None
    """File of a Piper voice, an .onnx with its .onnx.json beside it. Default: nothing is spoken."""
    audio_bytes: Annotated[int, Meta(ge=1, le=96 * 1024 * 1024)] = 25 * 1024 * 1024
    """Largest body with a file of sound."""
    audio_s: Annotated[float, Meta(gt=0, le=7200)] = 600.0
    """Longest file of sound."""
    characters: Annotated[int, Meta(ge=1, le=1 << 16)] = 4096
    """Longest text to be spoken."""
    idle_unload_s: Annotated[float, Meta(gt=0)] = 300.0
    """The process ends, with its models, after it has had nothing to do for this long."""
