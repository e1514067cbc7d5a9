"""The real companion process with files that are no models."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge_rt.core.errors import EngineError, Unavailable
from edge_rt.speech.companion import OFFLINE, Companion
from edge_rt.speech.protocol import Speak, Task, Transcribe


def told(make: Callable[[int], Task], *command: str) -> Exception:
    """Return the error that comes of a task."""

    async def run() -> list[Any]:
        companion = Companion(command or OFFLINE, idle_s=60.0)
        try:
            async with companion.turn():
                return [one async for one in companion.run(make, lambda *span: None)]
        finally:
            await companion.close()

    with pytest.raises((EngineError, Unavailable)) as error:
        asyncio.run(run())
    return error.value


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = str(tmp_path / "absent.bin")
    error = told(lambda threads: Speak(path, threads, "Hello"))
    assert f"{path}: there is no such file" in str(error)


def test_a_file_of_another_kind_is_no_model(tmp_path: Path) -> None:
    path = tmp_path / "story.bin"
    path.write_text("Once upon a time")
    error = told(lambda threads: Transcribe(str(path), threads, b"", 1.0))
    assert str(error) == f"{path} is no Whisper model in ggml's format"


def test_a_voice_without_its_settings_names_them(tmp_path: Path) -> None:
    path = tmp_path / "voice.onnx"
    path.write_text("no model")
    error = told(lambda threads: Speak(str(path), threads, "Hello"))
    assert f"{path}.json is no description of a Piper voice" in str(error)


def test_without_the_library_the_error_names_the_extra(tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(b"lmgg")
    without = "import sys; sys.modules['_pywhispercpp'] = None; "
    without += "from edge_rt.speech.worker import main; sys.exit(main())"
    command = (sys.executable, "-c", without)
    error = told(lambda threads: Transcribe(str(path), threads, b"", 1.0), *command)
    assert isinstance(error, Unavailable)
    assert "pip install 'edge-rt[speech]'" in str(error)
    assert error.retry_after_s is None
