"""A pytest plugin: each test has its own environment, and fails if it touches files outside it."""

from __future__ import annotations

import errno
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from edge_rt.config.paths import ROOT, Paths

CHECKOUT = Path(__file__).parents[1]
CACHE = pytest.StashKey[Path]()  # what outlives a run: weights, wheels, guests
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
SERVICE = {"RUNTIME", "STATE", "CACHE", "LOGS", "CONFIGURATION", "CREDENTIALS"}
FOREIGN = ("EDGE_RT_", "XDG_", "LISTEN_", "NOTIFY_SOCKET", "WATCHDOG_")
FOREIGN += ("COLUMNS", "LINES")  # readline sets them for the processes of pytest-xdist
PIP = "PIP_CONFIG_FILE"
VENV = "EDGE_RT_VENV"  # where tools/ run; without it those that tests start would make another


def pytest_configure(config: pytest.Config) -> None:
    """Set the first environment before any test module is imported.

    Not where pytest-xdist runs the tests in other processes: each of them comes here, too.
    """
    if config.getoption("dist", "no") != "no":
        return
    hermetic = Hermetic(dict(os.environ))
    config.stash[CACHE] = hermetic.cache
    config.pluginmanager.register(hermetic)
    config.add_cleanup(hermetic.close)
    sys.addaudithook(hermetic.guard)


def own_environment(environ: Mapping[str, str], folder: Path) -> dict[str, str]:
    """`environ` with every place of edge_rt below `folder`, which is made."""
    kept = {
        name: value
        for name, value in environ.items()
        if name == VENV
        or (not name.startswith(FOREIGN) and name.removesuffix("_DIRECTORY") not in SERVICE)
    }
    places = {"HOME": "home", "XDG_RUNTIME_DIR": "run", ROOT: "root"}
    places |= {f"XDG_{kind}_HOME": kind.lower() for kind in ("CONFIG", "CACHE", "STATE", "DATA")}
    folder.mkdir()
    for place in ("home", "run"):  # of the others nobody expects that they are there
        (folder / place).mkdir(mode=0o700)
    pip = Path(environ.get("HOME", "/"), ".config/pip/pip.conf")  # names this machine's index
    index = {PIP: str(pip)} if PIP not in environ and pip.is_file() else {}
    return kept | index | {name: str(folder / place) for name, place in places.items()}


