"""What the daemon tells the exporter of a request: spans, without any text of prompt or answer."""

from __future__ import annotations

from typing import Union

import msgspec

Value = Union[str, bool, int, float, list[str]]  # noqa: UP007 - msgspec evaluates it at run time


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
