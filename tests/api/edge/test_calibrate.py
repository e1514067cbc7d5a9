"""Calibrations over HTTP end with their client."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from edge_rt.core.errors import EngineError, ModelNotFound
from edge_rt.core.reports.planning import Calibrated, CalibrateRequest, Fitted, Progress, Refused

PATH = "/edge/v1/calibrate"
RATES = 200.0, 60.0, 3.0, 8.0, 7.0
FITTED = Fitted("smol", "llama.cpp", 2, 0, "f16", *RATES, "measured", 0.02, None)
CALIBRATED = Calibrated("pi", "2026-11-26T00:00:00Z", 4e10, 1e10, None, None, "unknown", [FITTED])


def test_it_tells_where_it_stands_and_what_it_found(client: Any, service: Any) -> None:
    service.calibrations = [Progress(0.5, "reading"), CALIBRATED]
    response = client.post(PATH, {"quick": True, "model": "smol"})
    progress, found, done = response.events()
    assert progress == {"type": "progress", "done": 0.5, "doing": "reading"}
    assert (found["type"], found["models"][0]["energy_error"]) == ("calibrated", None)
    assert done == "[DONE]"
    assert service.asks == [CalibrateRequest(quick=True, model="smol")]


def test_a_refusal_is_no_error(client: Any, service: Any) -> None:
    service.calibrations = [Refused("the board is hot")]
    response = client.post(PATH, {"force": True})
    assert response.status == 200
    assert response.events() == [{"type": "refused", "reason": "the board is hot"}, "[DONE]"]
    assert service.asks == [CalibrateRequest(force=True)]


@pytest.mark.parametrize(
    ("error", "status"), [(ModelNotFound("no"), 404), (EngineError("no"), 500)]
)
def test_what_fails_at_once_has_its_status(
    client: Any, service: Any, error: Exception, status: int
) -> None:
    service.calibrations = [error]
    assert client.post(PATH, {}).status == status


def test_what_fails_later_is_told_in_the_stream(client: Any, service: Any) -> None:
    service.calibrations = [Progress(0.5, "reading"), EngineError("the engine is gone")]
    _, failure = client.post(PATH, {}).events()
    assert failure["error"]["message"] == "the engine is gone"


def test_it_ends_when_the_client_leaves(make_client: Any, service: Any) -> None:
    service.calibrations = [Progress(0.1, "reading"), asyncio.Event()]

    async def run() -> None:
        connection = make_client().open("POST", PATH, {})
        await connection.message()
        connection.leave()
        await connection.end()
        assert service.closed == 1

    asyncio.run(run())


@pytest.mark.parametrize("body", [{"quick": 1}, {"model": ""}, {"thorough": True}, []])
def test_bad_bodies(client: Any, service: Any, body: Any) -> None:
    assert client.post(PATH, body).status == 400
    assert service.asks == []


def test_what_is_known(client: Any, service: Any) -> None:
    service.calibrations = [CALIBRATED]
    response = client.get("/edge/v1/calibration")
    assert msgspec.json.decode(response.body, type=Calibrated) == CALIBRATED
    assert client.get("/edge/v1/calibration?x=1").status == 400
    assert client.get(PATH).status == 405
