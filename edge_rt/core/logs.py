"""What daemon and engine write to standard error, and troubles that are told once."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator
from types import TracebackType

_ENDS_A_LINE = (*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029)  # or moves a terminal's cursor
_CONTROL = {code: f"\\x{code:02x}" for code in _ENDS_A_LINE}


class Trouble:
    """A fault of one part, such as a file. It is logged once, until its reason changes."""

    def __init__(self, log: logging.Logger, what: str) -> None:
        """Know no fault; `what` says in words what does not work while there is one."""
        self._log, self._what = log, what
        self._why: object = None

    @property
    def told(self) -> str | None:
        """The fault in words, with its reason; None: it works."""
        return None if self._why is None else f"{self._what}: {self._why}"

    def met(self, why: object, unforeseen: Exception | None = None) -> None:
        """Note that it fails because of `why`; the trace of `unforeseen` is logged."""
        if why != self._why:
            self._log.warning("%s: %s", self._what, why, exc_info=unforeseen)
        self._why = why

    def over(self) -> None:
        """Note that it works again."""
        if self._why is not None:
            self._log.info("no longer so: %s", self._what)
        self._why = None


_Raised = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


class PlainLines(logging.Formatter):
    """One line a message, whatever names and texts of others it holds.

    Of an unexpected error it tells where it was raised and of which kind it is, but its message
    only where that is the system's or the level is "debug": it may hold what somebody asked.
    """

    def __init__(self) -> None:
        super().__init__("%(levelname)s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """See logging.Formatter."""
        return super().formatMessage(record).translate(_CONTROL)

    def formatException(self, ei: _Raised) -> str:  # noqa: N802 - logging's name
        """See logging.Formatter."""
        whole = logging.getLogger().isEnabledFor(logging.DEBUG)
        lines = [line for error in _chain(ei[1]) for line in _lines(error, whole)]
        return "\n".join(f"  {line.translate(_CONTROL)}" for line in lines)


def log_to_stderr(level: str) -> None:
    """Have the process log from `level` on: "debug", "info", "warning" or "error"."""
    handler = logging.StreamHandler()
    handler.setFormatter(PlainLines())
    logging.basicConfig(level=level.upper(), handlers=[handler])
    # What is wrong with requests is not worth a line each: a client could fill the disk with it.
    logging.getLogger("uvicorn").setLevel(logging.ERROR)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield the error, and those that it came of, the last one first."""
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _lines(error: BaseException, whole: bool) -> Iterator[str]:
    said = f": {error}" if whole or isinstance(error, OSError) else ""
    yield f"{type(error).__name__}{said}, raised at"
    for frame in traceback.extract_tb(error.__traceback__):
        yield f"  {frame.filename}:{frame.lineno} in {frame.name}: {frame.line}"
