"""Write a GGUF file in another number format: a program of its own, for a child process.

    python -m edge_rt.backends.quantize IN OUT FORMAT THREADS

FORMAT is llama.cpp's number of the format (enum llama_ftype). Standard output tells of the work in
lines "done TENSORS ALL". Exit code 1: standard error says why.
"""

from __future__ import annotations

import ctypes
import os
import re
import sys
from pathlib import Path

import llama_cpp.llama_cpp as lib

from edge_rt.backends.llama.model import Complaints
from edge_rt.core.system.process import end_with_parent

_DONE = re.compile(r"\[\s*(\d+)/\s*(\d+)\]")
_BUFFER = 256 << 20  # bytes of rows in memory at once; llama.cpp's own limit is 8 GiB


class Quantizer:
    """Reads the library's log as it works: the only place where it tells of its progress."""

    def __init__(self, source: Path, target: Path, format: int, threads: int) -> None:
        self._source, self._target = os.fsencode(source), os.fsencode(target)
        self._params = lib.llama_model_quantize_default_params()
        self._params.ftype = format
        self._params.nthread = threads
        self._params.allow_requantize = True
        self._params.max_buf_size = _BUFFER
        self.complaints = Complaints()
        self._callback = lib.llama_log_callback(self._note)  # must outlive every call

    def run(self) -> bool:
        """Quantize; return whether it went well."""
        lib.llama_log_set(self._callback, ctypes.c_void_p())
        return not lib.llama_model_quantize(
            self._source, self._target, ctypes.pointer(self._params)
        )

    def _note(self, level: int, text: bytes, user: object) -> None:
        self.complaints.note(level, text, user)
        if found := _DONE.match(text.decode(errors="replace")):
            tell(f"done {found[1]} {found[2]}")


def tell(line: str) -> None:
    """Print `line`; where nobody reads any more, end."""
    try:
        print(line, flush=True)
    except BrokenPipeError:
        os._exit(1)  # within a callback of the library, which no exception passes through


def main(source: str, target: str, format: str, threads: str) -> int:
    """Do what the arguments say; returns the exit code."""
    end_with_parent(sys.stdout.fileno())
    quantizer = Quantizer(Path(source), Path(target), int(format), int(threads))
    if quantizer.run():
        return 0
    print(quantizer.complaints.summary(), file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
