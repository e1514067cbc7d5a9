"""llama.cpp's log, kept quiet and asked only when something went wrong."""

from __future__ import annotations

import ctypes
from collections import deque
from collections.abc import Generator
from contextlib import contextmanager

import llama_cpp.llama_cpp as lib

_ERROR = 4  # enum ggml_log_level


class Complaints:
    """The last error lines that llama.cpp wrote."""

    def __init__(self) -> None:
        self._lines: deque[str] = deque(maxlen=4)

    def note(self, level: int, text: bytes, _user: object) -> None:
        """The log callback's shape: keep `text` when it is an error."""
        line = text.decode(errors="replace").strip()
        if level == _ERROR and line:
            self._lines.append(line)

    def summary(self) -> str:
        """The lines in one, the first cause first."""
        return "; ".join(self._lines) or "it gave no reason"


@contextmanager
def capture() -> Generator[Complaints]:
    """Collect llama.cpp's errors while the block runs; outside of any, the log is dropped."""
    complaints = Complaints()
    callback = lib.llama_log_callback(complaints.note)
    lib.llama_log_set(callback, ctypes.c_void_p())
    try:
        yield complaints
    finally:
        lib.llama_log_set(_SILENT, ctypes.c_void_p())


def _drop(_level: int, _text: bytes, _user: object) -> None:
    pass


_SILENT = lib.llama_log_callback(_drop)  # must outlive every call that llama.cpp may make
