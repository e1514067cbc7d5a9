"""Looks at the daemon, one after the other, by a thread that may wait for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from edge_rt.cli.client import Client
from edge_rt.cli.exits import Failure, NoDaemon, Silent
from edge_rt.cli.words.document import Json

STATUS = "/edge/v1/status"
BOARD = "/edge/v1/board"
LEDGER = "/edge/v1/ledger?days=1&last=8"


@dataclass(frozen=True)
class Look:
    """What the daemon told at `time_s`; a part that it did not tell is empty.

    `trouble` says why parts are missing; `gone` means that there is no daemon.
    """

    time_s: float
    status: Json = field(default_factory=dict[str, Any])
    board: Json = field(default_factory=dict[str, Any])
    ledger: Json = field(default_factory=dict[str, Any])
    trouble: Failure | None = None

    @property
    def gone(self) -> bool:
        """Whether nothing was told."""
        return not (self.status or self.board or self.ledger)


def look(client: Client, clock: Callable[[], float] = time.monotonic) -> Look:
    """Ask for everything once; `clock` is in seconds."""
    parts: dict[str, Json] = {}
    trouble: Failure | None = None
    for name, path in (("status", STATUS), ("board", BOARD), ("ledger", LEDGER)):
        try:
            parts[name] = client.get(path)
        except NoDaemon as failure:
            return Look(clock(), trouble=failure)
        except Silent as failure:  # it would let us wait for the rest, too
            return Look(clock(), trouble=failure, **parts)
        except Failure as failure:
            trouble = trouble or failure
    return Look(clock(), trouble=trouble, **parts)


class Looker:
    """Looks every `period_s` seconds in a thread of its own, so that nobody waits for a daemon.

    Each look is put into `looks`, and then `tell` is called, by that thread.
    """

    def __init__(self, socket: Path, period_s: float, tell: Callable[[], object]) -> None:
        self.looks: SimpleQueue[Look] = SimpleQueue()
        self._socket, self._period_s, self._tell = socket, period_s, tell
        self._ending = threading.Event()
        # A daemon thread: one that waits for an answer must not hold up the end.
        self._thread = threading.Thread(target=self._run, name="looks", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """Look no more; a look under way is left to itself."""
        self._ending.set()

    def _run(self) -> None:
        with Client(self._socket) as client:
            while not self._ending.wait(self._period_s):
                self.looks.put(look(client))
                if not self._ending.is_set():
                    self._tell()
