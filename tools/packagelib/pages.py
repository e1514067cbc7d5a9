"""Man pages, and completion for shells."""

from __future__ import annotations

import gzip
from pathlib import Path

from docslib.manual import write_manual
from installlib import pages

_COMPLETIONS = {
    "bash": "usr/share/bash-completion/completions/edge-rt",
    "zsh": "usr/share/zsh/vendor-completions/_edge-rt",
    "fish": "usr/share/fish/vendor_completions.d/edge-rt.fish",
}


def put_pages(root: Path) -> None:
    """Write the man page of each command below `root`."""
    for page in write_manual(root / "usr/share/man/man1"):
        compress(page)


def put_completions(root: Path) -> None:
    """Write what completes commands in bash, zsh and fish below `root`."""
    pages.put_completions({shell: root / place for shell, place in _COMPLETIONS.items()})


def compress(path: Path) -> None:
    """Replace a file by its compressed form, the same each time."""
    path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes(), 9, mtime=0))
    path.unlink()
