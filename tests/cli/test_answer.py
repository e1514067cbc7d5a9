"""The line that tells what an answer cost says no more than is known."""

from __future__ import annotations

from typing import Any

import pytest

from edge_rt.cli.progress import ReceivedAnswer

KNOWN = {"energy_j": 12.42, "energy_quality": "measured", "power_w": 5.934, "temp_c": 61.2}
KNOWN |= {"power_quality": "measured"}
MODELLED = {"energy_quality": "modelled", "power_quality": "modelled"}
SHORT = {"energy_j": None, "energy_quality": "unresolved"}


def cost(**edge: Any) -> str:
    told = {"model": "smol", "backend": "llama.cpp", "tokens_per_s": 31.2}
    return ReceivedAnswer("", "stop", {"completion_tokens": 64}, told | edge).cost(2.31)


def test_all_that_is_known_is_told() -> None:
    assert cost(**KNOWN) == (
        "64 tokens, 31.2 tok/s, 2.31 s, 12.4 J (measured), 5.93 W, 61 °C, smol, llama.cpp"
    )


def test_a_simulated_board_is_named_beside_its_joules() -> None:
    assert cost(**KNOWN | MODELLED, simulated="raspberry-pi-5") == (
        "64 tokens, 31.2 tok/s, 2.31 s, 12.4 J (modelled), 5.93 W (modelled), 61 °C, "
        "simulated raspberry-pi-5, smol, llama.cpp"
    )


def test_how_two_models_made_it_is_told() -> None:
    edge = {"mode": "switch:entropy", "partner": "tiny", "small_tokens": 48, "large_tokens": 16}
    assert cost(**edge).endswith("smol, llama.cpp, switch:entropy: 25 % by the large model")
    assert cost(mode="single", partner=None) == cost()


def test_its_id_is_told_apart_from_its_cost() -> None:
    answer = ReceivedAnswer(edge={"model": "smol", "route": "the fewest joules"})
    answer.take({"id": "cmpl-7\x1b", "choices": []})
    assert answer.cost(1.0) == "1.00 s, smol"
    assert answer.identity() == "id cmpl-7, why: edge-rt trace cmpl-7"
    assert ReceivedAnswer(id="cmpl-8").identity() == "id cmpl-8"
    assert ReceivedAnswer().identity() == "id -"


@pytest.mark.parametrize(
    ("edge", "told"),
    [
        ({}, ""),
        (KNOWN | MODELLED, "12.4 J (modelled), 5.93 W (modelled), 61 °C, "),
        (KNOWN | MODELLED | SHORT, "energy unresolved, 5.93 W (modelled), 61 °C, "),
        (KNOWN | SHORT, "energy unresolved, 5.93 W, 61 °C, "),
        (KNOWN | {"temp_c": None}, "12.4 J (measured), 5.93 W, "),
        (
            {"energy_j": None, "energy_quality": "unresolved", "power_w": None, "temp_c": None},
            "energy unresolved, ",
        ),
        (
            {"energy_j": None, "energy_quality": "unresolved", "power_w": 5.0, "temp_c": 40},
            "energy unresolved, 5.00 W, 40 °C, ",
        ),
        (KNOWN | {"energy_j": 0.0, "power_w": None, "temp_c": None}, "0.00 J (measured), "),
    ],
)
def test_what_is_missing_is_left_out_or_said_to_be(edge: dict[str, Any], told: str) -> None:
    assert cost(**edge) == f"64 tokens, 31.2 tok/s, 2.31 s, {told}smol, llama.cpp"


@pytest.mark.parametrize(
    ("reason", "edge", "told"),
    [
        ("length", {"why": None}, "cut off at the token limit"),
        ("length", {"why": "its 2 J are spent", "asked": None}, "its 2 J are spent"),
        ("stop", {"why": "the board is warm", "asked": "big"}, "the board is warm"),
        (
            "length",
            {"why": "the board is warm", "asked": "big"},
            "the board is warm; cut off at the token limit",
        ),
    ],
)
def test_an_early_end_has_its_reason(reason: str, edge: dict[str, Any], told: str) -> None:
    line = ReceivedAnswer(
        "", reason, {"completion_tokens": 64}, {"backend": "llama.cpp"} | edge
    ).cost(2.0)
    assert line == f"64 tokens, 2.00 s, llama.cpp, {told}"
