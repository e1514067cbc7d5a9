"""How good an answer is likely to be: by figures, rules and examples, and the trace tells it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge_rt.models.catalogue import load_catalogue
from edge_rt.models.pull import pull
from edge_rt.models.store.store import Store

WRITER, EMBEDDING = "smollm2-135m-instruct", "all-minilm-l6-v2"
RULES = """
rules: [{name: magic words, words: [abracadabra], weight: 5}]
examples: {weight: 1, easy: ['What is the capital of France?'], hard: [Prove a deep theorem.]}
"""


@pytest.fixture(scope="module")
def both_store(store: Path, minilm: Path, tmp_path_factory: Any) -> Path:
    """The usual store's model, and one that compares prompts."""
    root = tmp_path_factory.mktemp("store")
    models = Store(root, load_catalogue())
    models.add(next((store / WRITER).glob("*.gguf")), id=WRITER)
    pull(EMBEDDING, models, cache=minilm.parent.parent)
    return root


def chat(daemon: Any, text: str, **edge: Any) -> Any:
    body = {
        "model": "auto",
        "messages": [{"role": "user", "content": text}],
        "max_tokens": 4,
        "temperature": 0,
        "edge": {"trace": True, **edge},
    }
    answer = daemon.post(body, "/v1/chat/completions")
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_the_floor_is_kept_or_the_answer_says_that_it_is_not(
    own_daemon: Callable[..., Any], both_store: Path, tmp_path: Path
) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text(RULES)
    router = {"rules": str(rules), "embedding": EMBEDDING, "quality": 0.6}
    daemon = own_daemon(both_store, router=router)
    plain = chat(daemon, "What is the capital of Spain?")["edge"]
    assert "none reaches a quality of 0.60" in plain["route"]
    chance = plain["route_trace"]["assessed"]["chances"][WRITER]
    assert chance["p"] < 0.6
    assert any("easy example" in reason for reason in chance["reasons"])
    (row,) = plain["route_trace"]["considered"]
    assert row["candidate"]["quality"] == pytest.approx(chance["p"], abs=0.01)
    assert "of a quality of 0.01" in chat(daemon, "Hi there, you!", quality=0.01)["edge"]["route"]
    answer = chat(daemon, "Abracadabra! Name a colour.")
    assert "of a quality of 0.60 or better" in answer["edge"]["route"]
    told = daemon.run("trace", answer["id"]).stdout
    assert "magic words +5.00" in told
    assert f"{WRITER} good enough with 0." in told
    assert answer["edge"]["doubt"]["tokens"] == 4
