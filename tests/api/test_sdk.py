"""The openai SDK works over the app as it is."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator

import httpx
import openai
import pytest
import uvicorn

from edge_rt.core.decoding import TokenLogprob
from edge_rt.core.errors import EngineError, RequestError, Unavailable

ASK = {"model": "smol", "messages": [{"role": "user", "content": "Hi"}]}
EDGE = {"energy_j": 1.5, "energy_quality": "measured", "power_w": 6.25, "temp_c": 51.5}
TOOLS = [{"type": "function", "function": {"name": "get_weather", "parameters": {}}}]


class Switch:
    """An app that stands for another, so that one server serves every test."""

    app = None

    async def __call__(self, scope, receive, send) -> None:
        await self.app(scope, receive, send)


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[tuple[str, Switch]]:
    """A real server on a real socket, in a thread of its own."""
    path = str(tmp_path_factory.mktemp("run") / "edge.sock")
    switch = Switch()
    config = uvicorn.Config(switch, log_level="warning", lifespan="off")
    server = uvicorn.Server(config)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()  # so that a client may come before the server is ready
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        yield path, switch
        server.should_exit = True
        thread.join(10)


@pytest.fixture
def unix_socket(server, client) -> str:
    path, switch = server
    switch.app = client.app
    return path


@pytest.fixture
def sdk(unix_socket) -> Iterator[openai.OpenAI]:
    transport = httpx.HTTPTransport(uds=unix_socket)
    with openai.OpenAI(
        api_key="unused",
        base_url="http://edge/v1",
        max_retries=0,
        http_client=httpx.Client(transport=transport),
    ) as sdk:
        yield sdk


def async_sdk(client) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(
        api_key="unused",
        base_url="http://edge/v1",
        max_retries=0,
        http_client=httpx.AsyncClient(transport=httpx.ASGITransport(client.app)),
    )


def test_chat(sdk):
    answer = sdk.chat.completions.create(**ASK)
    assert answer.choices[0].message.content == "Hello world"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.prompt_tokens_details.cached_tokens == 4
    assert answer.model_extra["edge"]["backend"] == "llama.cpp"


EDGE |= {"power_quality": "measured"}


def test_what_a_whole_answer_cost(sdk):
    raw = sdk.chat.completions.with_raw_response.create(**ASK)
    edge = raw.parse().model_extra["edge"]
    assert edge.items() >= EDGE.items()
    for name, value in edge.items():
        shown = raw.headers.get(f"X-Edge-{name.replace('_', '-')}")
        assert shown == (None if value is None else str(value))
    assert raw.headers["X-Edge-Energy-J"] == "1.5"


@pytest.mark.parametrize("options", [None, {"include_usage": True}])
def test_what_a_streamed_answer_cost(sdk, options):
    raw = sdk.chat.completions.with_raw_response.create(**ASK, stream=True, stream_options=options)
    assert raw.headers["X-Edge-Model"] == "smol"
    assert raw.headers["X-Edge-Backend"] == "llama.cpp"
    assert "X-Edge-Energy-J" not in raw.headers
    *chunks, last = raw.parse()
    assert all("edge" not in chunk.model_extra for chunk in chunks)
    assert last.model_extra["edge"].items() >= EDGE.items()


def test_what_completions_cost(sdk):
    raw = sdk.completions.with_raw_response.create(model="smol", prompt=["a", "b"])
    assert raw.headers["X-Edge-Energy-J"] == "3.0"
    assert raw.parse().model_extra["edge"]["energy_j"] == 3.0
    chunks = list(sdk.completions.create(model="smol", prompt=["a", "b"], stream=True))
    assert chunks[-1].model_extra["edge"]["energy_j"] == 3.0


def test_chat_stream_with_usage_and_several_answers(sdk):
    texts, usage = ["", ""], None
    stream = sdk.chat.completions.create(
        **ASK, n=2, stream=True, stream_options={"include_usage": True}
    )
    for chunk in stream:
        for choice in chunk.choices:
            texts[choice.index] += choice.delta.content or ""
        usage = chunk.usage or usage
    assert texts == ["Hello world"] * 2
    assert usage.completion_tokens == 4


def test_chat_stream_helper(sdk):
    with sdk.chat.completions.stream(**ASK) as stream:
        for _ in stream:
            pass
        final = stream.get_final_completion()
    assert final.choices[0].message.content == "Hello world"


def test_chat_logprobs(sdk, service, script):
    token = TokenLogprob(b"x", -0.5, [(b"x", -0.5), (b"y", -2.0)])
    service.script = lambda call: [
        script.started(),
        script.delta("x", logprobs=[token]),
        script.finished(reason="length"),
    ]
    (choice,) = sdk.chat.completions.create(**ASK, logprobs=True, top_logprobs=2).choices
    assert choice.finish_reason == "length"
    assert [top.token for top in choice.logprobs.content[0].top_logprobs] == ["x", "y"]


def _weather(script):
    call = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Paris"}}\n</tool_call>'
    return lambda call_: [
        script.started(),
        *(script.delta(text) for text in ("I look.", *call)),
        script.finished(),
    ]


def test_chat_tools(sdk, service, script):
    service.script = _weather(script)
    (choice,) = sdk.chat.completions.create(**ASK, tools=TOOLS).choices
    (call,) = choice.message.tool_calls
    assert choice.finish_reason == "tool_calls"
    assert (call.function.name, call.function.arguments) == ("get_weather", '{"city": "Paris"}')
    told = {"role": "tool", "tool_call_id": call.id, "content": "rain"}
    messages = [*ASK["messages"], choice.message, told]
    assert sdk.chat.completions.create(model="smol", messages=messages, tools=TOOLS).choices


def test_chat_tools_stream_helper(sdk, service, script):
    service.script = _weather(script)
    with sdk.chat.completions.stream(**ASK, tools=TOOLS) as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_completion()
    assert "tool_calls.function.arguments.done" in kinds
    (choice,) = final.choices
    assert choice.message.content == "I look."
    assert choice.message.tool_calls[0].function.arguments == '{"city": "Paris"}'


def test_completions(sdk):
    answer = sdk.completions.create(model="smol", prompt=["a", "b"], n=2, echo=True)
    texts = [choice.text for choice in answer.choices]
    assert texts == ["aHello world"] * 2 + ["bHello world"] * 2
    stream = sdk.completions.create(model="smol", prompt="a", stream=True)
    assert "".join(chunk.choices[0].text for chunk in stream) == "Hello world"


def test_models(sdk):
    assert [model.id for model in sdk.models.list()] == ["smol", "other-1.5b@q4"]
    assert sdk.models.retrieve("other-1.5b@q4").id == "other-1.5b@q4"
    with pytest.raises(openai.NotFoundError):
        sdk.models.retrieve("nobody")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (RequestError("too long", code="context_length_exceeded"), openai.BadRequestError),
        (Unavailable("busy", retry_after_s=1), openai.InternalServerError),
        (Unavailable("slower", retry_after_s=1, code="rate_limit"), openai.RateLimitError),
        (EngineError("died"), openai.InternalServerError),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_errors(sdk, service, error, expected, stream):
    service.script = lambda call: [error]
    with pytest.raises(expected) as caught:
        sdk.chat.completions.create(**ASK, stream=stream)
    assert caught.value.body["message"] == str(error)
    if isinstance(error, RequestError):
        assert caught.value.code == "context_length_exceeded"


def test_wrong_fields_and_models(sdk):
    with pytest.raises(openai.BadRequestError) as caught:
        sdk.chat.completions.create(**ASK, temperature=3)
    assert caught.value.param == "temperature"
    with pytest.raises(openai.NotFoundError):
        sdk.chat.completions.create(**{**ASK, "model": "nobody"})


def test_an_error_inside_a_stream(sdk, service, script):
    service.script = lambda call: [script.started(), script.delta("x"), EngineError("died")]
    with pytest.raises(openai.APIError, match="died"):
        for _ in sdk.chat.completions.create(**ASK, stream=True):
            pass
    service.script = script.hello
    assert sdk.chat.completions.create(**ASK).choices  # the connection is still good


@pytest.mark.parametrize("stream", [b"false", b"true"])
def test_leaving_cancels(unix_socket, service, script, stream):
    opened, closed = threading.Event(), threading.Event()

    async def generate(call):
        try:
            yield script.started()
            opened.set()
            await asyncio.Event().wait()
        finally:
            closed.set()

    service.generate = generate
    body = b'{"messages": [{"role": "user", "content": "Hi"}], "stream": %s}' % stream
    head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: edge\r\nContent-Length: %d\r\n\r\n"
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(unix_socket)
        connection.sendall(head % len(body) + body)
        assert opened.wait(10)
        assert not closed.is_set()
    assert closed.wait(10)


def test_async(client):
    async def run():
        async with async_sdk(client) as sdk:
            answer = await sdk.chat.completions.create(**ASK)
            stream = await sdk.chat.completions.create(**ASK, stream=True)
            texts = [c.choices[0].delta.content or "" async for c in stream]
            with pytest.raises(openai.BadRequestError):
                await sdk.completions.create(model="smol", prompt="x", n=100)
            return answer.choices[0].message.content, "".join(texts)

    assert asyncio.run(run()) == ("Hello world", "Hello world")
