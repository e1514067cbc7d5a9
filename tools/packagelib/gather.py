"""The wheels that a package is made of."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from bootstrap import SetupError
from bootstrap.logged import run_logged
from bootstrap.progress import Progress
from vm import wheels as made

from packagelib.target import Target

LLAMA = "llama_cpp_python"


def gather(place: Path, given: Path, target: Target, log: Path) -> None:
    """Fill the new folder `place` with wheels of edge_rt and all that it needs on `target`.

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
        run_logged([sys.executable, "-m", "pip", "download", *words, str(ours)], log)


def fits(wheel: Path, target: Target) -> bool:
    """Whether the name of `wheel` says that it is for the machine of `target`, or for any."""
    return wheel.stem.endswith((f"_{target.machine}", "-any"))
