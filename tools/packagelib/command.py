"""`tools/package`: edge_rt as a package of Debian."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from bootstrap import SetupError
from bootstrap.paths import cache_dir
from bootstrap.progress import Progress
from bootstrap.signals import ending_cleanly
from bootstrap.venv import run_pip
from vm import wheels as made

from packagelib import deb
from packagelib.options import parse
from packagelib.target import Target

LLAMA = "llama_cpp_python"


@ending_cleanly
def main(argv: Sequence[str], env: Mapping[str, str] = os.environ) -> int:
    """Make the package; returns the exit code."""
    options = parse(argv)
    if shutil.which("dpkg-deb") is None:
        raise SetupError("dpkg-deb is missing: apt-get install dpkg")
    target = Target(options.arch, options.python)
    log = cache_dir(env) / "logs/package.log"
    log.unlink(missing_ok=True)
    # Not in /tmp, which may lie in memory: the tree has 400 MB.
    with tempfile.TemporaryDirectory(dir=cache_dir(env), prefix="package-") as scratch:
        wheels = Path(scratch, "wheels")
        gather(wheels, options.wheels, target, log)
        print(deb.build(Path(scratch), wheels, options.out, target, log, env))
    return 0


def gather(place: Path, given: Path, target: Target, log: Path) -> None:
    """Fill the new folder `place` with wheels of edge_rt, all that it needs on `target`, and pip.

    Those in the folder `given` are taken first: it must have one of llama.cpp, for which there is
    no other source; without one of edge_rt, this checkout's is made. Others are fetched. Raises
    SetupError.
    """
    place.mkdir()
    if not [wheel for wheel in given.glob(f"{LLAMA}-*.whl") if fits(wheel, target)]:
        raise SetupError(
            f"{given} has no wheel of llama-cpp-python for {target.machine}: "
            "tools/wheels makes one that suits all its processors"
        )
    ours = next(given.glob("edge_rt-*.whl"), None)
    ours = (
        Path(shutil.copy(ours, place)) if ours else made.edge_rt(Path(sys.executable), place, log)
    )
    words = [*target.pip_options(), f"--find-links={given.absolute()}", f"--dest={place}"]
    with Progress(f"Fetching Python packages for {target.machine}"):
        run_pip(Path(sys.executable), ["download", *words, str(ours), "pip"], log)


def fits(wheel: Path, target: Target) -> bool:
    """Return whether `wheel` is, by its name, for the machine of `target` or for any."""
    return wheel.stem.endswith((f"_{target.machine}", "-any"))
