"""The virtual environment that a package brings, as it lies on the board."""

from __future__ import annotations

import os
import shutil
import sys
from importlib.metadata import Distribution, distributions
from pathlib import Path

from bootstrap import SetupError
from bootstrap.logged import run_logged
from bootstrap.venv import UNUSED
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from packagelib.target import Target

PREFIX = Path("/opt/edge-rt")
_PROGRAM = f"""\
#!{PREFIX}/bin/python3
import sys
from {{}} import main
sys.exit(main())
"""
_MAINS = {"edge-rt": "edge_rt.cli.entry", "pip": "pip._internal.cli.main"}
_PYTHONS = {"python3": "/usr/bin/python{}", "python": "python3", "python{}": "python3"}


def make(place: Path, wheels: Path, target: Target, log: Path) -> Path:
    """Fill the new folder `place` with an environment of edge_rt and pip, for what users add to it;
    returns its site-packages.

    All comes from the folder `wheels`. The environment is for PREFIX and the distribution's Python,
    so it can be made on any machine. Raises SetupError where a wheel is missing.
    """
    site = place / f"lib/python{target.python}/site-packages"
    words = ["install", "--isolated", "--no-index", f"--find-links={wheels}", "--no-compile"]
    # pip would ask the Python that runs it, and not the one it installs for.
    words += ["--ignore-requires-python", *target.pip_options(), f"--target={site}"]
    plain = {**os.environ, "PIP_CONFIG_FILE": os.devnull}  # else wheels of other folders count, too
    run_logged([sys.executable, "-m", "pip", *words, "edge_rt", "pip"], log, env=plain)
    unused = [name.replace("-", "_") for name in UNUSED]
    for folder in ("bin", *unused, *(f"{name}-*.dist-info" for name in unused)):
        for found in site.glob(folder):
            shutil.rmtree(found)
    if lacking := missing(site, target):
        raise SetupError(
            f"{wheels} lacks {', '.join(lacking)} for Python {target.python}. pip judges what is "
            "needed by the Python that runs it: try "
            f"EDGE_RT_VENV=.venv-{target.python} python{target.python} tools/package"
        )
    _programs(place / "bin", target)
    _settings(place / "pyvenv.cfg", target)
    return site


def installed(site: Path) -> list[Distribution]:
    """The packages in `site`, by name."""
    return sorted(distributions(path=[str(site)]), key=lambda each: name_of(each))


def name_of(package: Distribution) -> str:
    """The name of a package as the index writes it, such as "llama-cpp-python"."""
    return canonicalize_name(package.metadata["Name"])


def needed(package: Distribution, target: Target) -> list[str]:
    """Return the names of those packages that `package` needs on `target`, without its extras, and
    without those that edge_rt never loads.
    """
    found = [Requirement(line) for line in package.requires or ()]
    wanted = [each for each in found if not each.marker or each.marker.evaluate(target.markers())]
    return sorted({canonicalize_name(each.name) for each in wanted}.difference(UNUSED))


def missing(site: Path, target: Target) -> list[str]:
    """The names of packages that those in `site` need and that are not there."""
    here = installed(site)
    wanted = {name for package in here for name in needed(package, target)}
    return sorted(wanted - {name_of(package) for package in here})


def _programs(place: Path, target: Target) -> None:
    place.mkdir()
    for name, leads in _PYTHONS.items():
        (place / name.format(target.python)).symlink_to(leads.format(target.python))
    for name, module in _MAINS.items():
        program = place / name
        program.write_text(_PROGRAM.format(module))
        program.chmod(0o755)


def _settings(place: Path, target: Target) -> None:
    said = {
        "home": "/usr/bin",
        "include-system-site-packages": "false",
        "version": target.python,
        "executable": f"/usr/bin/python{target.python}",
    }
    place.write_text("".join(f"{key} = {value}\n" for key, value in said.items()))
