"""Man pages and completions are put where programs look, and all of them are removed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from installlib import pages
from installlib.files import Layout


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """The root of an image whose Python is that of the tests."""
    layout = Layout(destdir=tmp_path)
    python = layout.at(layout.prefix) / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    return layout


def written(layout: Layout) -> set[str]:
    share = layout.at(pages.SHARE)
    return {str(path.relative_to(share)) for path in share.rglob("*") if path.is_file()}


def test_all_is_written_and_removed(layout: Layout) -> None:
    other = layout.at(pages.MANUAL) / "other.1"
    gone = layout.at(pages.MANUAL) / "edge-rt-of-old.1"
    other.parent.mkdir(parents=True)
    other.touch()
    gone.touch()
    assert pages.put(layout)
    found = written(layout)
    assert {"man/man1/edge-rt.1", "man/man1/edge-rt-models-pull.1"} <= found
    assert {
        "bash-completion/completions/edge-rt",
        "zsh/site-functions/_edge-rt",
        "fish/vendor_completions.d/edge-rt.fish",
    } <= found
    assert not gone.exists()
    pages.remove(layout)
    assert written(layout) == {"man/man1/other.1"}


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_completes_a_command(layout: Layout) -> None:
    assert pages.put(layout)
    script = layout.at(pages.COMPLETIONS["bash"])
    program = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    ask = f"""source {script}
        COMP_WORDS=(edge-rt chec); COMP_CWORD=1
        _edge_rt_completion edge-rt; echo "${{COMPREPLY[@]}}" """
    done = subprocess.run(
        ["bash", "-c", ask], env=os.environ | {"PATH": program}, capture_output=True, text=True
    )
    assert done.stdout.strip() == "check-config", done.stderr


def test_a_program_that_cannot_describe_itself_is_told(tmp_path: Path) -> None:
    layout = Layout(destdir=tmp_path)
    python = layout.at(layout.prefix) / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\nexit 1\n")
    python.chmod(0o755)
    assert not pages.put(layout)
    assert written(layout) == set()
