"""Programs of the board's maker that turn what no file does."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edge_rt.governor.knobs.knob import KnobError

_LONGEST_S = 30.0
_ADMIN = "/usr/sbin:/sbin"  # not in everybody's PATH


@dataclass(frozen=True)
class Answer:
    """How a program ended and all that it printed."""

    code: int
    text: str

    @property
    def last_words(self) -> str:
        """The last lines, in one, for a message."""
        lines = [line.strip() for line in self.text.splitlines() if line.strip()]
        return "; ".join(lines[-3:]) or f"exit {self.code} and no word"


Program = Callable[[Sequence[str], str], Answer]
"""Runs with arguments and what stands on its standard input; raises KnobError."""


@dataclass(frozen=True)
class Programs:
    """What is installed; None where it is not."""

    nvpmodel: Program | None = None
    nvfancontrol: Program | None = None
    systemctl: Program | None = None

    @classmethod
    def installed(cls, folders: str | None = None) -> Programs:
        """The programs in `folders`, parted by colons; None: those of this machine."""
        places = folders or f"{os.environ.get('PATH', os.defpath)}:{_ADMIN}"
        names = ("nvpmodel", "nvfancontrol", "systemctl")
        return cls(*(_find(name, places) for name in names))


def _find(name: str, folders: str) -> Program | None:
    path = shutil.which(name, path=folders)
    return None if path is None else lambda arguments, said: _run(path, arguments, said)


def _run(path: str, arguments: Sequence[str], said: str) -> Answer:
    command = [path, *arguments]
    try:
        done = subprocess.run(
            command,
            input=said,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            timeout=_LONGEST_S,
            check=False,
            start_new_session=True,  # no terminal to ask at, and no share in our Ctrl-C
        )
    except subprocess.TimeoutExpired:
        raise KnobError(f"{' '.join(command)} did not end in {_LONGEST_S:g} s") from None
    except OSError as error:
        raise KnobError(f"{' '.join(command)}: {error.strerror or error}") from error
    return Answer(done.returncode, done.stdout)
