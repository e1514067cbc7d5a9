"""Set up what is missing, and only that."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import sys
from collections.abc import Collection, Generator, Mapping
from pathlib import Path

from bootstrap import llama_wheel, system
from bootstrap.paths import CHECKOUT, cache_dir
from bootstrap.venv import Stamp, Venv


def ensure(extras: Collection[str] = (), env: Mapping[str, str] = os.environ) -> Venv:
    """A `.venv` in which edge_rt and its `extras` are installed.

    Costs next to nothing when it is there already. Two setups at once take turns. When
    CMAKE_ARGS is not in `env`, the llama.cpp that is installed stays as it was built; an empty
    CMAKE_ARGS asks for the plain build. Raises SetupError.
    """
    cache, venv = cache_dir(env), Venv(CHECKOUT / ".venv")
    if not _is_fresh(venv, extras, env):
        with _turn(cache / "setup.lock"):
            if not _is_fresh(venv, extras, env):
                _set_up(venv, cache, extras, env)
    return venv


def _is_fresh(venv: Venv, extras: Collection[str], env: Mapping[str, str]) -> bool:
    stamp = venv.stamp()
    return stamp is not None and stamp == _wanted(stamp, extras, env) and venv.works()


def _wanted(old: Stamp | None, extras: Collection[str], env: Mapping[str, str]) -> Stamp:
    """What the stamp must say: what is installed stays, unless `env` says otherwise."""
    args = env.get("CMAKE_ARGS", old.cmake_args if old else "")
    kept = old.extras if old else ()
    project = hashlib.sha256((CHECKOUT / "pyproject.toml").read_bytes()).hexdigest()
    key = llama_wheel.recipe(args, env).key
    return Stamp(project, key, args, tuple(sorted({*kept, *extras})))


def _set_up(venv: Venv, cache: Path, extras: Collection[str], env: Mapping[str, str]) -> None:
    log = cache / "logs/setup.log"
    log.unlink(missing_ok=True)
    stamp = _wanted(venv.stamp(), extras, env)
    recipe = llama_wheel.recipe(stamp.cmake_args, env)
    wheel, usable = llama_wheel.find(cache, recipe), venv.works()
    needs = [None if usable else system.venv_need(), None if wheel else system.compiler_need(env)]
    system.provide([need for need in needs if need], log)
    if not usable:
        venv.create(log)
    wheel = wheel or llama_wheel.build(venv.python, cache, recipe)
    venv.install(CHECKOUT, wheel, stamp, log)


@contextlib.contextmanager
def _turn(path: Path) -> Generator[None]:
    """Hold the lock `path`; the system frees it when the process ends, however it ends."""
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            print("Another setup is running; waiting for it to finish.", file=sys.stderr)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
