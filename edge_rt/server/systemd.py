"""systemd: messages to it by sd_notify(3), and sockets from it by sd_listen_fds(3)."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
from collections.abc import Callable, MutableMapping

from edge_rt.core.clock import Pause
from edge_rt.core.errors import ListenError

FIRST = 3  # descriptor
_LISTEN_VARIABLES = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")
_FAMILIES = (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6)
log = logging.getLogger(__name__)
EVERY_S = 5.0  # between two signs of life, or less where the watchdog wants more
EXTEND_S = 30.0  # that each of them asks for until the daemon is ready
_SIGNS = 3  # within the watchdog's time, so that one may come late
_PATIENCE_S = 0.2  # for systemd to take a message; answers wait as long
_VARIABLES = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")


def handed_over(
    environ: MutableMapping[str, str] = os.environ, first: int = FIRST
) -> list[socket.socket]:
    """Return the sockets that this process was started with, none where it was started otherwise.

    Its children get neither them nor the variables that tell of them. Raises ListenError for what
    is no listening socket.
    """
    pid, count, _ = (environ.pop(name, "") for name in _LISTEN_VARIABLES)
    if pid != str(os.getpid()) or not count.isdigit():
        return []
    numbers = range(first, first + int(count))
    for number in numbers:
        os.set_inheritable(number, False)
    return [_listening(number) for number in numbers]


def _listening(number: int) -> socket.socket:
    sock = socket.socket(fileno=number)
    stream = sock.family in _FAMILIES and sock.type == socket.SOCK_STREAM
    if stream and sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        return sock
    sock.close()
    raise ListenError(
        f"descriptor {number}, which systemd hands over, is no socket that listens for streams: "
        "edge-rt.socket needs ListenStream= and Accept=no"
    )


class Notifier:
    """Sends messages to systemd; says nothing where there is none."""

    def __init__(
        self,
        address: str | None = None,
        watchdog_s: float | None = None,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        """`address` is that of systemd's socket, "@" first for an abstract one.

        Without a sign of life for `watchdog_s` systemd ends the daemon. `clock` is the monotonic
        one, in nanoseconds.
        """
        self._address, self._watchdog_s, self._clock = address, watchdog_s, clock
        self._starting = True

    @classmethod
    def detect(cls, environ: MutableMapping[str, str] = os.environ) -> Notifier:
        """Return the one that `environ` names.

        It is taken out: no child is to speak for the daemon.
        """
        address, microseconds, owner = (environ.pop(name, "") for name in _VARIABLES)
        mine = owner in ("", str(os.getpid())) and microseconds.isdigit()
        return cls(address or None, int(microseconds) / 1e6 if mine else None)

    @property
    def heard(self) -> bool:
        """Whether systemd listens."""
        return self._address is not None

    async def run(self, pause: Pause = asyncio.sleep) -> None:
        """Give signs of life for ever, from the loop that serves: if that hangs, they stop."""
        every_s = min(EVERY_S, (self._watchdog_s or EVERY_S * _SIGNS) / _SIGNS)
        while True:
            signs = [] if self._watchdog_s is None else ["WATCHDOG=1"]
            if self._starting:
                signs.append(f"EXTEND_TIMEOUT_USEC={EXTEND_S * 1e6:.0f}")
            self._say(*signs)
            await pause(every_s)

    def ready(self, status: str) -> None:
        """Report the end of a start or reload; `status` is one line for people."""
        self._starting = False
        self._say("READY=1", f"STATUS={status}")

    def reloading(self) -> None:
        """Report a reload; `ready` has to follow."""
        self._say("RELOADING=1", f"MONOTONIC_USEC={self._clock() // 1000}")

    def stopping(self) -> None:
        self._say("STOPPING=1")

    def _say(self, *lines: str) -> None:
        if self._address is None or not lines:
            return
        place = self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
                sock.settimeout(_PATIENCE_S)
                sock.connect(f"\0{place[1:]}" if place.startswith("@") else place)
                sock.send("\n".join(lines).encode())
        except OSError as error:  # systemd does what it does when it hears nothing
            log.warning("systemd does not hear %s: %s", lines[0], error)
