"""`tools/wheels`: wheels of llama-cpp-python for boards that need not compile it."""

from __future__ import annotations

import argparse
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from bootstrap import system, wheelhouse
from bootstrap.ensure import turn
from bootstrap.paths import cache_dir
from bootstrap.signals import ending_cleanly

from wheelslib import build, pack
from wheelslib.build import ARCHITECTURES, GPUS, Target, unpacked

_ABOUT = """\
Build the llama-cpp-python that edge_rt needs and put it into DIR, with the hashes of all wheels
there in SHA256SUMS. One wheel is for every processor of its architecture: it has llama.cpp's code
for each generation of them in a library of its own, and the best is chosen when it is loaded.
tools/run, tools/install and tools/test take such a folder as --wheels DIR, and so does pip as
--find-links DIR.

Without --arch it builds for x86-64 and for aarch64, with Debian's compilers; the latter needs GCC
14, as in Debian 13. They run with glibc 2.35 and later and need libgomp. They are built to come out
the same again; SOURCE_DATE_EPOCH dates what they hold. This takes 10 to 30 minutes an architecture,
or one with ccache.

--cuda and --vulkan add code for GPUs, which is used where a driver is found. They need the CUDA
toolkit, or glslc and Vulkan's headers, for the architecture that is built for.
"""


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """The options; exits on --help and wrong usage."""
    parser = argparse.ArgumentParser(
        prog="tools/wheels",
        description=_ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("folder", metavar="DIR", type=Path, help="made where it is missing")
    parser.add_argument(
        "--arch", action="append", choices=list(ARCHITECTURES), help="may be given again"
    )
    for gpu in GPUS:
        parser.add_argument(f"--{gpu}", dest="gpus", action="append_const", const=gpu)
    return parser.parse_args(argv)


@ending_cleanly
def main(argv: Sequence[str]) -> int:
    """Build; returns the exit code."""
    options = parse(argv)
    gpus = tuple(options.gpus or ())
    options.folder.mkdir(parents=True, exist_ok=True)
    cache = cache_dir() / "portable"
    cache.mkdir(exist_ok=True)
    with turn(cache / "lock"):
        for architecture in dict.fromkeys(options.arch or ARCHITECTURES):
            made = wheel(Target(architecture, gpus), cache, options.folder)
            print(f"{made.name}: {made.stat().st_size / 1e6:.1f} MB", flush=True)
    tell(options.folder)
    return 0


def wheel(target: Target, cache: Path, folder: Path) -> Path:
    """Build that of `target`; raises SetupError."""
    log = cache / "logs" / f"{target.architecture}.log"
    log.unlink(missing_ok=True)
    system.provide(build.needs(target), log, root=os.geteuid() == 0)
    build.check(target)
    source, scratch = unpacked(cache, log), cache / f"build-{target.architecture}"
    try:
        return pack.pack(
            source,
            build.libraries(target, source, scratch, log),
            folder,
            architecture=target.architecture,
            flavour=".".join(target.gpus),
            when=int(os.environ.get("SOURCE_DATE_EPOCH", "0")),
        )
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        shutil.rmtree(source, ignore_errors=True)


def tell(folder: Path) -> None:
    """Write the hashes of all wheels in `folder` as `sha256sum --check` reads them."""
    lines = [
        f"{wheelhouse.digest(wheel)}  {wheel.name}\n" for wheel in sorted(folder.glob("*.whl"))
    ]
    (folder / wheelhouse.SUMS).write_text("".join(lines))
