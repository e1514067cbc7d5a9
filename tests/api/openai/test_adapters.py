"""`lora`, as llama-server takes it, becomes a part of the model's name."""

from __future__ import annotations

from typing import Any

import pytest

SAID = [{"role": "user", "content": "Hi"}]


@pytest.mark.parametrize(
    ("model", "lora", "asked"),
    [
        ("smol", [{"id": "style"}], "smol+style=1"),
        ("smol", [{"id": "a", "scale": 0.5}, {"id": 0, "scale": 2}], "smol+a=0.5+0=2"),
        (None, [{"id": "style"}], "default+style=1"),
        ("smol@q4", [{"id": "style", "scale": -1}], "smol+style=-1@q4"),
        ("smol", [], "smol"),
        ("smol", None, "smol"),
    ],
)
def test_adapters_are_asked_for_behind_the_model(
    client: Any, service: Any, model: str | None, lora: Any, asked: str
) -> None:
    client.post("/v1/chat/completions", {"messages": SAID, "model": model, "lora": lora})
    client.post("/v1/completions", {"prompt": "Hi", "model": model, "lora": lora})
    assert [wish.model for wish in service.wishes] == [asked, asked]


@pytest.mark.parametrize(
    ("lora", "param"),
    [
        ([{"id": "A b"}], "lora[0].id"),
        ([{"id": -1}], "lora[0].id"),
        ([{"id": "a", "scale": 1000}], "lora[0].scale"),
        ([{"id": "a", "path": "/x"}], "lora[0]"),
        ([{}], "lora[0]"),
        ("style", "lora"),
    ],
)
def test_what_is_no_adapter_is_an_error_that_names_it(client: Any, lora: Any, param: str) -> None:
    answer = client.post("/v1/completions", {"prompt": "Hi", "lora": lora})
    assert answer.status == 400, answer.body
    assert answer.json()["error"]["param"].startswith(param)
