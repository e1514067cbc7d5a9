"""The program writes a whole model in the format asked for, or says why it cannot."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from edge_rt.models.formats.summary import read_summary

Q4_0, Q8_0 = 2, 7  # enum llama_ftype


def run(source: Path, target: Path, format: int) -> tuple[int, list[str], str]:
    """The exit code, what it said, and what it said of errors."""
    program = [sys.executable, "-m", "edge_rt.backends.quantize"]
    words = [str(source), str(target), str(format), "1"]
    done = subprocess.run(
        [*program, *words], check=False, capture_output=True, text=True, timeout=120
    )
    return done.returncode, done.stdout.splitlines(), done.stderr


@pytest.mark.parametrize(("format", "name"), [(Q4_0, "Q4_0"), (Q8_0, "Q8_0")])
def test_a_model_is_written_anew(format: int, name: str, smollm2: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.gguf"
    code, said, errors = run(smollm2, target, format)
    assert (code, errors) == (0, "")
    before, after = read_summary(smollm2), read_summary(target)
    assert (after.quantisation, after.parameters) == (name, before.parameters)
    assert (after.chat_template, after.vocab) == (before.chat_template, before.vocab)
    assert said == [f"done {number} 272" for number in range(1, 273)]


def test_what_is_no_model_is_told(tmp_path: Path) -> None:
    source = tmp_path / "bad.gguf"
    source.write_bytes(b"GGUF")
    code, said, errors = run(source, tmp_path / "out.gguf", Q4_0)
    assert (code, said) == (1, [])
    assert "bad.gguf" in errors or "read" in errors
    assert not (tmp_path / "out.gguf").exists()


def test_a_target_that_cannot_be_written_is_told(smollm2: Path, tmp_path: Path) -> None:
    code, _, errors = run(smollm2, tmp_path / "none" / "out.gguf", Q4_0)
    assert code == 1
    assert errors.strip()
