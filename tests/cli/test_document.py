"""A document of the daemon is told whole: each field by its name, each figure with its unit."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console, RenderableType

from edge_rt.cli.document import caps, figure, pairs, table, title, view

Json = dict[str, Any]


def shown(content: RenderableType, width: int = 80) -> list[str]:
    file = io.StringIO()
    Console(width=width, file=file).print(content)
    return [line.rstrip() for line in file.getvalue().splitlines()]


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("power_w", 8.234, "8.23 W"),
        ("temp_c", 61.25, "61.2 °C"),
        ("energy_j", 12_400.0, "12.4 kJ"),
        ("window_s", 90.0, "1 min 30 s"),
        ("decode_tokens_per_s", 68.14, "68.1 /s"),
        ("cpu_hz", 1.6e9, "1600 MHz"),
        ("size_bytes", 30_000, "29.3 KiB"),
        ("error_ratio", 0.08, "8 %"),
        ("threads", 2, "2"),
        ("phi", 0.8312, "0.831"),
        ("flag", 1.0, "yes"),
        ("believed", False, "no"),
        ("rails", ["a", "b"], "a, b"),
        ("missing", [], "none"),
        ("why", "a\x1b[2J\nb", "a[2J b"),
        ("power_w", None, "-"),
        ("power_w", "unlike", "unlike"),
        ("ended", 1e30, "-"),
    ],
)
def test_a_figure_has_its_unit(name: str, value: object, text: str) -> None:
    assert figure(name, value) == text


def test_a_name_leaves_the_unit_to_the_figure() -> None:
    names = ("power_w", "prompt_tokens", "setting.energy_j", "tokens_per_s", "_w")
    assert [title(name) for name in names] == ["power", "prompt tokens", "energy", "tokens", "_w"]


def test_what_is_in_an_object_is_told_with_its_name() -> None:
    document = {"guard": "ok", "budget": {"power_w": 8.0}, "held_back_s": {"power_w": 61.0}}
    assert dict(pairs(document)) == {
        "guard": "ok",
        "budget power": "8.00 W",
        "held back power_w": "1 min 1 s",
    }


def test_lists_of_objects_are_tables_below_the_fields() -> None:
    rows = [{"model": "a", "spent": {"energy_j": 1.0}}, {"model": "b", "spent": {"energy_j": None}}]
    assert shown(view({"stored": True, "models": rows})) == [
        "stored  yes",
        "",
        "models",
        "model  energy",
        "a      1.00 J",
        "b           -",
    ]
    assert shown(view({"stored": True, "models": rows}, models=())) == ["stored  yes"]


def test_tables_in_objects_are_told_too() -> None:
    told = shown(view({"prefixes": {"groups": [{"model": "a"}]}}))
    assert told[-3:] == ["prefixes groups", "model", "a"]


def test_fields_of_a_table_can_be_chosen_and_a_row_marked() -> None:
    rows: list[Json] = [
        {"model": "a", "mode": None, "seconds": 2.345, "chosen": True},
        {"model": "b", "mode": None, "seconds": None},
    ]
    told = shown(table(rows, ("seconds", "mode", "model"), marked="chosen"))
    assert [line.split() for line in told] == [
        ["seconds", "model"],
        ["*", "2.35", "s", "a"],
        ["-", "b"],
    ]


def test_a_field_that_a_row_lacks_is_blank() -> None:
    rows: list[Json] = [{"model": "a", "hits": 1}, {"model": "b"}]
    assert shown(table(rows))[-1] == "b"


def test_caps_are_told_with_the_period_of_the_energy() -> None:
    budget = {"power_w": 8.0, "temp_c": None, "energy_j": 50_000.0, "energy_period": "day"}
    assert caps({"budget": budget}) == ["8.00 W", "50.0 kJ each day"]
    assert caps({}) == []
