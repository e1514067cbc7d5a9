"""The page that an index of packages shows: the README, without links to files that it lacks."""

from __future__ import annotations

import re
from pathlib import Path

from setuptools import setup

README = (Path(__file__).parent / "README.md").read_text()
setup(
    long_description=re.sub(r"\[([^]]+)\]\((?!https://)[^)]+\)", r"\1", README),
    long_description_content_type="text/markdown",
)
