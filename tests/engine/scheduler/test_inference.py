"""Tensors go through one request after the other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from task_toys import InferFront

from edge_rt.core.errors import EngineError, RequestError
from edge_rt.core.events import Inferred, Tensor
from edge_rt.engine.protocol import Failed, StepOutput
from edge_rt.engine.scheduler import tasks as inference

X = Tensor("float32", [2], np.array([1, 2], "<f4").tobytes())


def test_outputs_come_by_name_after_the_work_was_told() -> None:
    front = InferFront()
    front.submit(1, x=X)
    front.scheduler.step()
    answer = front.ended[1]
    assert isinstance(answer, Inferred)
    assert answer.tensors["y"] == Tensor("float32", [2], np.array([2, 4], "<f4").tobytes())
    assert isinstance(front.events[-2], StepOutput)
    assert front.spent_s(1) >= 1.0
    assert answer.timings.prefill_s >= 1.0
    assert front.started[1].prompt_tokens == 0


def test_one_pass_is_one_request_in_the_order_of_coming() -> None:
    front = InferFront()
    for id in (1, 2, 3):
        front.submit(id, x=X)
    assert (front.scheduler.running, front.scheduler.waiting) == (0, 3)
    front.scheduler.step()
    assert list(front.ended) == [1]
    assert (front.scheduler.running, front.scheduler.waiting) == (0, 2)


@pytest.mark.parametrize("error", [RequestError("no", param="inputs"), EngineError("broken")])
def test_a_run_that_fails_is_told_and_costs_what_it_took(error: Any) -> None:
    front = InferFront()
    front.backend.failures = [error]
    front.submit(1, x=X)
    front.submit(2, x=X)
    front.scheduler.step()
    front.scheduler.step()
    assert isinstance(front.ended[1], Failed)
    assert front.spent_s(1) >= 1.0
    assert isinstance(front.ended[2], Inferred)


def test_outputs_that_are_too_large_to_send_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inference, "MOST_BYTES", 7)
    front = InferFront()
    front.submit(1, x=X)
    front.scheduler.step()
    failed = front.ended[1]
    assert isinstance(failed, Failed)
    assert failed.code == "response_too_large"


def test_one_that_was_cancelled_is_not_run() -> None:
    front = InferFront()
    front.submit(1, x=X)
    front.scheduler.cancel(1)
    front.scheduler.step()
    assert not front.ended
    assert front.clock.now < 1.0


@pytest.mark.parametrize("dtype", ["bool", "float16", "float64", "int8", "uint16", "int64"])
def test_all_types_go_there_and_back(dtype: str) -> None:
    array = np.array([[0, 1], [1, 0]]).astype(dtype)
    front = InferFront()
    front.submit(1, x=Tensor(dtype, [2, 2], array.tobytes()))
    front.scheduler.step()
    answer = front.ended[1]
    assert isinstance(answer, Inferred)
    assert answer.tensors["y"].shape == [2, 2]
    assert np.frombuffer(answer.tensors["y"].data, answer.tensors["y"].dtype).sum() in (2, 4)
