"""Daemons with small models of random weights whose layers have windows or recurrent states."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from family_gguf import write_family

from edge_rt.models.catalogue import load_catalogue
from edge_rt.models.store.store import Store

pytestmark = [pytest.mark.slow, pytest.mark.heavy]

FAMILIES = ("gemma3", "mamba2", "qwen35")
STORY = "The keeper of the lighthouse walked out to the end of the pier every evening. "
ENGINE = {"threads": 1, "context": 2048, "sequences": 3, "batch": 128}


@pytest.fixture(scope="module")
def kinds_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("kinds")
    store = Store(root / "models", load_catalogue())
    for family in FAMILIES:
        store.add(write_family(root / f"{family}.gguf", family), family, move=True)
    return root / "models"


@pytest.fixture
def daemon(own_daemon: Callable[..., Any], kinds_store: Path) -> Iterator[Any]:
    return own_daemon(kinds_store, engine=ENGINE)


def test_the_next_turn_of_a_chat_reads_only_what_is_new(daemon: Any) -> None:
    for family in FAMILIES:
        question = {"role": "user", "content": STORY * 10}
        turns = [question, {"role": "assistant", "content": "Yes."}, question]
        first, second = (
            chat(daemon, family, messages=messages, max_tokens=40)["usage"]
            for messages in ([question], turns)
        )
        cached = second["prompt_tokens_details"]["cached_tokens"]
        assert first["prompt_tokens"] > 700
        assert cached >= first["prompt_tokens"] - 16  # the beginning of the answer among them


def test_an_answer_survives_its_engine(daemon: Any) -> None:
    """Much further on two tokens that are equally likely might change places."""
    for family in FAMILIES:
        body = {"model": family, "prompt": STORY * 5, "temperature": 0, "max_tokens": 400}
        body |= {"ignore_eos": True}
        whole = daemon.post(body).json()["choices"][0]["text"]
        with daemon.stream(**body, stream_options={"include_usage": True}) as documents:
            told = "".join(next(documents)["choices"][0]["text"] for _ in range(5))
            daemon.kill_engine()
            *rest, usage = documents
        text = told + "".join(document["choices"][0]["text"] for document in rest)
        assert usage["usage"]["completion_tokens"] == 400
        same = len(told) + (0 if family == "gemma3" else 10)  # whose keys are rounded to Q8_0
        assert text[:same] == whole[:same]


def chat(daemon: Any, model: str, **body: Any) -> dict[str, Any]:
    usual = {"model": model, "temperature": 0}
    answer = daemon.post(usual | body, "/v1/chat/completions")
    assert answer.status_code == 200, answer.text
    return answer.json()
