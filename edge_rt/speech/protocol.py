"""What the front and the companion tell each other, in frames of msgpack."""

from __future__ import annotations

import msgspec

NOT_INSTALLED = "speech_not_installed"
MOST_BYTES = 128 * 1024 * 1024  # of one message: ten minutes of 24 kHz in 32 bits are half of it


class SpeechMessage(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """Base of what is sent."""


class Transcribe(SpeechMessage, frozen=True):
    """Transcribe `audio`, a file of any kind, of at most `most_s` seconds."""

    model: str  # path of a file of whisper.cpp
    threads: int
    audio: bytes
    most_s: float
    language: str | None = None  # as in ISO 639-1; None: it is recognised
    translate: bool = False  # to English
    prompt: str = ""
    temperature: float = 0.0


class Speak(SpeechMessage, frozen=True):
    """Say `text`, `speed` times as fast as the voice does by itself."""

    model: str  # path of a voice of Piper, whose settings lie beside it
    threads: int
    text: str
    speed: float = 1.0
    format: str | None = None  # None: mp3 where that can be made, else wav


Task = Transcribe | Speak


class Segment(SpeechMessage, frozen=True):
    """Words that were said between two times of the audio, in seconds."""

    begin_s: float
    end_s: float
    text: str
    log_probability: float | None = None  # mean of its tokens'; known at the end


class Transcript(SpeechMessage, frozen=True):
    """The whole of a transcription, whose segments came before one by one."""

    seconds: float  # of the audio
    language: str  # as in ISO 639-1
    segments: list[Segment]


class Spoken(SpeechMessage, frozen=True):
    """The answer of `Speak`."""

    audio: bytes
    content_type: str
    seconds: float


class SpeechRefusal(SpeechMessage, frozen=True):
    """The task cannot be done as asked; without `param` the companion is at fault."""

    message: str
    param: str | None = None
    code: str | None = None


Reply = Segment | Transcript | Spoken | SpeechRefusal
