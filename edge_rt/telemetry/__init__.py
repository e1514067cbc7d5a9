"""Spans of requests for OpenTelemetry, handed over to a process of their own, which sends them.

No span has any text of prompt or answer; spans that the process does not take are dropped.
"""

from __future__ import annotations

import logging
import socket
import subprocess
import sys
from contextlib import suppress
from typing import Union

import msgspec

from edge_rt.core.logs import Trouble

Value = Union[str, bool, int, float, list[str]]  # noqa: UP007 - msgspec evaluates it at run time

LAST_S = 3.0  # for the exporter to send what it has when the daemon ends
_EXPORTER = (sys.executable, "-m", "edge_rt.telemetry.exporter")


class Phase(msgspec.Struct, frozen=True):
    """A part of a request's time; `start_ns` and `end_ns` are Unix nanoseconds."""

    name: str
    start_ns: int
    end_ns: int


class RequestSpan(msgspec.Struct, frozen=True):
    """One request; times as of `Phase`."""

    name: str
    start_ns: int
    end_ns: int
    attributes: dict[str, Value]
    phases: list[Phase]
    parent: dict[str, str]  # the headers traceparent and tracestate, as far as they came
    failed: bool = False


_log = logging.getLogger(__name__)


class SpanLink:
    """The exporter's process, and a socket to it whose buffer bounds what waits there.

    The process is started before the daemon gives up the network, and never again: without it
    traces are dropped, and answers are as they were.
    """

    def __init__(self, collector: str, *, last_s: float = LAST_S) -> None:
        """`collector` is the address of an OTLP collector, as telemetry.otlp has it."""
        self._last_s = last_s
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._trouble = Trouble(_log, "telemetry.otlp: no more traces are sent until a restart")
        with theirs:
            self._process = subprocess.Popen(
                [*_EXPORTER, collector], stdin=theirs.fileno(), stdout=subprocess.DEVNULL, cwd="/"
            )
        self._socket.setblocking(False)

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    def send(self, span: RequestSpan) -> bool:
        """Hand over a span, and return whether it was taken; never waits, never raises."""
        try:
            self._socket.send(msgspec.json.encode(span))
        except BlockingIOError:  # the exporter does not keep up
            return False
        except (OSError, UnicodeEncodeError) as error:
            if self._process.poll() is not None:
                code = self._process.returncode
                self._trouble.met(f"the process that sends them has ended ({code})")
            else:
                _log.debug("a span cannot be handed over: %s", error)
            return False
        return True

    def close(self) -> None:
        """End the process, once it has sent what it has or LAST_S have passed."""
        with self._socket, suppress(OSError):  # it may have ended
            self._socket.shutdown(socket.SHUT_WR)  # at whose end it ends
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(self._last_s)
        self._process.kill()
        self._process.wait()
