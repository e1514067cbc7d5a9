"""Compile the constraints of requests, and start their checkers, beside the decode loop."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

from edge_rt.core.errors import RequestError
from edge_rt.engine.generation.home import Home
from edge_rt.engine.protocol import Generate
from edge_rt.engine.worker.port import Aside

log = logging.getLogger(__name__)

Homes = Callable[[Generate], list[Home]]
"""The schedulers of all models of a request that are loaded."""


class Compiler:
    """Compiles the constraints of requests, one after the other, before they are queued.

    A grammar that is compiled for the first time takes milliseconds, and a second for a model that
    had none; a checker starts as fast as its program does. Readable (select) when one is done.
    """

    def __init__(self, homes: Homes) -> None:
        self._homes = homes
        self._aside = Aside[Generate]("grammars")
        self._asked: set[int] = set()

    def fileno(self) -> int:
        return self._aside.fileno()

    def start(self, request: Generate) -> None:
        """Compile the constraint of a request for all its models, and start its checker."""
        homes = self._homes(request)
        self._asked.add(request.id)
        self._aside.do(lambda: _compile(request, homes))

    def cancel(self, request_id: int) -> None:
        """Drop a request."""
        self._asked.discard(request_id)

    def finished(self) -> Iterator[Generate]:
        """The requests that can be queued now, without those that were dropped."""
        for request in self._aside.finished():
            if request.id in self._asked:
                self._asked.remove(request.id)
                yield request


def _compile(request: Generate, homes: list[Home]) -> Generate:
    """Compile and start; the result or the error is kept for the scheduler of the request."""
    try:
        for home in homes:
            if request.constraint is not None:
                home.grammars.compile(request.constraint)
            if request.check is not None:
                home.checkers.start(request.check)
    except RequestError as error:
        log.debug("request %d: %s", request.id, error)
    except Exception:  # of a thread that must go on; the next to compile it fails, too
        log.exception("a constraint cannot be compiled")
    return request
