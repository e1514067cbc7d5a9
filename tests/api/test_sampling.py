"""Repetitions, from the fields of llama-server to sampling."""

from __future__ import annotations

from typing import Any

import pytest

from edge_rt.core.decoding import Dry, Sampling


def sampled(client: Any, service: Any, **fields: Any) -> Sampling:
    for send in (client.chat, client.complete):
        answered = send(**fields)
        assert answered.status == 200, answered.text
        assert "x-edge-warning" not in answered.headers
    one, other = (call.sampling for call in service.calls[-2:])
    assert one == other
    return one


def test_repetitions_are_penalised_as_asked(client: Any, service: Any) -> None:
    assert sampled(client, service, dry_multiplier=0.8).dry == Dry(0.8)
    assert sampled(client, service, dry_multiplier=0, dry_base=2).dry is None
    all_said = {
        "dry_multiplier": 1.5,
        "dry_base": 2,
        "dry_allowed_length": 3,
        "dry_penalty_last_n": 64,
        "dry_sequence_breakers": ["\n", "</s>"],
    }
    expected = Dry(1.5, 2.0, 3, 64, ("\n", "</s>"))
    assert sampled(client, service, **all_said).dry == expected


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"dry_multiplier": -1}, "dry_multiplier"),
        ({"dry_base": 0.5}, "dry_base"),
        ({"dry_sequence_breakers": [""]}, "dry_sequence_breakers[0]"),
    ],
)
def test_what_cannot_be_is_named(client: Any, fields: dict[str, Any], param: str) -> None:
    for send in (client.chat, client.complete):
        answered = send(**fields)
        assert (answered.status, answered.json()["error"]["param"]) == (400, param)


def test_a_pin_reaches_the_call_and_asks_nothing_else(client: Any, service: Any) -> None:
    for pin in (True, False):
        assert client.chat(edge={"pin": pin}).status == 200
    first, second = service.calls
    assert (first.pin, second.pin) == (True, False)
    assert first.sampling == second.sampling


def test_mirostat_is_refused_with_what_to_do_instead(client: Any) -> None:
    error = client.chat(mirostat=2).json()["error"]
    assert error["param"] == "mirostat"
    assert "`min_p`" in error["message"]
