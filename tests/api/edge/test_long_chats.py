"""A chat that is longer than its model reads is shortened where that was asked for."""

from __future__ import annotations

import asyncio
import json

import pytest

from edge_rt.api.edge.long_chats import Shortener
from edge_rt.core.chat_format import ChatPrompt
from edge_rt.core.errors import RequestError
from edge_rt.core.events import Tokenized

WINDOW = 400


class Counted:
    """A service whose models have a token for each word."""

    most = 100_000  # characters, above which prompts are refused

    def window(self, model: str) -> tuple[str, int]:
        return f"{model}-long", WINDOW

    async def render(self, model: str, prompt: ChatPrompt, client: str | None) -> str:
        assert model == "smol-long"
        text = " ".join(f"<{m['role']}> {m['content']}" for m in prompt.messages)
        if len(text) > self.most:
            raise RequestError("no", param="messages", code="context_length_exceeded")
        return text

    async def tokenize(self, model: str, text: str, *, begins: bool) -> Tokenized:
        return Tokenized(1, list(range(len(text.split()) + begins)))


def talk(turns: int) -> ChatPrompt:
    messages = [{"role": "system", "content": "Be kind."}]
    for i in range(turns):
        messages.append({"role": "user", "content": f"In year {1000 + i} we sowed plant{i}."})
        messages.append({"role": "assistant", "content": "How nice that must have been for you."})
    return ChatPrompt([*messages, {"role": "user", "content": "In which year was it plant7?"}])


def shortened(service, prompt, most=None, answer=100):
    return asyncio.run(Shortener(service, None).shortened("smol", prompt, most, answer))


def test_what_fits_is_left_as_it_is():
    prompt = talk(3)
    assert shortened(Counted(), prompt) == (prompt, None)


@pytest.mark.parametrize("most", [100_000, 4000])
def test_what_the_question_is_about_is_kept(most):
    service = Counted()
    service.most = most  # the whole prompt is too long to be counted, or not
    prompt, left = shortened(service, talk(100))
    text = json.dumps(prompt.messages)
    assert "plant7." in text
    assert "plant99." in text  # the latest
    assert "Be kind." in text
    assert prompt.messages[-1] == talk(100).messages[-1]
    assert left.tokens <= WINDOW - 100
    assert left.tokens > 0.8 * (WINDOW - 100)
    assert left.of_tokens == (None if most == 4000 else pytest.approx(1900, rel=0.2))
    assert left.messages[0].startswith("1-")


def test_a_request_may_name_the_most():
    prompt, left = shortened(Counted(), talk(100), most=100)
    assert left.tokens <= 100
    assert "plant7." in json.dumps(prompt.messages)


def test_an_answer_without_a_limit_gets_a_quarter():
    assert shortened(Counted(), talk(100), answer=None)[1].tokens <= 0.75 * WINDOW


def test_what_must_stay_may_be_too_long():
    prompt = talk(100)
    prompt.messages[0]["content"] = "word " * 500
    with pytest.raises(RequestError, match="alone take more") as told:
        shortened(Counted(), prompt)
    assert told.value.code == "context_length_exceeded"


def test_a_chat_says_what_was_left_out(client, service):
    service.prompt = "x" * 5000  # tokens, as the stand-in counts them, and it stays as long
    answer = client.chat(edge={"context": True}, messages=[{"role": "user", "content": "y" * 9000}])
    assert answer.status == 400
    assert "cannot be shortened" in answer.json()["error"]["message"]
    assert client.chat(edge={"context": {"tokens": 4000}}).status == 200


def test_a_prompt_that_is_no_chat_is_never_shortened(client):
    answer = client.complete(prompt="Once", edge={"context": True})
    assert answer.status == 400
    assert answer.json()["error"]["param"] == "edge.context"
