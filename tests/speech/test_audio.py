"""Samples from files, and files of samples."""

from __future__ import annotations

import io
import struct
import subprocess
import wave
from pathlib import Path

import numpy as np
import pytest

from edge_rt.core.errors import RequestError
from edge_rt.speech import audio
from edge_rt.speech.audio import Samples, decoded, encoded

TONE_HZ = 440.0


@pytest.fixture
def no_ffmpeg(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))


def tone(seconds: float, rate: int) -> Samples:
    return 0.5 * np.sin(2 * np.pi * TONE_HZ * np.arange(int(seconds * rate)) / rate)


def pitch_hz(samples: Samples, rate: int) -> float:
    spectrum = np.abs(np.fft.rfft(samples))
    return float(np.argmax(spectrum)) * rate / len(samples)


@pytest.mark.parametrize("given", [8_000, 16_000, 22_050, 48_000])
@pytest.mark.usefixtures("no_ffmpeg")
def test_a_wav_keeps_its_pitch_and_loudness_at_another_rate(given: int) -> None:
    samples = decoded(encoded(tone(1.0, given), given, "wav").audio, 16_000, 10.0)
    assert len(samples) == 16_000
    assert pitch_hz(samples, 16_000) == pytest.approx(TONE_HZ, abs=1.0)
    assert np.max(np.abs(samples)) == pytest.approx(0.5, abs=0.02)


@pytest.mark.usefixtures("no_ffmpeg")
def test_a_long_one_is_as_exact_between_its_blocks() -> None:
    given, seconds = 22_050, 21.5
    samples = decoded(encoded(tone(seconds, given), given, "wav").audio, 16_000, 60.0)
    exact = tone(seconds, 16_000)
    assert len(samples) == len(exact)
    inner = slice(1000, -1000)  # the tone begins and ends at once
    assert np.max(np.abs(samples - exact)[inner]) < 0.002


@pytest.mark.usefixtures("no_ffmpeg")
def test_channels_are_mixed() -> None:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(np.array([[8192, 0], [0, 8192]], "<i2").tobytes())
    assert decoded(buffer.getvalue(), 16_000, 1.0) == pytest.approx([0.125, 0.125])


@pytest.mark.usefixtures("no_ffmpeg")
def test_longer_ones_than_allowed_are_refused() -> None:
    content = encoded(tone(2.0, 8_000), 8_000, "wav").audio
    with pytest.raises(RequestError, match=r"more than 1\.5 s") as refused:
        decoded(content, 16_000, 1.5)
    assert (refused.value.param, refused.value.code) == ("file", "audio_too_long")


@pytest.mark.parametrize("rate", [0, 999, 384_001, 4_000_000_000])
@pytest.mark.usefixtures("no_ffmpeg")
def test_rates_that_no_recorder_has_are_refused(rate: int) -> None:
    """The memory for resampling grows with the rate, and so with a word of the header."""
    content = bytearray(encoded(tone(0.01, 8_000), 8_000, "wav").audio)
    struct.pack_into("<I", content, 24, rate)
    with pytest.raises(RequestError, match=f"{rate} samples a second") as refused:
        decoded(bytes(content), 16_000, 1.5)
    assert (refused.value.param, refused.value.code) == ("file", "unsupported_format")


@pytest.mark.usefixtures("no_ffmpeg")
def test_without_ffmpeg_other_formats_are_refused_with_what_to_install() -> None:
    with pytest.raises(RequestError, match="apt install ffmpeg"):
        decoded(b"ID3 an mp3", 16_000, 1.0)
    with pytest.raises(RequestError, match="apt install ffmpeg") as refused:
        encoded(tone(0.1, 8_000), 8_000, "mp3")
    assert refused.value.param == "response_format"
    assert encoded(tone(0.1, 8_000), 8_000, None).content_type == "audio/wav"


def test_bare_samples_have_the_rate_that_clients_of_openai_expect() -> None:
    spoken = encoded(tone(1.0, 22_050), 22_050, "pcm")
    samples = np.frombuffer(spoken.audio, "<i2") / 32768
    assert len(samples) == audio.PCM_RATE
    assert pitch_hz(samples, audio.PCM_RATE) == pytest.approx(TONE_HZ, abs=1.0)


@pytest.mark.parametrize("format", ["mp3", "opus", "aac", "flac"])
def test_ffmpeg_writes_and_reads_the_other_formats(format: str) -> None:
    spoken = encoded(tone(1.0, 22_050), 22_050, format)
    assert spoken.seconds == pytest.approx(1.0)
    samples = decoded(spoken.audio, 16_000, 10.0)
    assert pitch_hz(samples[1000:15_000], 16_000) == pytest.approx(TONE_HZ, abs=2.0)


def test_a_file_whose_index_comes_last_is_read(tmp_path: Path) -> None:
    file = tmp_path / "a.m4a"
    source = ("ffmpeg", "-loglevel", "error", "-f", "lavfi", "-i", f"sine={TONE_HZ}:d=1")
    subprocess.run([*source, str(file)], check=True)
    samples = decoded(file.read_bytes(), 16_000, 10.0)
    assert pitch_hz(samples[1000:15_000], 16_000) == pytest.approx(TONE_HZ, abs=2.0)


def test_no_file_of_this_machine_is_read_that_a_playlist_names(tmp_path: Path) -> None:
    secret = tmp_path / "secret.wav"
    secret.write_bytes(encoded(tone(1.0, 16_000), 16_000, "wav").audio)
    lists = (
        f"ffconcat version 1.0\nfile '{secret}'\n",
        f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile://{secret}\n#EXT-X-ENDLIST\n",
    )
    for text in lists:
        with pytest.raises(RequestError, match="cannot convert"):
            decoded(text.encode(), 16_000, 10.0)
