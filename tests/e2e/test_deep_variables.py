"""Variables of a chat template may be as deep as they like: they are taken or refused by name."""

from __future__ import annotations

from typing import Any

import pytest

CHAT = "/v1/chat/completions"


@pytest.mark.parametrize("depth", [2, 100, 900, 1100, 20_000])
def test_deep_variables_are_taken_or_refused_by_name(daemon: Any, depth: int) -> None:
    deep = '{"a":' * depth + "1" + "}" * depth
    rest = '"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1'
    body = f'{{"model": "{daemon.model}", "chat_template_kwargs": {deep}, {rest}}}'
    answer = daemon.http.post(CHAT, content=body, headers={"content-type": "application/json"})
    if depth < 200:
        assert answer.status_code == 200, answer.text
    else:
        assert answer.status_code == 200 or "nested too deeply" in answer.text
        assert answer.status_code in (200, 400)
    assert daemon.complete("Once", max_tokens=1)
