"""Speech to text by Whisper models, which whisper.cpp runs."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import _pywhispercpp  # pyright: ignore[reportMissingImports, reportMissingTypeStubs]
from pywhispercpp.model import Model  # pyright: ignore[reportMissingImports]

from edge_rt.core.errors import ModelFileError, RequestError, invalid
from edge_rt.speech.audio import decoded
from edge_rt.speech.protocol import Reply, Segment, Transcribe, Transcript

RATE = 16_000  # samples a second that Whisper hears
_TICK_S = 0.01  # of the times of segments
# Whisper's encoder reads 30 s, 50 positions each, also of a word. With no more than the audio and
# 2.5 s behind it, it takes a fifth of the time, and 193 words of 20 sentences come as right.
_POSITIONS_S, _POSITIONS, _BLOCK, _SPARE = 50, 1500, 64, 128
_MAGIC = b"lmgg"  # what a file of ggml's begins with
_DETECT, _ENGLISH = "auto", "en"
_native: Any = _pywhispercpp


class Transcriber:
    """One model in memory."""

    def __init__(self, path: Path) -> None:
        """Load the model; raises ModelFileError for a file of another kind."""
        with path.open("rb") as file:
            magic = file.read(len(_MAGIC))
        model: Any = magic == _MAGIC and Model(str(path), redirect_whispercpp_logs_to=None)
        if not model or model._ctx is None:
            raise ModelFileError(f"{path} is no Whisper model in ggml's format")
        self._model, self._name = model, path.stem
        self._multilingual = bool(_native.whisper_is_multilingual(model._ctx))

    def perform(self, task: Transcribe, tell: Callable[[Reply], None]) -> Transcript:
        """Tell each segment as soon as it is complete; raises RequestError."""
        language = self._language(task)
        samples = decoded(task.audio, RATE, task.most_s)
        seconds = len(samples) / RATE
        blocks = math.ceil(seconds * _POSITIONS_S / _BLOCK)

        def segment(one: Any) -> None:
            tell(_segment(one, seconds))

        said = self._model.transcribe(
            samples,
            new_segment_callback=segment,
            extract_probability=True,
            n_threads=task.threads,
            language=language,
            translate=task.translate,
            initial_prompt=task.prompt,
            temperature=task.temperature,
            audio_ctx=min(_POSITIONS, blocks * _BLOCK + _SPARE),
            print_progress=False,
        )
        if language == _DETECT:
            spoken = _native.whisper_full_lang_id(self._model._ctx)
            language = _native.whisper_lang_str(spoken)
        return Transcript(seconds, language, [_segment(one, seconds) for one in said])

    def _language(self, task: Transcribe) -> str:
        """Return the language as whisper.cpp takes it; raises RequestError for what cannot be."""
        asked = (task.language or "").lower()
        found = _native.whisper_lang_id(asked) if asked else None
        if found is not None and found < 0:
            raise invalid("language", "expected a code of ISO 639-1, such as en")
        if self._multilingual:
            return asked or _DETECT
        if task.translate or (found is not None and _native.whisper_lang_str(found) != _ENGLISH):
            message = f"{self._name} knows English alone: configure a model of many languages as "
            message += "`speech.transcriber`, such as ggml-tiny.bin."
            raise RequestError(message, param="model", code="unsupported")
        return _ENGLISH


def _segment(one: Any, seconds: float) -> Segment:
    """Return a segment of audio of that length, beyond which whisper.cpp may place it."""
    log = math.log(one.probability) if one.probability > 0.0 else None  # not a number at first
    begin_s, end_s = (min(round(_TICK_S * ticks, 2), seconds) for ticks in (one.t0, one.t1))
    return Segment(begin_s, end_s, one.text, log)
