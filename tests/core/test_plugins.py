"""What other packages add by entry points breaks nothing where it fails."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ENTRIES = """
[edge_rt.readers]
broken = edge_rt_extra.nowhere:Reader
"""


@pytest.fixture
def extra(tmp_path: Path) -> Path:
    """A folder of installed packages: that of `edge_rt_extra`, as pip leaves it."""
    package, info = tmp_path / "edge_rt_extra", tmp_path / "edge_rt_extra-1.2.dist-info"
    for folder in (package, info):
        folder.mkdir()
    (package / "__init__.py").touch()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: edge-rt-extra\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(ENTRIES)
    return tmp_path


def said(extra: Path, program: str) -> list[str]:
    """Lines that `program` prints where the package is installed."""
    env = os.environ | {"PYTHONPATH": str(extra)}
    done = subprocess.run(
        [sys.executable, "-c", program], env=env, stdout=subprocess.PIPE, text=True, check=True
    )
    return done.stdout.splitlines()


def test_a_reader_that_cannot_be_imported_is_skipped(extra: Path) -> None:
    program = f"""
from pathlib import Path
from edge_rt.board.discovery import discover
from edge_rt.board.profile import roots, wanted

found = discover(roots(Path({str(extra)!r})), wanted(None, Path({str(extra)!r})))
print(*(skip.reason for skip in found.skipped if skip.name == "broken"))
"""
    assert said(extra, program) == [
        "its package does not work: ModuleNotFoundError: No module named 'edge_rt_extra.nowhere'"
    ]
