"""Who cannot be served hears why, and whether to try again."""

from __future__ import annotations

from typing import Any

import pytest

from edge_rt.core.errors import RequestError, Unavailable
from edge_rt.core.limits import Limits
from edge_rt.core.routing import RunConfig
from edge_rt.core.trace import Candidate, Considered, Trace
from edge_rt.routing.choice.words import unroutable

ONE = Candidate(
    setting=RunConfig("m", 2, 0, "single", "f16"),
    backend="llama.cpp",
    quantisation="Q4_0",
    context=64,
    bytes=1e8,
    quality=None,
    cpq=0.1,
    loaded=False,
)


def error(*rules: Any, **limits: Any) -> Any:
    rows = [Considered(ONE, "dropped", "a reason", rule) for rule in rules]
    trace = Trace("auto", "energy", False, "nothing can serve it: a reason", rows)
    return unroutable(trace, Limits(2, **limits))


@pytest.mark.parametrize(
    ("rules", "limits", "code"),
    [
        (["memory", "context"], {}, "out_of_memory"),
        (["guard", "memory"], {"guard": "hold"}, "too_hot"),
        (["mode", "guard"], {}, "budget"),
        (["in_use"], {}, "out_of_memory"),
        (["context"], {"admission": "refuse", "guard": "evacuate"}, "too_hot"),
    ],
)
def test_what_may_pass_can_be_tried_again(
    rules: list[str], limits: dict[str, Any], code: str
) -> None:
    found = error(*rules, **limits)
    assert isinstance(found, Unavailable)
    assert (found.code, found.retry_after_s > 0) == (code, True)


def test_who_lacks_memory_hears_what_takes_less() -> None:
    assert str(error("memory")).startswith("Nothing can serve it: a reason. Use a smaller model")


@pytest.mark.parametrize(
    ("rules", "param", "code"),
    [
        (["mode", "context"], "prompt", "context_length_exceeded"),
        (["mode"], "model", "unsupported"),
        ([], "model", "unsupported"),
    ],
)
def test_what_will_not_pass_is_the_requests_fault(rules: list[str], param: str, code: str) -> None:
    found = error(*rules)
    assert isinstance(found, RequestError)
    assert (found.param, found.code) == (param, code)
    assert str(found) == "Nothing can serve it: a reason."
