"""Health and status."""

from __future__ import annotations

import pytest

from edge_rt.core.errors import EngineError, Unavailable


def test_health_gives_the_proof(client, service):
    service.proof = {"status": "ok", "model": "smol"}
    response = client.get("/health")
    assert (response.status, response.json()) == (200, service.proof)


@pytest.mark.parametrize("error", [EngineError("died"), Unavailable("loading", retry_after_s=3)])
def test_health_without_proof_says_when_to_ask_again(client, service, error):
    service.proof = error
    response = client.get("/health")
    assert response.status == 503
    assert int(response.headers["retry-after"]) >= 1
    assert response.json()["error"]["message"] == str(error)


def test_health_is_503_as_well_where_somebody_has_to_act_first(client, service):
    service.proof = Unavailable("No text model", retry_after_s=None, code="no_model")
    response = client.get("/health")
    assert response.status == 503
    assert "retry-after" not in response.headers
    assert response.json()["error"]["code"] == "no_model"


def test_metrics_tell_what_gets_to_the_disk(client):
    lines = client.get("/metrics").body.decode().splitlines()
    assert [line for line in lines if line.startswith("edge_rt_storage")] == [
        'edge_rt_storage_writable{file="ledger.db"} 1.0',
        'edge_rt_storage_writable{file="cache.db"} 0.0',
        "edge_rt_storage_aside_files 0.0",
        "edge_rt_storage_free_bytes 4096.0",
    ]


def test_status(client):
    assert client.get("/edge/v1/status").json() == {"version": "1.2.3", "queue": 0}
