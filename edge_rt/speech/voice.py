"""Text to speech by voices of Piper: espeak-ng finds the phonemes, onnxruntime runs the voice."""

from __future__ import annotations

import ctypes
import re
import textwrap
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edge_rt.backends.onnx.session import OnnxSession
from edge_rt.core.errors import ModelFileError, RequestError
from edge_rt.speech.audio import Samples, encoded
from edge_rt.speech.protocol import Speak, Spoken

SILENCE_S = 0.2  # before each sentence and at the end: what begins at once is misheard
_LONGEST = 400  # signs of a sentence: a voice takes memory by the square of the length
_LIBRARY = "libespeak-ng.so.1"
_SYNCHRONOUS, _EXIT_NEVER = 2, 0x8000  # see espeak-ng/speak_lib.h
_UTF8, _IPA = 1, 2
_PAD, _BEGIN, _END = "_", "^", "$"
_PAUSE = re.compile(r"[.!?,;:]")
_LANGUAGE = re.compile(r"\([a-z-]+\)")  # that of a foreign word, which espeak-ng writes before it
_SENTENCE = ".!?"


class _Audio(msgspec.Struct):
    sample_rate: int


class _Espeak(msgspec.Struct):
    voice: str


class _Inference(msgspec.Struct):
    noise_scale: float = 0.667
    length_scale: float = 1.0
    noise_w: float = 0.8


class _Settings(msgspec.Struct):
    """What the file beside a voice tells."""

    audio: _Audio
    espeak: _Espeak
    phoneme_id_map: dict[str, list[int]]
    inference: _Inference = msgspec.field(default_factory=_Inference)


class Phonemes:
    """The library espeak-ng with one of its languages; a process has one."""

    def __init__(self, language: str) -> None:
        """Raise ModelFileError where the library or the language is missing."""
        try:
            self._library = ctypes.CDLL(_LIBRARY)
        except OSError:
            message = f"voices need {_LIBRARY}: install espeak-ng, as with `apt install espeak-ng`"
            raise ModelFileError(message) from None
        self._library.espeak_TextToPhonemes.restype = ctypes.c_char_p
        begun = self._library.espeak_Initialize(_SYNCHRONOUS, 0, None, _EXIT_NEVER)
        if begun < 0 or self._library.espeak_SetVoiceByName(language.encode()):
            raise ModelFileError(f"espeak-ng has no language {language!r:.40}")

    def clauses(self, text: str) -> Iterator[tuple[str, str]]:
        """Yield the phonemes of each clause, and the mark that ends it."""
        buffer = ctypes.create_string_buffer(text.encode())
        begin, end = ctypes.addressof(buffer), len(buffer.value)
        place = ctypes.c_void_p(begin)
        while place.value:
            phonemes = self._library.espeak_TextToPhonemes(ctypes.byref(place), _UTF8, _IPA)
            read = buffer.value[: place.value - begin if place else end]
            # It has read on to the first letter of the next clause.
            marks = _PAUSE.findall(read[-5:].decode(errors="ignore"))
            if phonemes:
                yield phonemes.decode(), marks[-1] if marks else "."


def in_sentences(clauses: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Yield the sentences that clauses, each with the mark at its end, make up.

    What is too long ends at a pause, or else between two words.
    """
    sentence = ""
    for phonemes, mark in clauses:
        clause = unicodedata.normalize("NFD", _LANGUAGE.sub("", phonemes))
        if sentence and len(sentence) + len(clause) > _LONGEST:
            yield sentence
            sentence = ""
        if len(clause) > _LONGEST:
            *parts, clause = textwrap.wrap(clause, _LONGEST, break_on_hyphens=False) or [""]
            yield from parts
        sentence += clause + mark
        if mark in _SENTENCE:
            yield sentence
            sentence = ""
        else:
            sentence += " "
    if sentence:
        yield sentence


class Voice:
    """One voice in memory."""

    def __init__(self, path: Path, threads: int) -> None:
        """Load the voice; raises ModelFileError."""
        beside = path.with_name(f"{path.name}.json")
        try:
            self._settings = msgspec.json.decode(beside.read_bytes(), type=_Settings)
        except (OSError, msgspec.DecodeError) as error:
            raise ModelFileError(f"{beside} is no description of a Piper voice: {error}") from None
        self._phonemes = Phonemes(self._settings.espeak.voice)
        self._session = OnnxSession(path, threads=threads)
        self._speakers = any(one.name == "sid" for one in self._session.inputs)
        [self._output] = [one.name for one in self._session.outputs]

    def perform(self, task: Speak, tell: object) -> Spoken:
        """Return the text as sound; raises RequestError where there is nothing to speak."""
        rate = self._settings.audio.sample_rate
        silence = np.zeros(int(SILENCE_S * rate), np.float32)
        parts = [silence]
        for sentence in in_sentences(self._phonemes.clauses(task.text)):
            parts += [self._sentence(sentence, task), silence]
        if len(parts) == 1:
            raise RequestError("`input` has nothing to say.", param="input", code="invalid_value")
        return encoded(np.concatenate(parts), rate, task.format)

    def _sentence(self, phonemes: str, task: Speak) -> Samples:
        known, ids = self._settings.phoneme_id_map, list[int]()
        for one in [_BEGIN, *unicodedata.normalize("NFD", phonemes)]:
            if one in known:
                ids += [*known[one], *known[_PAD]]
        ids += known[_END]
        scales = self._settings.inference
        lengths = scales.length_scale / task.speed
        inputs: dict[str, NDArray[Any]] = {
            "input": np.array([ids], np.int64),
            "input_lengths": np.array([len(ids)], np.int64),
            "scales": np.array([scales.noise_scale, lengths, scales.noise_w], np.float32),
        }
        if self._speakers:
            inputs["sid"] = np.array([0], np.int64)
        [samples] = self._session.compute([self._output], inputs, threads=task.threads)
        return np.ravel(samples)
