"""Daemons on boards that have no profile: they serve, at the temperature of the chip."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from foreign import FOREIGN

from edge_rt.testing.board import FakeBoard


@pytest.mark.parametrize("kind", ["tx2", "agx-xavier", "agx-xavier-jp5", "amd", "radio"])
def test_an_answer_and_the_temperature_that_it_tells(
    own_daemon: Callable[..., Any], tmp_path: Path, kind: str
) -> None:
    tree, (make, expected) = FakeBoard(tmp_path / "board"), FOREIGN[kind]
    make(tree)
    daemon = own_daemon(sensors={"root": str(tree.proc.parent)})
    answer = daemon.post({"prompt": "Rain", "max_tokens": 4})
    assert answer.status_code == 200, answer.text
    assert answer.json()["edge"]["temp_c"] == expected.temp_c
    assert daemon.status()["board"]["temp_c"] == expected.temp_c
    assert daemon.http.get("/edge/v1/board").json()["temp_c"] == expected.temp_c