class Hermetic:
    """Gives each test its environment, and watches what this process and its children touch.

    An audit hook sees the files that Python opens or changes in this process. A child gets the
    test's environment. What neither covers, such as native code, is compared after each test:
    the configurations and model stores of this machine's installations.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        machine = Paths.detect(environ)
        self.cache = machine.cache
        self._environ = dict(environ)
        self._folder = Path(tempfile.mkdtemp(prefix="edge-rt-tests-"))
        self._count = 0
        self._active = False
        self._user = os.geteuid()
        self._before: set[tuple[str, int]] = set()
        self._touched: list[str] = []
        self._watched = {str(self.cache / "store")}
        self._private = (f"{self.cache / 'store'}/",)
        for paths in (Paths.system(environ), machine):
            self._watched |= {str(paths.config_file.parent), str(paths.state / "models")}
            folders = (paths.run, paths.state, paths.config_file.parent)
            self._private += tuple(f"{folder}/" for folder in folders)
        scratch = {tempfile.gettempdir(), os.path.realpath(tempfile.gettempdir())}
        written = [*scratch, self.cache, self.cache.resolve(), CHECKOUT / ".hypothesis", "/dev"]
        self._writable = tuple(f"{place}/" for place in [*written, "/proc"])
        self._enter()

    def close(self) -> None:
        """Restore the environment and delete what tests left in theirs."""
        self._active = False
        _replace(self._environ)
        shutil.rmtree(self._folder, ignore_errors=True)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        """Close here: a worker of pytest-xdist may be killed as soon as this is over."""
        self.close()

    def _enter(self) -> None:
        self._count += 1
        _replace(own_environment(self._environ, self._folder / str(self._count)))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self) -> Generator[None, object, object]:
        """Run a test in an environment of its own; fixtures of the session keep their first."""
        self._enter()
        self._before = self._looks()
        self._active = True
        try:
            return (yield)
        finally:
            self._active = False

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_setup(self) -> Generator[None, object, object]:
        """Fail here if a fixture touched something."""
        return self._settled((yield))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self) -> Generator[None, object, object]:
        """Fail here if the test itself did."""
        return self._settled((yield))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_teardown(self) -> Generator[None, object, object]:
        """Fail here if it was done while fixtures were closed."""
        return self._settled((yield))

    def _settled(self, result: object) -> object:
        touched, self._touched = self._touched, []
        now = self._looks()
        touched += [f"changed {path}" for path, _ in sorted(now ^ self._before)]
        self._before = now
        if touched:
            pytest.fail("outside its own folder the test " + "; ".join(touched), pytrace=False)
        return result

    def _looks(self) -> set[tuple[str, int]]:
        """Every file of the installations that a service of this machine does not write.

        A test that acts as another user for a while cannot see them all: nothing is compared then.
        """
        if os.geteuid() != self._user:
            return self._before
        active, self._active = self._active, False
        try:
            return set(_all(self._watched))
        finally:
            self._active = active

    def guard(self, event: str, args: tuple[Any, ...]) -> None:
        """An audit hook: refuse what touches a file outside, and note it."""
        if self._active and (check := CHECKS.get(event)) is not None:
            check(self, event, *args)

    def _open(self, event: str, path: Any, mode: Any, flags: Any) -> None:
        self._look(event, path, writes=bool((flags or 0) & WRITING))

    def _one(self, event: str, path: Any, *rest: Any, writes: bool = True) -> None:
        if not rest or event == "os.chmod" or rest[-1] in (-1, None):  # no directory's descriptor
            self._look(event, path, writes)

    def _two(self, event: str, source: Any, target: Any, *_: Any) -> None:
        for path in (source, target) if event == "os.rename" else (target,):
            self._look(event, path, writes=True)

    def _unix(self, event: str, _: Any, address: Any) -> None:
        if isinstance(address, (str, bytes)) and address and address[:1] not in ("\0", b"\0"):
            self._look(event, address, writes=event == "socket.bind")

    def _child(self, event: str, program: Any, words: Any, cwd: Any, env: Any) -> None:
        said = [os.fsdecode(word) for word in (program, *words)]
        if said[0].endswith("edge-rt") or any("edge_rt." in word for word in said):
            given = {os.fsdecode(key): os.fsdecode(env[key]) for key in env or {}}
            own = os.environ if env is None else given
            missing = [key for key in ("HOME", ROOT) if not self._is_own(own.get(key))]
            if missing:
                self._refuse(f"{event} {said[0]} without its own {' and '.join(missing)}")

    def _is_own(self, place: str | None) -> bool:
        return place is not None and f"{place}/".startswith(self._writable)

    def _look(self, event: str, path: Any, writes: bool) -> None:
        if isinstance(path, int) or path in (
            None,
            ":memory:",
            b":memory:",
        ):  # SQLite's, as bytes in 3.10
            return
        name = os.fsdecode(path)
        if name.startswith("file:"):  # as SQLite has it
            name = name[5:].partition("?")[0]
        place = os.path.abspath(name) + "/"  # noqa: PTH100 - links are left as they are
        outside = writes and not place.startswith(self._writable) and "/__pycache__/" not in place
        if outside or place.startswith(self._private):
            self._refuse(f"{event} {place[:-1]}")

    def _refuse(self, what: str) -> None:
        self._touched.append(what)
        raise PermissionError(errno.EACCES, f"refused by {__name__}", what)


def _all(folders: set[str]) -> Iterator[tuple[str, int]]:
    """Four times a test: with os.scandir, which costs a third of os.walk and Path."""
    left = list(folders)
    while left:
        with suppress(OSError), os.scandir(left.pop()) as entries:  # it is gone by now
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    left.append(entry.path)
                with suppress(OSError):
                    yield entry.path, entry.stat(follow_symlinks=False).st_mtime_ns


def _replace(environ: Mapping[str, str]) -> None:
    for name in os.environ.keys() - environ.keys():
        del os.environ[name]
    for name, value in environ.items():
        if os.environ.get(name) != value:  # few differ, and each costs a call of the system
            os.environ[name] = value


CHECKS: dict[str, Callable[..., None]] = {
    "open": Hermetic._open,
    **dict.fromkeys(("os.listdir", "os.scandir"), partial(Hermetic._one, writes=False)),
    **dict.fromkeys(("os.mkdir", "os.rmdir", "os.remove", "os.utime"), Hermetic._one),
    **dict.fromkeys(("os.chmod", "os.chown", "sqlite3.connect"), Hermetic._one),
    **dict.fromkeys(("os.rename", "os.link", "os.symlink"), Hermetic._two),
    **dict.fromkeys(("socket.connect", "socket.bind"), Hermetic._unix),
    "subprocess.Popen": Hermetic._child,
}
