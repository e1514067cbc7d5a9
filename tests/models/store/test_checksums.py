"""Lists of checksums are those of `sha256sum`, and lead nowhere else."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from edge_rt.core.errors import ModelFileError
from edge_rt.models.store.digest import SUMS, read_sums

ONE = "0123456789abcdef" * 4


def test_what_sha256sum_writes_is_read(tmp_path: Path) -> None:
    (tmp_path / "a b.gguf").write_text("x")
    program = shutil.which("sha256sum")
    assert program, "coreutils has it"
    text = subprocess.run(
        [program, "--binary", "a b.gguf"], cwd=tmp_path, capture_output=True, check=True
    ).stdout
    (tmp_path / SUMS).write_bytes(text + b"\n" + ONE.upper().encode() + b"  ./c.gguf\r\n")
    assert list(read_sums(tmp_path)) == ["a b.gguf", "c.gguf"]
    assert read_sums(tmp_path)["c.gguf"] == ONE


def test_a_folder_without_a_list_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"SHA256SUMS is missing.*sha256sum \*\.gguf"):
        read_sums(tmp_path)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (f"{ONE}  /etc/passwd", "leads out"),
        (f"{ONE}  ../x", "leads out"),
        (f"{ONE}  a/../../x", "leads out"),
        (f"{ONE} x", "no sha256"),
        ("abc  x", "no sha256"),
        (f"\\{ONE}  a\\nb", "no sha256"),
        ("not a list", "no sha256"),
    ],
)
def test_a_line_that_cannot_be_is_named(line: str, words: str, tmp_path: Path) -> None:
    (tmp_path / SUMS).write_text(f"{ONE}  a.gguf\n{line}\n")
    with pytest.raises(ModelFileError, match=f"{SUMS}:2: .*{words}"):
        read_sums(tmp_path)


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / SUMS).write_bytes(b"\xff\xfe")
    with pytest.raises(ModelFileError, match="not UTF-8"):
        read_sums(tmp_path)
    (tmp_path / SUMS).unlink()
    (tmp_path / SUMS).mkdir()
    with pytest.raises(ModelFileError, match="cannot be read"):
        read_sums(tmp_path)


def test_a_list_that_nobody_writes_to_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / SUMS)
    with pytest.raises(ModelFileError, match="not a regular file"):
        read_sums(tmp_path)
