"""What is done of an evaluation, so that it can go on where it ended."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from evallib import EvalError
from evallib.record import Key, Record


class Journal:
    """A file with a line for each answer, written as it comes.

    A line that was not finished when the power went is dropped. Of two of the same key the later
    one counts; a failure is kept, but counts as not done.
    """

    def __init__(self, path: Path, kind: type[Record] = Record) -> None:
        """Read what is there, each line as a `kind`; raises EvalError for a file that is no such
        journal.
        """
        self._path, self._kind = path, kind
        self._found: dict[Key, Record] = {}
        self._file = None
        try:
            if path.exists():
                self._read()
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("ab")
        except OSError as error:
            raise EvalError(f"{path}: {error.strerror or error}") from error

    def __iter__(self) -> Iterator[Record]:
        return iter(self._found.values())

    def __len__(self) -> int:
        return len(self._found)

    def get(self, key: Key) -> Record | None:
        """Return what is known of an answer, failures included."""
        return self._found.get(key)

    def done(self, key: Key) -> bool:
        """Return whether an answer is there."""
        record = self.get(key)
        return record is not None and record.failed is None

    def add(self, record: Record) -> None:
        """Write an answer down for good."""
        assert self._file is not None
        self._file.write(msgspec.json.encode(record) + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())
        self._found[record.key] = record

    def close(self) -> None:
        """Write nothing more."""
        if self._file is not None:
            self._file.close()

    def _read(self) -> None:
        content = self._path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        for number, line in enumerate(whole.splitlines(), 1):
            try:
                record = msgspec.json.decode(line, type=self._kind)
            except ValueError as error:
                advice = "move the file away, or name another report"
                raise EvalError(f"{self._path}:{number}: no answer: {error}; {advice}") from error
            self._found[record.key] = record
        if len(whole) < len(content):
            os.truncate(self._path, len(whole))
