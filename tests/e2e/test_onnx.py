"""A model of onnxruntime is served as any other, beside one of llama.cpp and by itself.

What it writes may differ in a near tie where a text is read in other pieces than it was made in,
so that answers are judged by what they are, and not by being the same to the letter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

GGUF, ONNX = "smollm2-135m-instruct", "smollm2-onnx"
PINS = {GGUF: f"{GGUF}@llama.cpp", ONNX: f"{ONNX}@onnx"}
CHAT = [{"role": "user", "content": "Name the days of the week."}]
DAYS = "Monday, Tuesday, Wednesday, Thursday, Friday"  # what the model is sure of
FIRM = {"temperature": 0, "max_tokens": 40}
LONG = {"prompt": "Once upon a time there was a fox who", "max_tokens": 60, "ignore_eos": True}


@pytest.fixture(scope="module")
def daemon(
    make_daemon: Callable[..., Any], make_board: Any, both_backends: Path, tools: Any
) -> Iterator:
    """Of a board that tells its power."""
    with make_board("jetson-orin-nano-8gb") as root:
        daemon = make_daemon(both_backends, sensors={"root": str(root)})
        daemon.model = PINS[ONNX]
        tools.steady(lambda: rest_w(daemon), "the board's rest is seen")
        yield daemon
        daemon.close()


def rest_w(daemon: Any) -> float | None:
    supply = daemon.http.get("/edge/v1/board").json()["supply"]
    return supply and supply["idle_w"]


@pytest.mark.slow
def test_a_chat_is_answered_and_its_cost_told(daemon: Any) -> None:
    with daemon.stream("/v1/chat/completions", messages=CHAT, **FIRM) as events:
        documents = list(events)
    text = "".join(
        choice["delta"].get("content") or "" for d in documents for choice in d["choices"]
    )
    assert DAYS in text
    assert len(documents) > 4
    told = documents[-1]["edge"]
    assert told["backend"] == "onnx"
    assert told["tokens_per_s"] > 0
    assert told["energy_j"] > 0


@pytest.mark.slow
def test_both_libraries_answer_alike(daemon: Any) -> None:
    for model in (ONNX, GGUF, ONNX, GGUF):
        answer = daemon.post(
            {"model": PINS[model], "messages": CHAT} | FIRM, "/v1/chat/completions"
        ).json()
        assert DAYS in answer["choices"][0]["message"]["content"]
        assert answer["model"] == model
    assert daemon.loaded() == {GGUF, ONNX}


def test_streams_run_side_by_side(daemon: Any, tools: Any) -> None:
    def stream(number: int) -> int:
        with daemon.stream(**LONG | {"prompt": f"{number}. {LONG['prompt']}"}) as events:
            return sum(bool(d["choices"] and d["choices"][0]["text"]) for d in events)

    pieces = tools.together([lambda n=n: stream(n) for n in range(3)])
    assert min(pieces) > 2


def test_prompts_are_counted_whether_the_model_is_loaded_or_not(
    own_daemon: Callable[..., Any], both_backends: Path
) -> None:
    daemon = own_daemon(both_backends)
    asked = {"models": [GGUF, ONNX], "messages": CHAT}
    report = daemon.http.post("/edge/v1/plan", json=asked).json()
    counts = {c["model"]: c["prompt_tokens"] for c in report["candidates"]}
    assert daemon.loaded() == set()
    assert counts[GGUF] == counts[ONNX] > 20


def test_a_cancelled_stream_is_gone_and_the_next_reads_little(daemon: Any) -> None:
    asked = {"messages": CHAT, "max_tokens": 900, "ignore_eos": True}
    with daemon.stream("/v1/chat/completions", **asked) as events:
        for number, _ in enumerate(events):
            if number == 5:
                break
    daemon.quiet()
    usage = daemon.post(asked | {"max_tokens": 2}, "/v1/chat/completions").json()["usage"]
    assert usage["prompt_tokens_details"]["cached_tokens"] == usage["prompt_tokens"] - 1


@pytest.mark.parametrize("how", [{"temperature": 0}, {"temperature": 1.0, "seed": 5}])
def test_a_stream_goes_on_in_the_next_engine(daemon: Any, how: dict[str, Any]) -> None:
    before = daemon.status()["engine"]["restarts"]
    said, heard = [], 0
    with daemon.stream(**LONG | how, stream_options={"include_usage": True}) as events:
        for document in events:
            assert "error" not in document
            said += [choice["text"] for choice in document["choices"]]
            heard += 1
            if heard == 12:
                daemon.kill_engine()
    assert daemon.status()["engine"]["restarts"] == before + 1
    assert document["usage"]["completion_tokens"] == LONG["max_tokens"]
    assert len("".join(said)) > 60
