"""The reference of exit codes, made from the text below `edge-rt --help`."""

from __future__ import annotations

import re

from docslib.markdown import code, page, table
from edge_rt.cli.exits import HELP


def exit_codes() -> str:
    """Return the page."""
    rows = re.findall(r"^ +(\d+) +(.+)$", HELP, re.MULTILINE)
    about = "Every command of `edge-rt` ends with one of these codes."
    cells = [(code(number), text) for number, text in rows]
    return page("Exit codes", about, table(("Code", "Meaning"), cells))
