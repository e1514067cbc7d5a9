"""Adds the pages that are made from the source; mkdocs.yml names this file."""

from __future__ import annotations

import sys
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

_TOOLS = str(Path(__file__).resolve().parents[1])


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Return the files of the site, with those that are made."""
    if _TOOLS not in sys.path:  # not above: mkdocs restores the path once hooks are imported
        sys.path.insert(0, _TOOLS)
    from docslib.pages import pages

    for path, text in pages().items():
        if (stub := files.get_file_from_path(path)) is not None:  # for readers of the checkout
            files.remove(stub)
        files.append(File.generated(config, path, content=text))
    return files
