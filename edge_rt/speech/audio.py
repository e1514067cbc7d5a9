"""Samples from files and to files of sound: WAV by itself, all else by the program ffmpeg."""

from __future__ import annotations

import io
import shutil
import subprocess
import wave
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from edge_rt.core.errors import RequestError
from edge_rt.speech.protocol import Spoken

Samples = NDArray[np.float32]
"""Samples of one channel, from -1 to 1."""

FORMATS: dict[str, tuple[str, tuple[str, ...]]] = {
    "wav": ("audio/wav", ()),
    "pcm": ("audio/pcm", ()),
    "mp3": ("audio/mpeg", ("-c:a", "libmp3lame", "-f", "mp3")),
    "opus": ("audio/ogg", ("-c:a", "libopus", "-f", "ogg")),
    "aac": ("audio/aac", ("-c:a", "aac", "-f", "adts")),
    "flac": ("audio/flac", ("-c:a", "flac", "-f", "flac")),
}
"""The content type of each format, and what ffmpeg is told to write it."""

PCM_RATE = 24_000  # that of OpenAI's bare samples
FFMPEG = "install ffmpeg, as with `apt install ffmpeg`"
_RATES = range(1_000, 384_001)  # of recorders; memory is taken for what the header tells
_FULL = 32_767  # of 16 bits
# It reads and writes pipes, and a copy of what it has read: no file that a playlist names.
_QUIET = ("-hide_banner", "-loglevel", "error", "-nostdin")
_ANY = ("-protocol_whitelist", "cache,pipe", "-i", "cache:pipe:0", "-vn", "-ac", "1")
_BLOCK_S = 10  # of samples that change their rate at once
_TASK_S = 600.0  # for one file


def decoded(content: bytes, rate: int, most_s: float) -> Samples:
    """Return the samples of a file, `rate` a second; raises RequestError.

    Files of more than `most_s` seconds are refused.
    """
    samples = None
    with suppress(wave.Error, EOFError):
        samples = _from_wav(content, rate, most_s)
    if samples is None:
        options = (*_ANY, "-ar", str(rate), "-t", str(most_s + 1.0), "-f", "f32le", "pipe:1")
        samples = np.frombuffer(_ffmpeg(options, content, "file"), "<f4")
    if len(samples) > most_s * rate:
        message = f"The audio lasts more than {most_s:g} s (speech.audio_s): send it in parts."
        raise RequestError(message, param="file", code="audio_too_long")
    return samples


def encoded(samples: Samples, rate: int, format: str | None) -> Spoken:
    """Return samples, `rate` a second, as a file; raises RequestError where that cannot be."""
    format = format or ("mp3" if shutil.which("ffmpeg") else "wav")
    content_type, options = FORMATS[format]
    seconds = len(samples) / rate
    bare = format == "pcm"
    content = _pcm(_at_rate(samples, rate, PCM_RATE)) if bare else _wav(samples, rate)
    if options:
        content = _ffmpeg(("-i", "pipe:0", *options, "pipe:1"), content, "response_format")
    return Spoken(content, content_type, seconds)


def _from_wav(content: bytes, rate: int, most_s: float) -> Samples | None:
    """Return the samples of a WAV file of 16 bits; None of one of others.

    Raises RequestError for strange rates.
    """
    with wave.open(io.BytesIO(content)) as file:
        if file.getsampwidth() != 2:
            return None
        given, channels = file.getframerate(), file.getnchannels()
        if given not in _RATES:
            message = f"`file`: {given} samples a second are not from {_RATES[0]} to {_RATES[-1]}."
            raise RequestError(message, param="file", code="unsupported_format")
        frames = file.readframes(int((most_s + 1.0) * given))
    numbers = np.frombuffer(frames[: len(frames) // 2 * 2], "<i2").astype(np.float32) / (_FULL + 1)
    count = len(numbers) // channels
    samples = np.zeros(count, np.float32)
    for at in range(channels):
        samples += numbers[at : count * channels : channels]
    return _at_rate(samples / channels, given, rate)


def _at_rate(samples: Samples, given: int, wanted: int) -> Samples:
    """Return samples at another rate, without what lies above half of the lower one.

    Blocks are transformed one after the other, with a second of the samples around each, since the
    ends of what is transformed at once are not exact.
    """
    if given == wanted:
        return samples
    count, length = round(len(samples) * wanted / given), (_BLOCK_S + 2) * wanted
    padded = np.pad(samples, (given, (_BLOCK_S + 1) * given))
    blocks = [np.zeros(0, np.float32)]
    for at in range(0, len(samples), _BLOCK_S * given):
        spectrum = np.fft.rfft(padded[at : at + (_BLOCK_S + 2) * given])[: length // 2 + 1]
        found = np.fft.irfft(spectrum, length)[wanted:-wanted] * (wanted / given)
        blocks.append(found.astype(np.float32))
    return np.concatenate(blocks)[:count]


def _pcm(samples: Samples) -> bytes:
    bounded = np.minimum(np.maximum(samples, -1.0), 1.0)
    return (bounded * _FULL).astype("<i2").tobytes()


def _wav(samples: Samples, rate: int) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(_pcm(samples))
    return buffer.getvalue()


def _ffmpeg(options: tuple[str, ...], content: bytes, param: str) -> bytes:
    """Return what ffmpeg makes of a file; raises RequestError about `param` where it cannot."""
    if shutil.which("ffmpeg") is None:
        message = f"`{param}`: without ffmpeg only WAV of 16 bits is read and written: {FFMPEG}."
        raise RequestError(message, param=param, code="unsupported_format")
    command = ("ffmpeg", *_QUIET, *options)
    try:
        done = subprocess.run(command, input=content, capture_output=True, timeout=_TASK_S)
    except subprocess.TimeoutExpired:
        message = f"`{param}`: ffmpeg took more than {_TASK_S:g} s."
        raise RequestError(message, param=param, code="unsupported_format") from None
    if done.returncode:
        why = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        message = f"`{param}`: ffmpeg cannot convert it: {''.join(why):.200}."
        raise RequestError(message, param=param, code="unsupported_format")
    return done.stdout
