"""Set up what is missing, and only that."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import sys
from collections.abc import Collection, Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bootstrap import SetupError, llama_wheel, system, wheelhouse
from bootstrap.paths import CHECKOUT, cache_dir
from bootstrap.progress import Progress
from bootstrap.venv import Stamp, Venv

# The tables of pyproject.toml that say what pip installs; the others are for tools that look at it.
_INSTALLED = re.compile(
    r"^\[(?:build-system|project|tool\.setuptools)\b.*?(?=^\[|\Z)", re.MULTILINE | re.DOTALL
)


def ensure(
    extras: Collection[str] = (),
    env: Mapping[str, str] = os.environ,
    checkout: Path = CHECKOUT,
    wheels: Path | None = None,
    pins: Sequence[str] = (),
) -> Venv:
    """A `.venv` in `checkout` in which edge_rt and its `extras` are installed.

    EDGE_RT_VENV in `env` is another name for it, or a path. Where nothing can be written into
    `checkout` and it has none that will do, the environment is in the cache.

    Costs next to nothing when it is there already. Two setups at once take turns. When
    CMAKE_ARGS is not in `env`, the llama.cpp that is installed stays as it was built; an empty
    CMAKE_ARGS asks for the plain build. Without it, a wheel for this machine in the folder `wheels`
    is installed instead of compiling. What has to be installed has the versions of `pins`, such as
    "click==8.2". Raises SetupError.
    """
    built = None if wheels is None or "CMAKE_ARGS" in env else wheelhouse.fitting(wheels)
    venv = Venv(checkout / env.get("EDGE_RT_VENV", ".venv"))
    setup = _Setup(venv, checkout, tuple(extras), env, built, tuple(pins))
    if not setup.is_done():
        cache = cache_dir(env)
        if "EDGE_RT_VENV" not in env and not os.access(checkout, os.W_OK):
            name = hashlib.sha256(bytes(checkout)).hexdigest()[:12]
            setup = replace(setup, venv=Venv(cache / "venvs" / name))
        with turn(cache / "setup.lock"):
            if not setup.is_done():
                setup.do(cache)
    return setup.venv


def enter(script: str, argv: Sequence[str], extras: Collection[str] = ()) -> None:
    """Go on as `script` with `argv` in the `.venv` with `extras`; ends where there can be none."""
    try:
        venv = ensure(extras)
    except SetupError as error:
        sys.exit(str(error))
    if Path(sys.prefix).resolve() != venv.path.resolve():
        os.execv(venv.python, [str(venv.python), script, *argv])


@dataclass(frozen=True)
class _Setup:
    venv: Venv
    checkout: Path
    extras: tuple[str, ...]
    env: Mapping[str, str]
    built: Path | None  # a wheel of llama.cpp that somebody has built
    pins: tuple[str, ...]

    def is_done(self) -> bool:
        stamp = self.venv.stamp()
        return stamp is not None and stamp == self.wanted(stamp) and self.venv.works()

    def wanted(self, old: Stamp | None) -> Stamp:
        """Return what the stamp must say: what is installed stays, unless `env` says otherwise."""
        args = self.env.get("CMAKE_ARGS", old.cmake_args if old else "")
        kept = old.extras if old else ()
        said = "".join(_INSTALLED.findall((self.checkout / "pyproject.toml").read_text()))
        project = hashlib.sha256(said.encode()).hexdigest()
        if self.built is not None:
            key, args = wheelhouse.key(self.built), ""
        elif old is not None and "CMAKE_ARGS" not in self.env and wheelhouse.is_key(old.wheel):
            key = old.wheel
        else:
            key = llama_wheel.recipe(args, self.env).key
        return Stamp(project, key, args, tuple(sorted({*kept, *self.extras})))

    def wheel(self, cache: Path, key: str) -> Path | None:
        """Return the wheel of `key`; None: it must be compiled."""
        if self.built is not None:
            return wheelhouse.keep(cache, self.built)
        return llama_wheel.kept(cache, key)

    def do(self, cache: Path) -> None:
        log = cache / "logs/setup.log"
        log.unlink(missing_ok=True)
        stamp = self.wanted(self.venv.stamp())
        recipe = llama_wheel.recipe(stamp.cmake_args, self.env)
        wheel, usable = self.wheel(cache, stamp.wheel), self.venv.works()
        if wheel is None:  # nor is one kept that somebody has built
            stamp = replace(stamp, wheel=recipe.key)
        needs = (
            None if usable else system.venv_need(),
            system.openmp_need() if wheel else system.compiler_need(self.env),
        )
        missing = [need for need in needs if need is not None]
        takes = {  # seconds, about
            "Installing system packages": 30 if missing else 0,
            "Creating .venv": 0 if usable else 10,
            "Building llama.cpp, once": 0 if wheel else 240,
            "Installing Python packages": 60,
        }
        with Progress("Setting up") as bar:
            apt, venv, llama, pip = (
                bar.part(doing, seconds / sum(takes.values())) for doing, seconds in takes.items()
            )
            system.provide(missing, log, root=os.geteuid() == 0, env=self.env, progress=apt)
            if not usable:
                self.venv.create(log, venv)
            wheel = wheel or llama_wheel.build(self.venv.python, cache, recipe, self.env, llama)
            self.venv.install(self.checkout, wheel, stamp, log, pip, self.pins)


@contextlib.contextmanager
def turn(path: Path) -> Generator[None]:
    """Hold the lock `path`; the system frees it when the process ends, however it ends."""
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            print("Another setup is running; waiting for it to finish.", file=sys.stderr)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
