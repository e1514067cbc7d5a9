"""The options of `tools/package`, for any Python 3."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from packagelib.target import MACHINES, this_arch

_ABOUT = """\
Make edge-rt_VERSION_ARCH.deb, and beside it the list of what is in it (CycloneDX). It has all that
edge_rt needs but Python, which is the distribution's; so there is a package for each version of
Python. It can be made on another kind of processor than the one it is for.

$DEBFULLNAME and $DEBEMAIL say who answers for it, $DPKG_DEB_COMPRESSOR_TYPE how it is compressed.
"""


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """The options; exits on --help and wrong usage."""
    parser = argparse.ArgumentParser(
        prog="tools/package",
        description=_ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--wheels",
        metavar="DIR",
        type=Path,
        required=True,
        help="has llama-cpp-python's wheel for ARCH; what it lacks otherwise is fetched",
    )
    parser.add_argument(
        "--arch", choices=MACHINES, default=this_arch(), help="default: this machine's"
    )
    parser.add_argument(
        "--python",
        choices=("3.10", "3.11", "3.12", "3.13"),
        default="3.13",
        help="the distribution's: 3.13 (default) is Debian 13's and Raspberry Pi OS's, 3.10 "
        "JetPack 6's, 3.12 JetPack 7's",
    )
    parser.add_argument(
        "--out", metavar="DIR", type=Path, default=Path("dist"), help="default: dist"
    )
    return parser.parse_args(argv)
