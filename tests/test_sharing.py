"""Tests that boot guests share a process, since one that waits for their root does nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import sharing

CODE = "import os\ndef test_it():\n    print(f'process {os.getpid()}.')\n"


def test_files_that_boot_guests_run_in_one_process(tmp_path: Path) -> None:
    folder = tmp_path / sharing.GUESTS
    folder.mkdir(parents=True)
    for name in "abcd":
        (folder / f"test_{name}.py").write_text(CODE)
    words = [sys.executable, "-m", "pytest", "-p", "sharing", "-n", "2", "--dist", "loadfile"]
    ran = subprocess.run(
        [*words, "-rP", "--rootdir", tmp_path, "-c", os.devnull, tmp_path],
        env=os.environ | {"PYTHONPATH": str(Path(sharing.__file__).parent)},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stdout
    told = [line for line in ran.stdout.splitlines() if line.startswith("process ")]
    assert len(told) == 4
    assert len(set(told)) == 1
