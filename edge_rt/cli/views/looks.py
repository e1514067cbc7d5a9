"""Looks at the daemon, one after the other, and the speeds between them."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from edge_rt.cli.client import Client
from edge_rt.cli.exits import CommandFailure, NoDaemon, Silent
from edge_rt.cli.text import Json, member, number

_WINDOW = 4  # looks over which a speed is told: a few seconds
_LENGTH = 120  # looks of which the power is kept


@dataclass(frozen=True)
class _Mark:
    """Counters at one look; None where they are not known."""

    time_s: float
    tokens: float | None
    energy_j: float | None
    missing_s: float | None


class Trend:
    """The power of the last looks, and the speed between them."""

    def __init__(self) -> None:
        self.powers: deque[float | None] = deque(maxlen=_LENGTH)
        self._marks: deque[_Mark] = deque(maxlen=_WINDOW)

    def add(self, time_s: float, status: Json, board: Json) -> None:
        """Note a look at `time_s`; counters that went back mean that the daemon restarted."""
        supply = member(board, "supply")
        mark = _Mark(
            time_s,
            number(member(status, "tokens").get("completion")),
            number(supply.get("energy_j")),
            number(supply.get("missing_s")),
        )
        if self._marks and _before(mark, self._marks[-1]):
            self._marks.clear()
        self._marks.append(mark)
        self.powers.append(number(supply.get("power_w")))

    def gone(self) -> None:
        """Note that there was nothing to look at."""
        self._marks.clear()
        self.powers.append(None)

    @property
    def tokens_per_s(self) -> float | None:
        """Tokens of answers in each of the last few seconds; None where that is not known yet."""
        if len(self._marks) < 2:
            return None
        first, last = self._marks[0], self._marks[-1]
        tokens, elapsed = _grown(first.tokens, last.tokens), last.time_s - first.time_s
        return None if tokens is None or elapsed <= 0 else tokens / elapsed

    @property
    def joules_per_token(self) -> float | None:
        """All that the board took in these seconds, over their tokens.

        None without tokens, and where some of the energy is not known.
        """
        if len(self._marks) < 2:
            return None
        first, last = self._marks[0], self._marks[-1]
        tokens = _grown(first.tokens, last.tokens)
        energy = _grown(first.energy_j, last.energy_j)
        if not tokens or energy is None or _grown(first.missing_s, last.missing_s) != 0:
            return None
        return energy / tokens


def _grown(first: float | None, last: float | None) -> float | None:
    return None if first is None or last is None else last - first


def _before(mark: _Mark, other: _Mark) -> bool:
    pairs = ((mark.tokens, other.tokens), (mark.missing_s, other.missing_s))
    return any((_grown(old, new) or 0) < 0 for new, old in pairs)


STATUS = "/edge/v1/status"
BOARD = "/edge/v1/board"
LEDGER = "/edge/v1/ledger?days=1&last=8"


@dataclass(frozen=True)
class DaemonSnapshot:
    """The documents of the daemon at `time_s`; one that it did not give is empty.

    `trouble` says why parts are missing; `gone` means that there is no daemon.
    """

    time_s: float
    status: Json = field(default_factory=dict[str, Any])
    board: Json = field(default_factory=dict[str, Any])
    ledger: Json = field(default_factory=dict[str, Any])
    trouble: CommandFailure | None = None

    @property
    def gone(self) -> bool:
        """Whether nothing was told."""
        return not (self.status or self.board or self.ledger)


def look(client: Client, clock: Callable[[], float] = time.monotonic) -> DaemonSnapshot:
    """Ask for everything once; `clock` is in seconds."""
    parts: dict[str, Json] = {}
    trouble: CommandFailure | None = None
    for name, path in (("status", STATUS), ("board", BOARD), ("ledger", LEDGER)):
        try:
            parts[name] = client.get(path)
        except NoDaemon as failure:
            return DaemonSnapshot(clock(), trouble=failure)
        except Silent as failure:  # it would let us wait for the rest, too
            return DaemonSnapshot(clock(), trouble=failure, **parts)
        except CommandFailure as failure:
            trouble = trouble or failure
    return DaemonSnapshot(clock(), trouble=trouble, **parts)


class DaemonPoller:
    """Asks the daemon every `period_s` seconds in a thread, so that the screen never waits.

    Each look is put into `looks`, and then `tell` is called, by that thread.
    """

    def __init__(self, socket: Path, period_s: float, tell: Callable[[], object]) -> None:
        self.looks: SimpleQueue[DaemonSnapshot] = SimpleQueue()
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
