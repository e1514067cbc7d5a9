"""`tools/install`: the daemon as a service."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from bootstrap import SetupError, wheelhouse
from bootstrap.paths import cache_dir
from bootstrap.signals import ending_cleanly

from installlib import files, pages
from installlib.environment import Environment
from installlib.files import Layout
from installlib.source import Checkout, Source, Wheels
from installlib.system import System

_ABOUT = """\
Install edge_rt as a service of systemd: a virtual environment in /opt/edge-rt, edge-rt.socket and
edge-rt.service, the user edge-rt, udev rules, /etc/edge-rt/config.yaml, the command
/usr/local/bin/edge-rt, its man pages and its completion in bash, zsh and fish. Then it starts, and
does so at each boot.

Run again, it installs what has changed and restarts the daemon where that matters. A configuration
that is there stays as it is.

Without --wheels this checkout is installed: llama.cpp is compiled for this machine, as $CMAKE_ARGS
says, and other packages are fetched. Logs and builds are kept in $EDGE_RT_CACHE, else in
~/.cache/edge-rt.

With --wheels, edge_rt and all it needs come from the wheels in DIR alone. Where edge_rt is not
among them, as in a folder of tools/wheels, this checkout is installed, and of DIR only llama.cpp:
the wheel for this machine or, where there is none or $CMAKE_ARGS is set, none.
"""


def parse(argv: Sequence[str], env: Mapping[str, str]) -> argparse.Namespace:
    """The options; exits on --help and wrong usage."""
    parser = argparse.ArgumentParser(
        prog="tools/install",
        description=_ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--uninstall", action="store_true", help="but for settings and models")
    packages = parser.add_mutually_exclusive_group()
    packages.add_argument("--wheels", metavar="DIR", type=Path, help="what is built already")
    packages.add_argument(
        "--locked",
        action="store_true",
        help="packages as in requirements.lock, checked against its hashes",
    )
    parser.add_argument(
        "--prefix", metavar="DIR", type=Path, default=Layout().prefix, help="default: /opt/edge-rt"
    )
    parser.add_argument(
        "--destdir",
        metavar="DIR",
        type=Path,
        default=env.get("DESTDIR") or None,
        help="the root of an image, with the same Python as here; default: $DESTDIR",
    )
    return parser.parse_args(argv)


@ending_cleanly
def main(argv: Sequence[str], env: Mapping[str, str] = os.environ) -> int:
    """Install or uninstall; returns the exit code."""
    options = parse(argv, env)
    os.umask(0o022)  # the service and its users have to read what root installs
    destdir = Path(options.destdir).absolute() if options.destdir else None
    layout = Layout(options.prefix, destdir)
    if destdir is None and os.geteuid() != 0:
        raise SetupError("Only root may install a service: sudo tools/install")
    system = System(layout)
    if options.uninstall:
        uninstall(layout, system)
    else:
        install(layout, system, options.wheels, env, locked=options.locked)
    return 0


def install(
    layout: Layout,
    system: System,
    wheels: Path | None,
    env: Mapping[str, str],
    *,
    locked: bool = False,
) -> None:
    """Bring everything to where it should be."""
    environment = Environment(layout)
    # llama.cpp stays as it was built, unless `env` says otherwise.
    cmake_args = env.get("CMAKE_ARGS", environment.stamp().get("cmake_args", ""))
    source = _source(wheels, cmake_args, env, locked)
    log = cache_dir(env) / "logs/install.log"
    log.unlink(missing_ok=True)
    said = {"cmake_args": cmake_args}
    new_program = environment.renew(source, said, log, root=os.geteuid() == 0)
    new_units = files.put(layout)
    if new_program and not pages.put(layout):
        print("Man pages and completion of the shell could not be written.")
    new_units |= files.open_up(layout, pages.written(layout))
    system.installed(new_units=new_units, new_program=new_program)
    print(f"{layout.prefix} is {'installed' if new_program or new_units else 'as it should be'}.")
    if layout.destdir is None:
        print("Next: edge-rt setup; edge-rt doctor")


def _source(wheels: Path | None, cmake_args: str, env: Mapping[str, str], locked: bool) -> Source:
    if wheels is not None and Wheels.are_in(wheels):
        return Wheels(wheels)
    built = None if wheels is None or "CMAKE_ARGS" in env else wheelhouse.fitting(wheels)
    return Checkout(cmake_args, env, locked, built)


def uninstall(layout: Layout, system: System) -> None:
    """Remove what `install` made, but not what the user may want to keep."""
    if any(layout.at(files.PLACES[unit]).exists() for unit in (files.SERVICE, files.SOCKET)):
        system.leave()
    files.remove(layout)
    pages.remove(layout)
    Environment(layout).remove()
    system.left()
    kept = " ".join(str(layout.at(path)) for path in ("/etc/edge-rt", "/var/lib/edge-rt"))
    print(f"Kept: {kept}, the user edge-rt and the group edge-rt-knobs. To remove them:")
    print(f"rm -r {kept}; userdel edge-rt; groupdel edge-rt-knobs")
