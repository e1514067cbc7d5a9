"""Adds the pages that are made from the source; mkdocs.yml names this file."""

from __future__ import annotations

import sys
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

sys.path.insert(0, str(Path(__file__).parents[1]))

from docslib.pages import pages


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Return the files of the site, ours among them."""
    for path, text in pages().items():
        files.append(File.generated(config, path, content=text))
    return files
