"""What does not work for now, told in the log as it begins and ends."""

from __future__ import annotations

import logging


class Trouble:
    """One thing that may not work, none at first. The log has it once, until the reason changes."""

    def __init__(self, log: logging.Logger, what: str) -> None:
        """`what` is so for as long as it lasts."""
        self._log, self._what = log, what
        self._why: object = None

    @property
    def told(self) -> str | None:
        """What is so, and why; None: it works."""
        return None if self._why is None else f"{self._what}: {self._why}"

    def met(self, why: object, unforeseen: Exception | None = None) -> None:
        """It does not work, for that reason; of what is `unforeseen` the log has the trace."""
        if why != self._why:
            self._log.warning("%s: %s", self._what, why, exc_info=unforeseen)
        self._why = why

    def over(self) -> None:
        """It works."""
        if self._why is not None:
            self._log.info("no longer so: %s", self._what)
        self._why = None
