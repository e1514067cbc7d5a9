"""A copy of the checkout in which tests run."""

from __future__ import annotations

import hashlib
import json
import math
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import coverage

from mutatelib import MutateError
from mutatelib.contexts import TIMES
from mutatelib.mutants import Mutant

# The tests that `tools/test` runs many of at a time.
FAST = ["-m", "not qwen and not whole and not slow and not heavy and not alone"]
FAST += ["--hypothesis-profile", "short", "-p", "mutatelib.quick"]
_FIRST = 40  # tests are tried before all others, which take longer to collect alone
_MOST_BYTES = 6 * 1024**3  # of data: what an endless loop may take
_PATIENCE, LEAST_S = 10.0, 20.0  # of what tests took with all that coverage does, and at least
_BUSY = 10.0  # times that by the clock, since others may need the processor, too
_TOOLS = Path(__file__).resolve().parents[1]


class Tree:
    """The files of a checkout below `folder`, and which of its tests run which line.

    A folder from an earlier call is gone on with where the checkout is still the same.
    """

    def __init__(self, checkout: Path, folder: Path, least_s: float = LEAST_S) -> None:
        """`least_s` is how much of a processor the quickest tests may take with a fault."""
        self.root = folder / "tree"
        self._least_s = least_s
        self._maps = folder / "maps"
        self._seconds: dict[str, float] = {}
        self._tests: dict[str, dict[int, set[str]]] = {}  # by file and line
        files = _files(checkout)
        digest = _digest(checkout, files)
        stamp = folder / "checkout"
        if not stamp.exists() or stamp.read_text() != digest:
            for old in (stamp, self.root, self._maps):
                shutil.rmtree(old) if old.is_dir() else old.unlink(missing_ok=True)
            self._maps.mkdir()
            stamp.write_text(digest)
        for file in files:  # also of the same checkout: a call that was killed left a fault there
            (self.root / file).parent.mkdir(parents=True, exist_ok=True)
            (self.root / file).unlink(missing_ok=True)
            shutil.copy2(checkout / file, self.root / file, follow_symlinks=False)

    def learn(self, room: str) -> None:
        """Run the fast tests of a room once, for which lines each runs and how long it takes."""
        data = self._maps / f"{room.replace('/', '-')}.coverage"
        times = data.with_suffix(".json")
        if not times.exists():
            self._measure(room, data, times)
        self._seconds |= json.loads(times.read_text())
        self._add(data)

    def _measure(self, room: str, data: Path, times: Path) -> None:
        draft = times.with_suffix(".draft")
        words = ["-m", "coverage", "run", f"--data-file={data}", "--include=edge_rt/*"]
        words += ["-m", "pytest", "-p", "mutatelib.contexts", *FAST, f"tests/{room}"]
        status = self._python(words, None, {TIMES: str(draft)}, quiet=False)
        if status not in (0, 1) or not draft.exists():
            raise MutateError(f"pytest ended with {status} on the tests of {room}")
        draft.rename(times)

    def _add(self, data: Path) -> None:
        found = coverage.CoverageData(str(data))
        found.read()
        for file in found.measured_files():
            lines = self._tests.setdefault(str(Path(file).relative_to(self.root)), {})
            for line, tests in found.contexts_by_lineno(file).items():
                lines.setdefault(line, set()).update(self._seconds.keys() & tests)

    def tests(self, mutant: Mutant) -> list[str]:
        """Return the tests that run its lines: those of its own room first, then the quickest."""
        lines = self._tests.get(mutant.path, {})
        found = {test for line in mutant.lines for test in lines.get(line, ())}
        own = str(Path("tests", *Path(mutant.path).parent.parts[1:]))
        return sorted(found, key=lambda test: (not test.startswith(own), self._seconds[test], test))

    def survives(self, mutant: Mutant, tests: Sequence[str]) -> bool:
        """Return whether `tests` pass with the fault, until the first that does not."""
        with self._changed(mutant):
            return all(self.passes(part) for part in (tests[:_FIRST], tests[_FIRST:]) if part)

    def passes(self, tests: Sequence[str]) -> bool:
        """Return whether `tests` pass; what goes on for too long has failed."""
        chosen = self._maps / "chosen"
        chosen.write_text("\n".join(tests) + "\n")
        limit_s = self._least_s + _PATIENCE * sum(self._seconds[test] for test in tests)
        words = ["-m", "pytest", "-x", *FAST, f"@{chosen}"]
        return self._python(words, limit_s, {}) == 0

    @contextmanager
    def _changed(self, mutant: Mutant) -> Iterator[None]:
        path = self.root / mutant.path
        before, status = path.read_bytes(), path.stat()
        path.write_text(mutant.text)
        try:
            yield
        finally:
            path.write_bytes(before)
            os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))

    def _python(
        self, words: list[str], limit_s: float | None, more: Mapping[str, str], quiet: bool = True
    ) -> int | None:
        """Run Python in the copy, for `limit_s` of a processor; return its exit code, None where
        it stood still for too long.
        """
        # Compiled modules are those of the copy as it is without a fault.
        env = {**os.environ, **more, "PYTHONPATH": f"{self.root}:{_TOOLS}"}
        env |= {"PYTHONDONTWRITEBYTECODE": "1"} if quiet else {}
        process = subprocess.Popen(
            [sys.executable, *words, "-q", "-p", "no:cacheprovider"],
            cwd=self.root,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL if quiet else None,
            stderr=subprocess.DEVNULL if quiet else None,
            start_new_session=True,  # the children of tests go with it
            preexec_fn=partial(_bound, limit_s),
        )
        try:
            return process.wait(limit_s and _BUSY * limit_s)
        except subprocess.TimeoutExpired:
            return None
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _bound(limit_s: float | None) -> None:
    """Bound memory and processor time of this process and of each child, against endless loops."""
    bounds = {resource.RLIMIT_DATA: _MOST_BYTES}
    bounds |= {} if limit_s is None else {resource.RLIMIT_CPU: math.ceil(limit_s)}
    for kind, most in bounds.items():
        _, hard = resource.getrlimit(kind)
        resource.setrlimit(kind, (most if hard < 0 else min(hard, most), hard))


def _files(checkout: Path) -> list[str]:
    words = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    found = subprocess.run(words, cwd=checkout, capture_output=True, text=True)
    if found.returncode:
        raise MutateError(f"{checkout}: no checkout of git: {found.stderr.strip()}")
    files = [file for file in found.stdout.split("\0") if file]
    return [file for file in files if os.path.lexists(checkout / file)]


def _digest(checkout: Path, files: Iterable[str]) -> str:
    found = hashlib.sha256()
    for file in sorted(files):
        path = checkout / file
        content = os.fsencode(path.readlink()) if path.is_symlink() else path.read_bytes()
        found.update(f"{file} {hashlib.sha256(content).hexdigest()}\n".encode())
    return found.hexdigest()
